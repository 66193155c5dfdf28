"""The corpus: importers, filters, splits and the table of tracks.

Importing this package imports neither pandas nor PyArrow: the names below load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deephits_keras.utils.lazy import load_on_use

if TYPE_CHECKING:
    from deephits_keras.corpus.filters import PAPER_FILTERS, Filter, FilterStep, apply_filters
    from deephits_keras.corpus.finishing import ImportSummary
    from deephits_keras.corpus.importers import Importer, import_dataset
    from deephits_keras.corpus.importing import import_table
    from deephits_keras.corpus.splits import Split, make_split
    from deephits_keras.corpus.spotgentrack import import_spotgentrack
    from deephits_keras.corpus.table import Corpus, write_corpus

_HOMES = {
    "PAPER_FILTERS": "deephits_keras.corpus.filters",
    "Corpus": "deephits_keras.corpus.table",
    "Filter": "deephits_keras.corpus.filters",
    "FilterStep": "deephits_keras.corpus.filters",
    "ImportSummary": "deephits_keras.corpus.finishing",
    "Importer": "deephits_keras.corpus.importers",
    "Split": "deephits_keras.corpus.splits",
    "apply_filters": "deephits_keras.corpus.filters",
    "import_dataset": "deephits_keras.corpus.importers",
    "import_spotgentrack": "deephits_keras.corpus.spotgentrack",
    "import_table": "deephits_keras.corpus.importing",
    "make_split": "deephits_keras.corpus.splits",
    "write_corpus": "deephits_keras.corpus.table",
}

__all__ = [
    "PAPER_FILTERS",
    "Corpus",
    "Filter",
    "FilterStep",
    "ImportSummary",
    "Importer",
    "Split",
    "apply_filters",
    "import_dataset",
    "import_spotgentrack",
    "import_table",
    "make_split",
    "write_corpus",
]

__getattr__ = load_on_use(__name__, _HOMES)
