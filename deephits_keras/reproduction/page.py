"""Results of a reproduction, as one page and as files for other programs.

OUT/reproduction.html     every table and figure, self-contained
OUT/reproduction.json     the same without the figures
OUT/tables.csv            one line per value of a table
OUT/rows.csv              one line per deep run
OUT/comparisons.csv       one line per pair of deep runs
OUT/shallow.csv           one line per shallow baseline and seed
"""

from __future__ import annotations

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
from deephits_keras.reproduction.rolling import read_rolling, rolling_pictures, rolling_tables
from deephits_keras.reproduction.shallow import read_shallow
from deephits_keras.reproduction.tables import Table
from deephits_keras.utils.files import replacing, write_json, write_text
from deephits_keras.utils.records import to_plain
from deephits_keras.version import __version__

PAGE = "reproduction.html"


@dataclass(frozen=True)
class Reproduction:
    """All results of a reproduction.

    Attributes:
        setup: Settings of the runs.
        rows: One row per deep run.
        shallow: Results of `shallow.measure`, one per split.
        comparisons: Paired tests of the deep runs.
        tables: All tables, in the page's order.
        pictures: All figures.
    """

    setup: Setup
    rows: Sequence[Row]
    shallow: Sequence[Mapping[str, Any]]
    comparisons: Sequence[Comparison]
    tables: Sequence[Table]
    pictures: Pictures

    @classmethod
    def from_setup(cls, setup: Setup) -> Reproduction:
        """Collect the finished results in the reproduction's folder, and those of the corpus.

        Raises:
            UserError: if a finished run is damaged.
        """
        rows, shallow = read_rows(setup.out), read_shallow(setup.out)
        comparisons = list(compare_all(rows))
        rolling = read_rolling(setup.out)
        compared = comparison_table(comparisons)
        tables = [
            *dataset_tables(setup.corpus, setup.encoders),
            table_a1(setup.encoders, setup.fusion),
            *deep_tables(rows),
            *([compared] if compared else []),
            *shallow_tables(shallow),
            *rolling_tables(rolling),
        ]
        pictures = {
            **dataset_pictures(setup.corpus),
            **deep_pictures(rows),
            **(shallow_pictures(shallow) if shallow else {}),
            **rolling_pictures(rolling),
        }
        return cls(setup, rows, shallow, comparisons, tables, pictures)

    @property
    def page(self) -> Path:
        """The page that `write` writes."""
        return self.setup.out / PAGE

    def to_frame(self) -> pd.DataFrame:
        """One row per value of each table, as in `tables.csv`."""
        return pd.DataFrame([record for table in self.tables for record in table.records()])

    def to_json(self) -> dict[str, Any]:
        """The results without figures, as JSON types."""
        # By hand: the file has facts of the corpus and the code, and no pictures.
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
            "comparisons": [to_plain(c) for c in self.comparisons],
            "shallow": list(self.shallow),
        }

    def write(self) -> Path:
        """Write the page and the other files.

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
        """The page as self-contained HTML without scripts.

        Args:
            values: Result of `to_json`.
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
    """A deep row with one column per metric, such as `tiers-10.macro_f1`."""
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
    """Write a table, or remove an outdated one if it is empty."""
    if not records:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as temporary:
        pd.DataFrame(records).to_csv(temporary, index=False)
