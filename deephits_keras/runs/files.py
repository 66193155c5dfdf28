"""Names of the files in a run's folder.

config.json          everything needed to rebuild the model, and its origin
split.parquet        part of each row of the corpus
model.keras          the selected checkpoint
trees.json           boosted trees beside the network, if the run has any
calibration.json     temperature and sets, fitted on the validation part
architecture.json    the parts of the model with their parameters
history.csv          one line per epoch
metrics.json         the metrics of the selected checkpoint
baselines.json       metrics of baselines on the reported part
predictions.parquet  its predictions on the held-out parts
report.html          the report, as a page
checksums.json       SHA-256 of all of these except the page; written last, it marks a finished run
state/               only while training is unfinished: the state for `--resume`
members/seed-0/ ...  only in an ensemble, instead of model.keras: a run per member
"""

from __future__ import annotations

from pathlib import Path

from deephits_keras.errors import UserError
from deephits_keras.utils.files import PARTIAL
from deephits_keras.utils.folders import RUN_MARKS

CONFIG, METRICS = RUN_MARKS
SPLIT = "split.parquet"
MODEL = "model.keras"
TREES = "trees.json"
ARCHITECTURE = "architecture.json"
HISTORY = "history.csv"
BASELINES = "baselines.json"
PREDICTIONS = "predictions.parquet"
CALIBRATION = "calibration.json"
REPORT = "report.html"
CHECKSUMS = "checksums.json"
STATE = "state"
COMPILED = "compiled.keras"
EXPLANATIONS = "explain"
DRIFT = "drift"

RECORDED = (
    CONFIG,
    SPLIT,
    MODEL,
    ARCHITECTURE,
    HISTORY,
    METRICS,
    BASELINES,
    PREDICTIONS,
    CALIBRATION,
    TREES,
)
"""Files of a finished run with checksums. The page can be made from them at any time."""

LATER = (CALIBRATION, TREES)
"""Files that some runs lack: those of earlier versions, and those without boosted trees."""


MEMBERS = "members"
"""Folder of an ensemble's members in its run."""


def member_name(seed: int) -> str:
    """Subfolder of an ensemble's member."""
    return f"{MEMBERS}/seed-{seed}"


def require_free(folder: Path) -> None:
    """Require that a new run can be written to a folder.

    Raises:
        UserError: if it exists and is neither empty nor left by an interrupted start of a run.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder} is a file. Choose another name")
    if not all(p.name == SPLIT or p.name.startswith(PARTIAL) for p in folder.iterdir()):
        raise UserError(
            f"{folder} is not empty. Choose another folder, or continue an "
            "unfinished run there with --resume"
        )
