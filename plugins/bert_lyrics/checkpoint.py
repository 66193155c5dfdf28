"""Where a BERT checkpoint lies, what it must hold, and the hash that names its content."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deephits_keras.errors import UserError
from deephits_keras.utils.files import hash_of_files, read_json

FOLDER_VARIABLE = "DEEPHITS_CHECKPOINTS"
"""Environment variable: the folder in which checkpoints are looked up by name."""

PRESET_PREFIX = "keras-hub:"
"""Before a KerasHub preset's name or handle; only this form may download, and only once."""


REQUIRED_FILES = ("config.json", "model.safetensors", "tokenizer_config.json")
VOCABULARY_FILES = ("tokenizer.json", "vocab.txt")
"""At least one of them is needed."""

OPTIONAL_FILES = ("added_tokens.json", "special_tokens_map.json")
"""Old checkpoints keep further tokens there."""

GELU = ("gelu", "gelu_new", "gelu_pytorch_tanh")


def folder_of_checkpoints() -> Path:
    """`$DEEPHITS_CHECKPOINTS`, by default `~/.cache/deephits/checkpoints`."""
    given = os.environ.get(FOLDER_VARIABLE) or "~/.cache/deephits/checkpoints"
    return Path(given).expanduser()


def find(checkpoint: str) -> Path | None:
    """The folder that `checkpoint` means, or None: it isn't there, or is a KerasHub preset.

    Args:
        checkpoint: A folder, or a name in `folder_of_checkpoints()`.
    """
    if checkpoint.startswith(PRESET_PREFIX):
        return None
    candidates = (Path(checkpoint).expanduser(), folder_of_checkpoints() / checkpoint)
    return next((folder for folder in candidates if folder.is_dir()), None)


def preset_copy(preset: str) -> Path:
    """Where a preset that was downloaded is kept."""
    return folder_of_checkpoints() / f"keras-hub-{quote(preset, safe='')}"


def find_preset(preset: str) -> Path | None:
    """The folder of a KerasHub preset, or None: it would have to be downloaded."""
    # KerasHub takes a name without a slash for one of its own, whatever lies in this folder.
    is_path = os.sep in preset and "://" not in preset
    candidates = [Path(preset)] if is_path else [preset_copy(preset)]
    return next((folder for folder in candidates if (folder / "config.json").is_file()), None)


def refuse_download(checkpoint: str) -> None:
    """Refuse a preset that isn't here, named by a file that may be a stranger's.

    Raises:
        UserError: if it isn't here; the message says how to ask for it.
    """
    preset = checkpoint.removeprefix(PRESET_PREFIX)
    if checkpoint.startswith(PRESET_PREFIX) and find_preset(preset) is None:
        raise UserError(
            f"The lyrics' BERT is to be the KerasHub preset {preset!r}, which isn't on this "
            "machine. A run or a corpus can't make it download anything: if you want that, ask "
            f"for it yourself with --lyrics-checkpoint {checkpoint}"
        )


def require(checkpoint: str) -> Path:
    """The folder of `checkpoint`, with every file that is needed.

    Raises:
        UserError: if it isn't there or isn't whole; the message says what to download from where
            and where to put it. Also if it holds only a pickle of weights, or isn't a BERT.
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
        raise UserError(f"{folder} is not a whole BERT checkpoint: it lacks {', '.join(missing)}")
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
        "cased BERT) to let KerasHub download it."
    )


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json`.

    Raises:
        UserError: if it isn't there, or describes anything but a BERT that KerasHub can build.
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
class Case:
    """Whether a checkpoint's tokenizer takes capital letters for small ones.

    Attributes:
        lowers: Whether it does; it then takes accents off, too.
        decided_by: The file that says so.
    """

    lowers: bool
    decided_by: str

    @property
    def is_stated(self) -> bool:
        """Whether the tokenizer's own configuration says so."""
        return self.decided_by == "tokenizer_config.json"


def case_of(folder: Path) -> Case:
    """How a checkpoint reads capital letters.

    As `tokenizer_config.json` says; where it doesn't, as the normaliser in `tokenizer.json` does;
    else by the vocabulary: one that holds a capital letter was made of text that has them. Without
    this, transformers lowers every text not said to be cased, whatever `tokenizer.json` says,
    and a cased checkpoint finds few of its words.

    Raises:
        UserError: if a file isn't what its name says.
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
    """Whether a normaliser of `tokenizer.json` lowers; None if it doesn't say."""
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
