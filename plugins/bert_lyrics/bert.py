"""A frozen BERT outside the graph: texts in, pooled [CLS] vectors out."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    case_of,
    content_hash,
    find_preset,
    preset_copy,
    read_config,
    require,
)

LENGTH_STEP = 32
"""Texts are padded to a multiple of this many tokens, which limits shapes and padding."""

REMEMBERED = 4096
"""Number of vectors that are cached between calls: 12 MB at 768-D."""

Tokenize = Callable[[Sequence[str], int], list[list[int]]]
"""Texts and the maximum number of tokens -> token ids, including [CLS] and [SEP]."""

Vectors = dict[bytes, np.ndarray]
"""Pooled vectors by token ids (int32, as bytes)."""


class FrozenBert:
    """BERT's pooled [CLS] vector for texts of any length.

    Args:
        backbone: KerasHub backbone with the weights.
        tokenize: Tokenizer of the checkpoint.
        vocabulary: Ids by token.

    Attributes:
        embedded: Number of texts that were computed; the others were cached.
        backbone: See the argument.
        tokenize: See the argument.
        vocabulary: See the argument.
    """

    def __init__(
        self,
        backbone: keras_hub.models.BertBackbone,
        tokenize: Tokenize,
        vocabulary: Mapping[str, int],
    ) -> None:
        self.embedded = 0
        self.backbone = backbone
        self.vocabulary = vocabulary
        self._model = keras.Model(backbone.input, pooled_output(backbone))
        self._max_tokens = int(backbone.max_sequence_length)
        self.tokenize = tokenize
        self._known: OrderedDict[bytes, np.ndarray] = OrderedDict()

    def embed(self, texts: Sequence[str], max_tokens: int, batch_size: int) -> np.ndarray:
        """Embed texts; those with the same tokens are embedded once.

        Args:
            texts: At least one text.
            max_tokens: Most tokens per text, including [CLS] and [SEP]; the rest is cut off.
            batch_size: Most texts per step.

        Returns:
            float32 `(len(texts), hidden size)`, in the order of `texts`.

        Raises:
            UserError: if the checkpoint has fewer positions than `max_tokens`.
        """
        if max_tokens > self._max_tokens:
            raise UserError(
                f"This BERT reads at most {self._max_tokens} tokens. "
                f"Received: max_tokens={max_tokens}"
            )
        keys = [np.array(i, "int32").tobytes() for i in self.tokenize(texts, max_tokens)]
        vectors: Vectors = {key: self._known[key] for key in keys if key in self._known}
        for batch in length_batches(
            [k for k in dict.fromkeys(keys) if k not in vectors], batch_size
        ):
            vectors.update(zip(batch, self._forward(batch), strict=True))
        self._remember(vectors)
        return np.stack([vectors[key] for key in keys])

    def _forward(self, keys: Sequence[bytes]) -> np.ndarray:
        """Embed a batch of token ids of one padded length: `(len(keys), hidden size)`."""
        self.embedded += len(keys)
        length = min(padded_length(keys[0]), self._max_tokens)
        token_ids = np.zeros((len(keys), length), "int32")
        padding_mask = np.zeros_like(token_ids)
        for row, key in enumerate(keys):
            ids = np.frombuffer(key, "int32")
            token_ids[row, : len(ids)] = ids
            padding_mask[row, : len(ids)] = 1
        inputs = {
            "token_ids": token_ids,
            "segment_ids": np.zeros_like(token_ids),
            "padding_mask": padding_mask,
        }
        return np.asarray(self._model.predict_on_batch(inputs), "float32")

    def _remember(self, vectors: Vectors) -> None:
        for key, vector in vectors.items():
            self._known[key] = vector
            self._known.move_to_end(key)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


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


def padded_length(key: bytes) -> int:
    """Number of tokens after padding. It depends on the text only, and so does its vector."""
    tokens = len(key) // np.dtype("int32").itemsize
    return -(-tokens // LENGTH_STEP) * LENGTH_STEP


def length_batches(keys: Sequence[bytes], batch_size: int) -> Iterator[list[bytes]]:
    """Batches of texts of one padded length, the longest first.

    The remainder of a length is split into powers of two, so that a backend that compiles each
    shape (JAX) compiles only a few.
    """
    longest_first = sorted(keys, key=padded_length, reverse=True)
    for _, group in itertools.groupby(longest_first, padded_length):
        left = list(group)
        while left:
            size = min(batch_size, 1 << (len(left).bit_length() - 1))
            yield left[:size]
            left = left[size:]


def load_bert(checkpoint: str) -> FrozenBert:
    """The BERT of a checkpoint, loaded once per process.

    Args:
        checkpoint: As in `BertLyricsConfig`.

    Raises:
        UserError: if it is missing or can't be used.
    """
    if checkpoint.startswith(PRESET_PREFIX):
        return _load_preset(checkpoint.removeprefix(PRESET_PREFIX))
    folder = require(checkpoint)
    return _load_folder(folder, content_hash(folder))


@lru_cache(maxsize=1)
def _load_folder(folder: Path, content: str) -> FrozenBert:
    del content  # part of the cache key only, so that a replaced checkpoint is loaded again
    _require_pooler(folder)
    try:
        # float32 whatever the global policy: a stored vector must not depend on it.
        backbone = keras_hub.models.BertBackbone.from_preset(str(folder), dtype="float32")
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


def _folder_tokenizer(folder: Path) -> tuple[Tokenize, Mapping[str, int]]:
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

    return tokenize, tokenizer.get_vocab()


@lru_cache(maxsize=1)
def _load_preset(preset: str) -> FrozenBert:
    folder = find_preset(preset) or _download(preset)
    backbone = _from_preset(keras_hub.models.BertBackbone, str(folder), dtype="float32")
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
) -> tuple[Tokenize, Mapping[str, int]]:
    """The preset's vocabulary in a Hugging Face tokenizer, which runs without TensorFlow."""
    from tokenizers import BertWordPieceTokenizer

    vocabulary = {token: index for index, token in enumerate(preset.get_vocabulary())}
    tokenizer = BertWordPieceTokenizer(vocabulary, lowercase=preset.lowercase)

    def tokenize(texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        tokenizer.enable_truncation(max_tokens)
        return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]

    return tokenize, vocabulary


@lru_cache(maxsize=8)
def preset_hidden_size(checkpoint: str) -> int:
    """Size of a KerasHub preset's pooled vector, from its configuration alone.

    Raises:
        UserError: if KerasHub can't load it.
    """
    preset = checkpoint.removeprefix(PRESET_PREFIX)
    source = str(find_preset(preset) or preset)
    model = _from_preset(keras_hub.models.BertBackbone, source, load_weights=False)
    return int(model.hidden_dim)


def _from_preset(kind: Any, preset: str, **options: Any) -> Any:
    try:
        return kind.from_preset(preset, **options)
    except Exception as error:
        raise UserError(
            f"KerasHub can't load its preset {preset!r}: {type(error).__name__}: {error}"
        ) from error
