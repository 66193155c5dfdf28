#!/usr/bin/env bash
# transformers 5.24.0: a cased BERT tokenizer is read as uncased where tokenizer_config.json doesn't
# say `do_lower_case`, even beside a tokenizer.json that doesn't lower.
#
# Guess: `AutoTokenizer.from_pretrained` does what tokenizer.json does.
# Behaviour: it lowers and takes accents off; with `do_lower_case=False` given it doesn't.
# Seen (28 November 2026, Linux, x86-64): "tokenizer.json: Über Night; transformers: [UNK] [UNK];
#   with do_lower_case=False: Über Night"
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --target "$folder/packages" transformers==5.24.0
PYTHONPATH="$folder/packages" python3 - "$folder" 2>/dev/null <<'PYTHON'
import json, os, sys
from pathlib import Path
os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"
from tokenizers import BertWordPieceTokenizer, Tokenizer
from transformers import AutoTokenizer

folder = Path(sys.argv[1], "bert")
folder.mkdir()
tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Über", "Night"]
own = BertWordPieceTokenizer({token: n for n, token in enumerate(tokens)}, lowercase=False)
own.save(str(folder / "tokenizer.json"))
(folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
(folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
(folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
text = "Über Night"
by_file = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text, add_special_tokens=False).tokens
plain = AutoTokenizer.from_pretrained(str(folder)).tokenize(text)
told = AutoTokenizer.from_pretrained(str(folder), do_lower_case=False).tokenize(text)
print(f"tokenizer.json: {' '.join(by_file)}; transformers: {' '.join(plain)}; with do_lower_case=False: {' '.join(told)}")
sys.exit(0 if by_file == told != plain else 1)
PYTHON
