"""Names of the files in a run's folder.

config.json          everything needed to make the model again and to know where it came from
split.parquet        which row of the corpus was in which part
model.keras          the selected checkpoint
calibration.json     temperature and sets, fitted on the validation part
architecture.json    the parts of the model with their parameters
history.csv          one line per epoch
metrics.json         the metrics of the selected checkpoint
baselines.json       metrics of simple predictors on the reported part
predictions.parquet  its predictions on the held-out parts
report.html          all of it as a page
checksums.json       SHA-256 of all of these but the page, written last: the run is finished
state/               only while training is unfinished: what `--resume` goes on from
members/seed-0/ ...  only of an ensemble, in the place of model.keras: a run for each member
"""

from __future__ import annotations

CONFIG = "config.json"
SPLIT = "split.parquet"
MODEL = "model.keras"
ARCHITECTURE = "architecture.json"
HISTORY = "history.csv"
METRICS = "metrics.json"
BASELINES = "baselines.json"
PREDICTIONS = "predictions.parquet"
CALIBRATION = "calibration.json"
REPORT = "report.html"
CHECKSUMS = "checksums.json"
STATE = "state"
EXPLANATIONS = "explain"

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
)
"""Files of a finished run whose checksums are kept. The page can be made from them at any time."""

LATER = (CALIBRATION,)
"""Those that runs of earlier versions lack."""


def member_name(seed: int) -> str:
    """Folder of an ensemble's member, in the ensemble's."""
    return f"members/seed-{seed}"
