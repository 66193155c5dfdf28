"""Attribute a score to the words of lyrics, through BERT."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from keras import ops
from markupsafe import Markup

from deephits_keras.encoders.explainable import Explainable, Part
from deephits_keras.encoders.features import Features
from deephits_keras.types import Tensor

from .bert import FrozenBert
from .network import ALL_TOKENS, cut, cuts

NEUTRAL = "[MASK]"
"""The token that BERT was trained to read as an unknown word."""

CONTINUED = "##"


class ExplainableWords(Explainable):
    """The tokens' word embeddings as the point; subclasses compute the embedding from them.

    In the baseline each token is replaced by `[MASK]`; positions, segments, `[CLS]` and `[SEP]` are
    kept, so that the text keeps its length but has no words. Each window has its own.

    Args:
        bert: The network.
        text: The lyrics.
        max_tokens: Most tokens per window.
        windows: Most windows.
        output: The tensor of BERT to compute, such as its pooled vector.

    Attributes:
        network: From word embeddings `(rows, tokens, hidden size)`, segments and padding mask to
            that tensor.
    """

    def __init__(
        self, bert: FrozenBert, text: str, max_tokens: int, windows: int, output: keras.KerasTensor
    ) -> None:
        (ids,) = bert.tokenize([text], max_tokens if windows == 1 else ALL_TOKENS)
        names = {index: token for token, index in bert.vocabulary.items()}
        self.tokens = [names[index] for index in ids[1:-1]]
        self.cuts = cuts(len(self.tokens), max_tokens - 2, windows)
        backbone = bert.backbone
        masks = (backbone.input["segment_ids"], backbone.input["padding_mask"])
        self.network = keras.Model([backbone.token_embedding.output, *masks], output)
        read = np.array(cut(ids, max_tokens, windows))
        hidden = np.full_like(read, bert.vocabulary[NEUTRAL])
        hidden[:, 0], hidden[:, -1] = ids[0], ids[-1]
        words, masked = (
            ops.convert_to_numpy(backbone.token_embedding(each)) for each in (read, hidden)
        )
        super().__init__({"words": words}, {"words": masked}, f"every token {NEUTRAL}")

    def through(self, words: Tensor) -> Tensor:
        """Apply the network to each window.

        Args:
            words: `(batch, windows, tokens, hidden size)`.

        Returns:
            The output of `batch * windows` rows.
        """
        rows = ops.reshape(words, (-1, *words.shape[2:]))
        zeros = ops.zeros(ops.shape(rows)[:2], "int32")
        return self.network([rows, zeros, zeros + 1], training=False)

    def parts(self, attribution: Features) -> list[Part]:
        """One part per word, in order; a word's pieces, and its windows, are summed."""
        sums = np.zeros(len(self.tokens))
        for (start, stop), window in zip(self.cuts, attribution["words"], strict=True):
            sums[start:stop] += window[1:-1].sum(axis=-1)
        parts: list[Part] = []
        for token, value in zip(self.tokens, sums.tolist(), strict=True):
            if token.startswith(CONTINUED) and parts:
                last = parts.pop()
                name = last.name + token.removeprefix(CONTINUED)
                parts.append(Part(name, last.contribution + value))
            else:
                parts.append(Part(token, value))
        return parts

    def draw(self, attribution: Features) -> Markup:
        """The words as HTML: blue if they raised the score, red if they lowered it."""
        parts = self.parts(attribution)
        limit = max((abs(part.contribution) for part in parts), default=0) or 1.0
        spans = [
            Markup('<span style="background: rgba({}, {:.2f})" title="{:+.4f}">{}</span>').format(
                "0, 114, 178" if part.contribution > 0 else "178, 24, 43",
                0.75 * abs(part.contribution) / limit,
                part.contribution,
                part.name,
            )
            for part in parts
        ]
        return Markup('<p class="words">{}</p>').format(Markup(" ").join(spans))


class ExplainableLyrics(ExplainableWords):
    """Through BERT's pooled vector, the mean of the windows, and the branch.

    Args:
        bert: The network.
        text: The lyrics.
        max_tokens: Most tokens per window.
        windows: Most windows.
        branch: The branch on top of BERT's pooled vector.
    """

    def __init__(
        self, bert: FrozenBert, text: str, max_tokens: int, windows: int, branch: keras.Model
    ) -> None:
        self.branch = branch
        super().__init__(bert, text, max_tokens, windows, bert.backbone.output["pooled_output"])

    def embed(self, values: Mapping[str, Tensor]) -> Tensor:
        """Apply the rest of BERT to each window, average, and apply the branch."""
        words = values["words"]
        pooled = self.through(words)
        vectors = ops.reshape(pooled, (-1, words.shape[1], pooled.shape[-1]))
        return self.branch({"cls": ops.mean(vectors, axis=1)}, training=False)
