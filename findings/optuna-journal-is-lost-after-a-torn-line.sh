#!/usr/bin/env bash
# Optuna 5.0.0: a journal whose last line was torn by a killed writer can be opened once, and then never again.
#
# Guess: JournalStorage, meant for processes that may die, drops or completes an unfinished last line.
# Behaviour: the line is passed over when read, but the next record is appended to it without a line break. What both
# give together is no JSON, and every later opening of the study raises: all trials before it are out of reach.
# `deephits tune` cuts such a line off before it opens the journal (deephits_keras/tuning/study.py).
# Seen (28 November 2026, Linux, x86-64): "3 trials after the torn line; opened again: JSONDecodeError"
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --target "$folder/packages" optuna==5.0.0 numpy==2.2.6
cd "$folder"
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import sys

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)


def opened():
    storage = JournalStorage(JournalFileBackend("journal.jsonl"))
    return optuna.create_study(storage=storage, study_name="study", load_if_exists=True)


study = opened()
for _ in range(3):
    study.tell(study.ask(), 1.0)
with open("journal.jsonl", "a") as file:
    file.write('{"op_code":4,"wor')  # as much of a record as was written when the writer was killed
trials = len(opened().trials)
try:
    again = f"{len(opened().trials)} trials"
except ValueError as error:
    again = type(error).__name__
print(f"{trials} trials after the torn line; opened again: {again}")
sys.exit(0 if again == "JSONDecodeError" else 1)
PYTHON
