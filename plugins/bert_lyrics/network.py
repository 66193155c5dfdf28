"""A BERT outside the graph, whatever computes it: tokens, batches of one length."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from deephits_keras.errors import UserError

LENGTH_STEP = 32
"""Texts are padded to a multiple of this many tokens, which limits shapes and padding."""

ALL_TOKENS = 2**20
"""Most tokens of a text that is read in several windows."""

Tokenize = Callable[[Sequence[str], int], list[list[int]]]
"""Texts and the maximum number of tokens -> token ids, including [CLS] and [SEP]."""

Arrays = dict[bytes, np.ndarray]
"""What a network gives by token ids (int32, as bytes)."""


class TextNetwork(ABC):
    """A network from tokens to one array per text, and the tokenizer of its checkpoint.

    Args:
        tokenize: Tokenizer of the checkpoint.
        max_tokens: Number of positions of the checkpoint.

    Attributes:
        embedded: Number of windows that were computed.
        tokenize: See the argument.
        max_tokens: See the argument.
    """

    def __init__(self, tokenize: Tokenize, max_tokens: int) -> None:
        self.embedded = 0
        self.tokenize = tokenize
        self.max_tokens = max_tokens

    @abstractmethod
    def compute(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """What the network gives for a batch, float32 `(batch, ...)`.

        Args:
            inputs: `token_ids`, `segment_ids` and `padding_mask`, int32 `(batch, tokens)`.
        """

    def keys_of(
        self, texts: Sequence[str], max_tokens: int, windows: int = 1
    ) -> list[tuple[bytes, ...]]:
        """The token ids of each text's windows, int32 as bytes.

        Args:
            texts: At least one text.
            max_tokens: Most tokens per window, including [CLS] and [SEP].
            windows: Most windows per text; see `cuts`. With 1, a text is cut off after
                `max_tokens`.

        Raises:
            UserError: if the checkpoint has fewer positions than `max_tokens`.
        """
        if max_tokens > self.max_tokens:
            raise UserError(
                f"This BERT reads at most {self.max_tokens} tokens. "
                f"Received: max_tokens={max_tokens}"
            )
        tokenized = self.tokenize(texts, max_tokens if windows == 1 else ALL_TOKENS)
        return [
            tuple(np.array(window, "int32").tobytes() for window in cut(ids, max_tokens, windows))
            for ids in tokenized
        ]

    def rows(self, keys: Iterable[bytes], batch_size: int) -> Arrays:
        """What the network gives for each window; axes of tokens are padded.

        Args:
            keys: Token ids of the windows, each once.
            batch_size: Most windows per step.
        """
        found: Arrays = {}
        for batch in length_batches(list(keys), batch_size):
            found.update(zip(batch, self._forward(batch), strict=True))
        return found

    def _forward(self, keys: Sequence[bytes]) -> np.ndarray:
        """Compute a batch of windows of one padded length: `(len(keys), ...)`."""
        self.embedded += len(keys)
        length = min(padded_length(keys[0]), self.max_tokens)
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
        return self.compute(inputs)


def cuts(tokens: int, room: int, windows: int) -> list[tuple[int, int]]:
    """Start and stop of the windows over a text, as few as cover it, at most `windows`.

    They have the same length, the first begins with the text, and the last of several ends with
    it: a text too long for all is read at even distances.

    Args:
        tokens: Number of tokens of the text, without [CLS] and [SEP].
        room: Most tokens per window, without them.
        windows: Most windows.

    Example:
        >>> cuts(25, 10, 4), cuts(25, 10, 2), cuts(25, 10, 1), cuts(7, 10, 4)
        ([(0, 10), (8, 18), (15, 25)], [(0, 10), (15, 25)], [(0, 10)], [(0, 7)])
    """
    count = max(1, min(windows, -(-tokens // room)))
    starts = [round(n * (tokens - room) / (count - 1)) for n in range(count)] if count > 1 else [0]
    return [(start, min(start + room, tokens)) for start in starts]


def cut(ids: Sequence[int], max_tokens: int, windows: int) -> list[list[int]]:
    """The windows over the tokens of a text, each between its own [CLS] and [SEP].

    Args:
        ids: The tokens, with [CLS] and [SEP].
        max_tokens: Most tokens per window, with these.
        windows: Most windows.
    """
    first, *inner, last = ids
    return [
        [first, *inner[start:stop], last]
        for start, stop in cuts(len(inner), max_tokens - 2, windows)
    ]


def token_count(key: bytes) -> int:
    """Number of tokens of a window."""
    return len(key) // np.dtype("int32").itemsize


def padded_length(key: bytes) -> int:
    """Number of tokens after padding. It depends on the text only, and so does its array."""
    return -(-token_count(key) // LENGTH_STEP) * LENGTH_STEP


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
