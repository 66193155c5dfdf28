"""A small BERT checkpoint with random weights, for corpora that must run without a download.

An untrained BERT is a random projection of a text's words: texts with other words get other
vectors. That is enough to test a pipeline and to detect a planted theme, but nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deephits_keras.utils.files import replacing, write_json, write_text

SEED = 20_260
HIDDEN, LAYERS, HEADS, INTERMEDIATE = 128, 2, 4, 256
MOST_WORDS = 8192
LONGEST_WORD = 100
"""Longest word in characters; BERT's WordPiece treats longer words as unknown."""

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

GAIN = {
    "position_embeddings": 0.1,
    "token_type_embeddings": 0.1,
    "query": 0.1,
    "key": 0.1,
    "value": 2.0,
}
"""Standard deviations relative to 1 / sqrt(inputs), if not 1.

With small queries and keys, [CLS] attends to all words equally and becomes their mean; large
values keep this mean, which shrinks with the text's length, above the constant embedding of [CLS].
"""

LABEL = "UNTRAINED deephits sample BERT: random weights, not a language model"

README = f"""# {LABEL}

Made by `deephits sample` so that a synthetic corpus runs without a download. The vocabulary is
that of the sample's lyrics, the weights are random (seed {SEED}, {LAYERS} layers of {HIDDEN}
units). Its vectors tell which words a text holds and nothing about what they mean. For real
lyrics use a trained checkpoint such as `bert-base-multilingual-cased`.
"""


def write_untrained_bert(folder: Path, texts: Sequence[str]) -> None:
    """Write a Hugging Face BERT folder: the same bytes for the same texts.

    Args:
        folder: Folder for `config.json`, `model.safetensors`, `vocab.txt`,
            `tokenizer_config.json` and a `README.md` that says that it is untrained.
        texts: Texts that the vocabulary must cover.
    """
    from safetensors.numpy import save_file

    vocabulary = word_vocabulary(texts)
    write_text(folder / "README.md", README)
    write_text(folder / "vocab.txt", "".join(f"{token}\n" for token in vocabulary))
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 512},
    )
    config = {
        "_name_or_path": LABEL,
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 0,
        "type_vocab_size": 2,
        "vocab_size": len(vocabulary),
    }
    write_json(folder / "config.json", config)
    with replacing(folder / "model.safetensors") as temporary:
        # transformers only loads a file whose metadata names a framework.
        save_file(random_weights(config), temporary, metadata={"format": "pt"})


def word_vocabulary(texts: Sequence[str]) -> list[str]:
    """Special tokens, every character (whole and as a word's continuation), frequent words."""
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    normalizer, splitter = BertNormalizer(lowercase=False), BertPreTokenizer()
    counts: Counter[str] = Counter()
    for text in texts:
        pieces = splitter.pre_tokenize_str(normalizer.normalize_str(text))
        counts.update(word for word, _ in pieces)
    characters = sorted({character for word in counts for character in word})
    words = sorted(
        (w for w in counts if 1 < len(w) <= LONGEST_WORD), key=lambda w: (-counts[w], w)
    )[:MOST_WORDS]
    return [*SPECIAL_TOKENS, *characters, *(f"##{c}" for c in characters), *words]


def random_weights(config: dict[str, Any]) -> dict[str, np.ndarray]:
    """Weights of a `BertModel` by their Hugging Face names, float32."""
    rng = np.random.default_rng(SEED)
    weights: dict[str, np.ndarray] = {}

    def embedding(name: str, rows: int) -> None:
        values = rng.standard_normal((rows, HIDDEN)) * GAIN.get(name, 1.0)
        weights[f"embeddings.{name}.weight"] = values.astype("float32")

    def dense(name: str, outputs: int, inputs: int) -> None:
        scale = GAIN.get(name.rpartition(".")[2], 1.0) / np.sqrt(inputs)
        values = rng.standard_normal((outputs, inputs)) * scale
        weights[f"{name}.weight"] = values.astype("float32")
        weights[f"{name}.bias"] = np.zeros(outputs, "float32")

    def layer_norm(name: str) -> None:
        weights[f"{name}.LayerNorm.weight"] = np.ones(HIDDEN, "float32")
        weights[f"{name}.LayerNorm.bias"] = np.zeros(HIDDEN, "float32")

    embedding("position_embeddings", config["max_position_embeddings"])
    embedding("token_type_embeddings", config["type_vocab_size"])
    layer_norm("embeddings")
    for layer in (f"encoder.layer.{index}" for index in range(LAYERS)):
        for part in ("query", "key", "value"):
            dense(f"{layer}.attention.self.{part}", HIDDEN, HIDDEN)
        dense(f"{layer}.attention.output.dense", HIDDEN, HIDDEN)
        layer_norm(f"{layer}.attention.output")
        dense(f"{layer}.intermediate.dense", INTERMEDIATE, HIDDEN)
        dense(f"{layer}.output.dense", HIDDEN, INTERMEDIATE)
        layer_norm(f"{layer}.output")
    dense("pooler.dense", HIDDEN, HIDDEN)
    # Drawn last, as its size depends on the corpus: the other weights are always the same.
    embedding("word_embeddings", config["vocab_size"])
    return weights
