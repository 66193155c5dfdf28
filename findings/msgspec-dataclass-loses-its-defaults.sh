#!/usr/bin/env bash
# msgspec 0.22.0: what `convert` makes of a dataclass, `to_builtins` gives back without the fields that
# have their defaults.
#
# Guess: to_builtins(convert({}, Point)) is to_builtins(Point()): the two objects are equal.
# Behaviour: equal objects, and the one that `convert` made is given as {}. Its `vars` are empty: a
# default is left to the class.
# Seen (28 November 2026, Linux, x86-64, Python 3.11.7): "equal: True; made by hand {'x': 1}, by convert {}"
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --target "$folder/packages" msgspec==0.22.0
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import sys
from dataclasses import dataclass

import msgspec


@dataclass
class Point:
    x: int = 1


converted = msgspec.convert({}, Point)
by_hand, again = msgspec.to_builtins(Point()), msgspec.to_builtins(converted)
print(f"equal: {converted == Point()}; made by hand {by_hand}, by convert {again}")
sys.exit(0 if converted == Point() and by_hand != again else 1)
PYTHON
