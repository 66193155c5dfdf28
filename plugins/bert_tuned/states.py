"""Outside the graph: texts to their tokens' states before the last layers of a frozen BERT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..bert_lyrics.network import TextNetwork, token_count


class TextStates(TextNetwork):
    """The tokens' states; `compute` gives `(batch, tokens, hidden size)`."""

    def states(
        self, texts: Sequence[str], max_tokens: int, batch_size: int
    ) -> Iterator[np.ndarray]:
        """The states of each text, in order; those with the same tokens are computed once.

        Args:
            texts: At least one text.
            max_tokens: Most tokens per text, including [CLS] and [SEP]; the rest is cut off.
            batch_size: Most texts per step.

        Yields:
            float32 `(tokens of the text, hidden size)`.

        Raises:
            UserError: if the checkpoint has fewer positions than `max_tokens`.
        """
        keys = [key for (key,) in self.keys_of(texts, max_tokens)]
        found = self.rows(dict.fromkeys(keys), batch_size)
        for key in keys:
            yield found[key][: token_count(key)]
