"""Location, required files and content hash of a BERT checkpoint."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deephits_keras.errors import UserError
from deephits_keras.utils.files import hash_of_files, read_json

FOLDER_VARIABLE = "DEEPHITS_CHECKPOINTS"
"""Environment variable: the folder that is searched for checkpoints by name."""

PRESET_PREFIX = "keras-hub:"
"""Prefix of a KerasHub preset's name or handle; only presets are downloaded, once."""


REQUIRED_FILES = ("config.json", "model.safetensors", "tokenizer_config.json")
VOCABULARY_FILES = ("tokenizer.json", "vocab.txt")
"""Files with the vocabulary; at least one is needed."""

OPTIONAL_FILES = ("added_tokens.json", "special_tokens_map.json")
"""Files with additional tokens, in old checkpoints."""

GELU = ("gelu", "gelu_new", "gelu_pytorch_tanh")


def folder_of_checkpoints() -> Path:
    """`$DEEPHITS_CHECKPOINTS`, by default `~/.cache/deephits/checkpoints`."""
    given = os.environ.get(FOLDER_VARIABLE) or "~/.cache/deephits/checkpoints"
    return Path(given).expanduser()


def find(checkpoint: str) -> Path | None:
    """The folder of `checkpoint`, or None if it is missing or a KerasHub preset.

    Args:
        checkpoint: A folder, or a name in `folder_of_checkpoints()`.
    """
    if checkpoint.startswith(PRESET_PREFIX):
        return None
    candidates = (Path(checkpoint).expanduser(), folder_of_checkpoints() / checkpoint)
    return next((folder for folder in candidates if folder.is_dir()), None)


def preset_copy(preset: str) -> Path:
    """Folder of a downloaded preset."""
    return folder_of_checkpoints() / f"keras-hub-{quote(preset, safe='')}"


def find_preset(preset: str) -> Path | None:
    """The folder of a KerasHub preset, or None if it isn't downloaded yet."""
    # KerasHub treats a name without a slash as a preset, even if such a folder exists.
    is_path = os.sep in preset and "://" not in preset
    candidates = [Path(preset)] if is_path else [preset_copy(preset)]
    return next((folder for folder in candidates if (folder / "config.json").is_file()), None)


def refuse_download(checkpoint: str) -> None:
    """Refuse to download a preset that is named by a run or corpus, which may be untrusted.

    Raises:
        UserError: if it isn't downloaded; the message says how to request it.
    """
    preset = checkpoint.removeprefix(PRESET_PREFIX)
    if checkpoint.startswith(PRESET_PREFIX) and find_preset(preset) is None:
        raise UserError(
            f"The lyrics encoder uses the KerasHub preset {preset!r}, which isn't on this "
            "machine. A run or a corpus can't start a download. To download the preset, add "
            f"--lyrics-checkpoint {checkpoint}"
        )


def require(checkpoint: str) -> Path:
    """The folder of `checkpoint`, with every file that is needed.

    Raises:
        UserError: if it is missing or incomplete; the message says what to download and where to
            put it. Also if its weights are only a pickle, or it isn't a BERT.
    """
    folder = find(checkpoint)
    if folder is None:
        raise UserError(_how_to_get(checkpoint))
    missing = [name for name in REQUIRED_FILES if not (folder / name).is_file()]
    if "model.safetensors" in missing and (folder / "pytorch_model.bin").exists():
        raise UserError(
            f"{folder} holds its weights as pytorch_model.bin, a pickle, which can run any code "
            "and is never read here. Where PyTorch is installed and you trust the file, convert "
            "it: transformers.BertModel.from_pretrained(FOLDER).save_pretrained(FOLDER)"
        )
    if not any((folder / name).is_file() for name in VOCABULARY_FILES):
        missing.append(" or ".join(VOCABULARY_FILES))
    if missing:
        raise UserError(
            f"{folder} is not a complete BERT checkpoint: it lacks {', '.join(missing)}"
        )
    read_config(folder)
    return folder


