"""The corpus: importers, filters, splits, the feature store and the pipeline of row numbers."""

from deephits_keras.corpus.filters import PAPER_FILTERS, Filter, FilterStep, apply_filters
from deephits_keras.corpus.importing import ImportSummary, import_table
from deephits_keras.corpus.splits import Split, make_split
from deephits_keras.corpus.spotgentrack import import_spotgentrack
from deephits_keras.corpus.table import Corpus, write_corpus

__all__ = [
    "PAPER_FILTERS",
    "Corpus",
    "Filter",
    "FilterStep",
    "ImportSummary",
    "Split",
    "apply_filters",
    "import_spotgentrack",
    "import_table",
    "make_split",
    "write_corpus",
]
