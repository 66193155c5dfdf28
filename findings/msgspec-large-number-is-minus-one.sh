#!/usr/bin/env bash
# msgspec 0.21.0: a whole number that no float holds is read as -1.0.
#
# Guess: `convert` raises its ValidationError, as it does for every other value that doesn't fit.
# Behaviour: a dataclass's float field becomes -1.0, without an error. (Alone, or where a __post_init__ runs
# later, it is a SystemError: "returned a result with an exception set".) 0.22.0 says "Number out of range".
# Seen (28 November 2026, Linux, x86-64, Python 3.11.7): "Model(rate=-1.0)"
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --target "$folder/packages" msgspec==0.21.0
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import json
import sys
from dataclasses import dataclass

import msgspec


@dataclass
class Model:
    rate: float


try:
    found = msgspec.convert(json.loads('{"rate": 1' + "0" * 400 + "}"), Model)
except msgspec.ValidationError as error:
    print(error)
    sys.exit(1)
print(found)
sys.exit(0 if found.rate == -1.0 else 1)
PYTHON