def _how_to_get(checkpoint: str) -> str:
    if Path(checkpoint).expanduser().is_absolute() or checkpoint.startswith("."):
        return f"The BERT checkpoint {checkpoint} is not there: no such folder"
    target = folder_of_checkpoints() / checkpoint
    files = (*REQUIRED_FILES, *VOCABULARY_FILES)
    return (
        f"The BERT checkpoint {checkpoint!r} is not on this machine. Download {', '.join(files)} "
        f"from https://huggingface.co/{checkpoint} into {target} (any other place: set the "
        f"checkpoint to the folder, or {FOLDER_VARIABLE} to its parent). With a network:\n"
        f"  hf download {checkpoint} {' '.join(files)} --local-dir {target}\n"
        f"or set the checkpoint to {PRESET_PREFIX}PRESET (bert_base_multi is the multilingual "
        "cased BERT) to let KerasHub download it. The encoder lyrics=lyrics_lstm needs none."
    )


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json`.

    Raises:
        UserError: if it is missing, or doesn't describe a BERT that KerasHub can build.
    """
    config = read_json(folder / "config.json", "a BERT checkpoint")
    if not isinstance(config, dict) or config.get("model_type") != "bert":
        kind = config.get("model_type") if isinstance(config, dict) else None
        raise UserError(f"{folder} is not a BERT checkpoint: its model_type is {kind!r}")
    size = config.get("hidden_size")
    if not isinstance(size, int) or size < 1:
        raise UserError(f"{folder}/config.json: hidden_size must be positive. Received: {size!r}")
    activation = config.get("hidden_act", "gelu")
    positions = config.get("position_embedding_type", "absolute")
    if activation not in GELU or positions != "absolute":
        raise UserError(
            f"{folder} is a BERT with hidden_act={activation!r} and position_embedding_type="
            f"{positions!r}; only GELU and absolute positions are supported"
        )
    return config


@dataclass(frozen=True)
class Sizes:
    """Sizes of a BERT; the defaults are BERT base's, as in Hugging Face's configurations.

    Attributes:
        hidden: Size of a token's state and of the pooled vector.
        layers: Number of layers.
        heads: Number of attention heads.
        intermediate: Size of the wide dense layer in each layer.
    """

    hidden: int = 768
    layers: int = 12
    heads: int = 12
    intermediate: int = 3072


@dataclass(frozen=True)
class Case:
    """Whether a checkpoint's tokenizer converts text to lower case.

    Attributes:
        lowers: Whether it does; it then also removes accents.
        decided_by: The file that states it.
    """

    lowers: bool
    decided_by: str

    @property
    def is_stated(self) -> bool:
        """Whether the tokenizer's configuration states it."""
        return self.decided_by == "tokenizer_config.json"


def case_of(folder: Path) -> Case:
    """Determine how a checkpoint treats capital letters.

    Read from `tokenizer_config.json`, else from the normaliser in `tokenizer.json`, else from the
    vocabulary, which is cased if it contains a capital letter. By default, transformers converts
    text to lower case unless `tokenizer_config.json` forbids it, whatever `tokenizer.json` states,
    and a cased checkpoint then lacks most words.

    Raises:
        UserError: if a file has the wrong content.
    """
    stated = read_json(folder / "tokenizer_config.json", "a tokenizer's configuration")
    value = stated.get("do_lower_case") if isinstance(stated, dict) else None
    if isinstance(value, bool):
        return Case(value, "tokenizer_config.json")
    vocabulary: list[str] = []
    if (folder / "tokenizer.json").is_file():
        whole = read_json(folder / "tokenizer.json", "a tokenizer")
        whole = whole if isinstance(whole, dict) else {}
        if (lowers := _lowers(whole.get("normalizer"))) is not None:
            return Case(lowers, "tokenizer.json")
        model = whole.get("model")
        tokens = model.get("vocab") if isinstance(model, dict) else None
        vocabulary = [str(token) for token in tokens] if isinstance(tokens, dict | list) else []
    by = "tokenizer.json"
    if not vocabulary and (folder / "vocab.txt").is_file():
        text = (folder / "vocab.txt").read_text(encoding="utf-8", errors="replace")
        vocabulary, by = text.splitlines(), "vocab.txt"
    words = (token for token in vocabulary if not token.startswith("["))
    return Case(not any(word != word.lower() for word in words), by)


def _lowers(normalizer: Any) -> bool | None:
    """Whether a normaliser of `tokenizer.json` converts to lower case; None if unknown."""
    if not isinstance(normalizer, dict):
        return None
    if normalizer.get("type") == "Lowercase":
        return True
    if isinstance(normalizer.get("lowercase"), bool):
        return bool(normalizer["lowercase"])
    parts = normalizer.get("normalizers")
    said = [_lowers(part) for part in parts] if isinstance(parts, list) else []
    return True if True in said else False if False in said else None


def content_hash(folder: Path) -> str:
    """SHA-256 of everything in `folder` that the vectors depend on, in hexadecimal."""
    return hash_of_files(folder, (*REQUIRED_FILES, *VOCABULARY_FILES, *OPTIONAL_FILES))
