"""A frozen BERT outside the graph: texts in, pooled [CLS] vectors out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.utils.files import PARTIAL

from .checkpoint import (
    PRESET_PREFIX,
    Sizes,
    case_of,
    content_hash,
    find_preset,
    preset_copy,
    read_config,
    require,
)
from .embedding import TextEmbedder
from .network import Tokenize


class FrozenBert(TextEmbedder):
    """BERT's pooled [CLS] vector for texts of any length.

    Args:
        backbone: KerasHub backbone with the weights.
        tokenize: Tokenizer of the checkpoint.
        vocabulary: Ids by token.
        tokenizer: The tokenizer as a `tokenizer.json`.

    Attributes:
        backbone: See the argument.
        vocabulary: See the argument.
        tokenizer: See the argument.
        model: From token ids, segment ids and padding mask to the pooled vector.
    """

    def __init__(
        self,
        backbone: keras_hub.models.BertBackbone,
        tokenize: Tokenize,
        vocabulary: Mapping[str, int],
        tokenizer: str,
    ) -> None:
        super().__init__(tokenize, int(backbone.max_sequence_length))
        self.backbone = backbone
        self.vocabulary = vocabulary
        self.tokenizer = tokenizer
        self.model = keras.Model(backbone.input, pooled_output(backbone))

    def compute(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """See the base class."""
        return np.asarray(self.model.predict_on_batch(dict(inputs)), "float32")


def pooled_output(backbone: keras_hub.models.BertBackbone) -> keras.KerasTensor:
    """The backbone's pooled [CLS] vector; its last layer is computed for that position only.

    No other output of the last layer is needed: this saves 7 % of all operations in a BERT of
    twelve layers, 14 % in one of six. KerasHub has no public API for it; if a later KerasHub names
    the layer's parts differently, all positions are computed.
    """
    last = backbone.transformer_layers[-1]
    every = [backbone.embeddings_dropout, *backbone.transformer_layers][-2].output
    mask = backbone.input["padding_mask"]
    try:
        attend, attend_norm = last._self_attention_layer, last._self_attention_layer_norm
        widen, narrow = last._feedforward_intermediate_dense, last._feedforward_output_dense
        narrow_norm = last._feedforward_layer_norm
    except AttributeError:
        return backbone.output["pooled_output"]
    first = every[:, :1]
    first = attend_norm(first + attend(query=first, value=every, attention_mask=mask[:, None]))
    first = narrow_norm(first + narrow(widen(first)))
    return backbone.pooled_dense(first[:, 0])


def load_bert(checkpoint: str, precision: str = "float32") -> FrozenBert:
    """The BERT of a checkpoint, loaded once per process.

    Args:
        checkpoint: As in `BertLyricsConfig`.
        precision: As there.

    Raises:
        UserError: if it is missing or can't be used.
    """
    if checkpoint.startswith(PRESET_PREFIX):
        return _load_preset(checkpoint.removeprefix(PRESET_PREFIX), precision)
    folder = require(checkpoint)
    return _load_folder(folder, content_hash(folder), precision)


@lru_cache(maxsize=1)
def _load_folder(folder: Path, content: str, precision: str) -> FrozenBert:
    del content  # part of the cache key only, so that a replaced checkpoint is loaded again
    _require_pooler(folder)
    try:
        # Whatever the global policy: a stored vector must not depend on it.
        backbone = keras_hub.models.BertBackbone.from_preset(str(folder), dtype=precision)
        return FrozenBert(backbone, *_folder_tokenizer(folder))
    except Exception as error:
        hint = "" if _reads_any_checkpoint() else OLD_KERAS_HUB.format(keras_hub.__version__)
        raise UserError(f"{folder} can't be loaded as a BERT checkpoint: {error}{hint}") from error


OLD_KERAS_HUB = (
    ". KerasHub {} reads only checkpoints whose tensors are called `bert. ...`: "
    "pip install 'keras-hub>=0.32'"
)


def _reads_any_checkpoint() -> bool:
    """Whether KerasHub is new enough to read tensors without a prefix."""
    major, minor = (int(part) for part in keras_hub.__version__.split(".")[:2])
    return (major, minor) >= (0, 32)


def _require_pooler(folder: Path) -> None:
    from safetensors import SafetensorError, safe_open

    weights = folder / "model.safetensors"
    try:
        with safe_open(weights, framework="np") as file:
            names = list(file.keys())
    except (OSError, SafetensorError) as error:
        raise UserError(f"{weights} can't be read as safetensors: {error}") from error
    if not any(name.endswith("pooler.dense.weight") for name in names):
        raise UserError(
            f"{weights} has no pooler (pooler.dense.weight), whose output is the lyrics' vector: "
            "it was saved without one, as BertForMaskedLM is. Use the original checkpoint."
        )


def _folder_tokenizer(folder: Path) -> tuple[Tokenize, Mapping[str, int], str]:
    # Otherwise transformers warns at import if PyTorch is missing, which isn't needed.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        str(folder),
        local_files_only=True,
        trust_remote_code=False,
        do_lower_case=case_of(folder).lowers,
    )
    vocabulary = read_config(folder)["vocab_size"]
    if len(tokenizer) > vocabulary:
        raise ValueError(f"{len(tokenizer)} tokens in the tokenizer, {vocabulary} in the network")

    def tokenize(texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        encoded = tokenizer(list(texts), truncation=True, max_length=max_tokens, padding=False)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    return tokenize, tokenizer.get_vocab(), tokenizer.backend_tokenizer.to_str()


@lru_cache(maxsize=1)
def _load_preset(preset: str, precision: str) -> FrozenBert:
    folder = find_preset(preset) or _download(preset)
    backbone = _from_preset(keras_hub.models.BertBackbone, str(folder), dtype=precision)
    tokenizer = _from_preset(keras_hub.tokenizers.BertTokenizer, str(folder))
    return FrozenBert(backbone, *_preset_tokenizer(tokenizer))


def _download(preset: str) -> Path:
    """Download a preset with KerasHub and store a copy that needs no network."""
    parts = [
        _from_preset(kind, preset)
        for kind in (keras_hub.models.BertBackbone, keras_hub.tokenizers.BertTokenizer)
    ]
    folder = preset_copy(preset)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder.parent) as temporary:
        whole = Path(temporary, "whole")
        for part in parts:
            part.save_to_preset(str(whole))
        whole.replace(folder)
    return folder


def _preset_tokenizer(
    preset: keras_hub.tokenizers.BertTokenizer,
) -> tuple[Tokenize, Mapping[str, int], str]:
    """The preset's vocabulary in a Hugging Face tokenizer, which runs without TensorFlow."""
    from tokenizers import BertWordPieceTokenizer

    vocabulary = {token: index for index, token in enumerate(preset.get_vocabulary())}
    tokenizer = BertWordPieceTokenizer(vocabulary, lowercase=preset.lowercase)

    def tokenize(texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        tokenizer.enable_truncation(max_tokens)
        return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]

    return tokenize, vocabulary, tokenizer.to_str()


@lru_cache(maxsize=8)
def preset_sizes(checkpoint: str) -> Sizes:
    """Sizes of a KerasHub preset, from its configuration alone.

    Raises:
        UserError: if KerasHub can't load it.
    """
    preset = checkpoint.removeprefix(PRESET_PREFIX)
    source = str(find_preset(preset) or preset)
    model = _from_preset(keras_hub.models.BertBackbone, source, load_weights=False)
    return Sizes(model.hidden_dim, model.num_layers, model.num_heads, model.intermediate_dim)


def _from_preset(kind: Any, preset: str, **options: Any) -> Any:
    try:
        return kind.from_preset(preset, **options)
    except Exception as error:
        raise UserError(
            f"KerasHub can't load its preset {preset!r}: {type(error).__name__}: {error}"
        ) from error
