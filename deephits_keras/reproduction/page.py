"""Everything that a reproduction came to, as one page and as files for other programs.

OUT/reproduction.html     every table and figure, self-contained
OUT/reproduction.json     the same without the pictures
OUT/tables.csv            one line per value of a table
OUT/rows.csv              one line per deep run
OUT/comparisons.csv       one line per pair of deep runs
OUT/shallow.csv           one line per shallow baseline and seed
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from deephits_keras.report.pages import render_page
from deephits_keras.reproduction.comparisons import Comparison, compare_all
from deephits_keras.reproduction.dataset import dataset_tables, table_a1
from deephits_keras.reproduction.deep import Row, Setup, read_rows
from deephits_keras.reproduction.pictures import (
    Pictures,
    dataset_pictures,
    deep_pictures,
    shallow_pictures,
)
from deephits_keras.reproduction.results import (
    comparison_table,
    deep_tables,
    protocols_of,
    shallow_tables,
)
from deephits_keras.reproduction.shallow import read_shallow
from deephits_keras.reproduction.tables import Table
from deephits_keras.utils.files import replacing, write_json, write_text
from deephits_keras.version import __version__

PAGE = "reproduction.html"


@dataclass(frozen=True)
class Reproduction:
    """Everything that was computed.

    Attributes:
        setup: What the runs have in common.
        rows: A row for each deep run.
        shallow: What `shallow.measure` gave for each split.
        comparisons: Paired tests of the deep runs.
        tables: Every table, in the page's order.
        pictures: Every figure.
    """

    setup: Setup
    rows: Sequence[Row]
    shallow: Sequence[Mapping[str, Any]]
    comparisons: Sequence[Comparison]
    tables: Sequence[Table]
    pictures: Pictures

    @classmethod
    def from_setup(cls, setup: Setup) -> Reproduction:
        """Collect what is finished in the reproduction's folder, and count the corpus.

        Raises:
            UserError: if a finished run is damaged.
        """
        rows, shallow = read_rows(setup.out), read_shallow(setup.out)
        comparisons = list(compare_all(rows))
        compared = comparison_table(comparisons)
        tables = [
            *dataset_tables(setup.corpus, setup.encoders),
            table_a1(setup.encoders, setup.fusion),
            *deep_tables(rows),
            *([compared] if compared else []),
            *shallow_tables(shallow),
        ]
        pictures = {
            **dataset_pictures(setup.corpus),
            **deep_pictures(rows),
            **(shallow_pictures(shallow) if shallow else {}),
        }
        return cls(setup, rows, shallow, comparisons, tables, pictures)

    @property
    def page(self) -> Path:
        """The page that `write` writes."""
        return self.setup.out / PAGE

    def to_frame(self) -> pd.DataFrame:
        """A row for each value of each table, as in `tables.csv`."""
        return pd.DataFrame([record for table in self.tables for record in table.records()])

    def to_json(self) -> dict[str, Any]:
        """All of it but the pictures, as JSON types."""
        corpus = self.setup.corpus
        return {
            "corpus": {
                "folder": str(corpus.folder),
                "fingerprint": corpus.fingerprint,
                "tracks": len(corpus),
                "synthetic": corpus.synthetic,
                "source": corpus.info.get("source", ""),
            },
            "settings": self.setup.to_json(),
            "command": self.setup.command,
            "made_by": __version__,
            "protocols": protocols_of(self.rows),
            "tables": [record for table in self.tables for record in table.records()],
            "rows": [row.to_json(self.setup.out) for row in self.rows],
            "comparisons": [dataclasses.asdict(c) for c in self.comparisons],
            "shallow": list(self.shallow),
        }

    def write(self) -> Path:
        """Write the page and the files beside it.

        Returns:
            The page's path.

        Raises:
            UserError: if the folder can't be written to.
        """
        out = self.setup.out
        values = self.to_json()
        write_json(out / "reproduction.json", values)
        _write_csv(out / "tables.csv", values["tables"])
        _write_csv(out / "rows.csv", [_flat(row) for row in values["rows"]])
        _write_csv(out / "comparisons.csv", values["comparisons"])
        _write_csv(out / "shallow.csv", _shallow_lines(self.shallow))
        write_text(self.page, self.render(values))
        return self.page

    def render(self, values: Mapping[str, Any]) -> str:
        """The page as HTML: no scripts, nothing loaded from elsewhere.

        Args:
            values: What `to_json` gives.
        """
        return render_page(
            __package__,
            "reproduction.html.jinja",
            synthetic=values["corpus"]["synthetic"],
            **values,
            seeds=sorted({row.seed for row in self.rows} | {s["seed"] for s in self.shallow}),
            contents=self.tables,
            pictures=[(number, *drawn) for number, drawn in self.pictures.items()],
        )


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A deep row with a column for each metric, `tiers-10.macro_f1` and the like."""
    plain = {k: v for k, v in row.items() if not isinstance(v, Mapping)}
    for prefix, groups in (("", row["metrics"]), ("validation.", row["selection"])):
        for group, metrics in groups.items():
            plain |= {f"{prefix}{group}.{name}": value for name, value in metrics.items()}
    return plain


def _shallow_lines(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"family": r["family"], "task": r["task"], "columns": name, "seed": r["seed"], **metrics}
        for r in results
        for name, metrics in r["rows"].items()
    ]


def _write_csv(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write a table, or remove an older one if there is nothing to write."""
    if not records:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as temporary:
        pd.DataFrame(records).to_csv(temporary, index=False)
