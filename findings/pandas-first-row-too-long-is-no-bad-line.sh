#!/usr/bin/env bash
# pandas 3.0.0: on_bad_lines="error" takes a first row with too many values, and then all others as long as it.
#
# Guess: a row with more values than the header is a bad line wherever it stands, as it is from the second row on.
# Behaviour: with index_col=False the first row decides how many values a row may have; those behind the header's are
# dropped, so that an unquoted separator shifts the row. There is a ParserWarning, and none with `usecols`.
# Seen (28 November 2026, Linux, x86-64, Python 3.11.7): "as the first row: ['2', '60'] 1 warning; with usecols: ['2', '60'] 0 warnings"
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --target "$folder/packages" pandas==3.0.0
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import io
import sys
import warnings

import pandas as pd

HEADER, LONG, GOOD = "track_id,title,popularity,tempo\n", "a,One, 2,50,120\n", "b,Two,60,100\n"


def read(text, **how):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        rows = pd.read_csv(io.StringIO(text), dtype=str, index_col=False, on_bad_lines="error", **how)
    return [value.strip() for value in rows["popularity"]], len(told)


try:
    read(HEADER + GOOD + LONG)
except pd.errors.ParserError as error:
    print("as the second row:", error)
first, told = read(HEADER + LONG + GOOD)
chosen, silent = read(HEADER + LONG + GOOD, usecols=["popularity"])
print("as the first row:", first, told, "warning; with usecols:", chosen, silent, "warnings")
sys.exit(0 if first == chosen == ["2", "60"] and told == 1 and silent == 0 else 1)
PYTHON
