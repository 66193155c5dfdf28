"""Importers of public datasets: plug-ins that turn the files of one into tracks.

Each reads a dataset in its published layout and returns standard columns. The following steps
(recordings, cleaning, ranges, filters, duplicates, artists' keys, writing) are common to all.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from deephits_keras.errors import UserError
from deephits_keras.utils.plugins import EntryPoint, PlugInKind, installed, only

if TYPE_CHECKING:
    from deephits_keras.corpus.filters import Filter
    from deephits_keras.corpus.finishing import ImportSummary, TrackSource

GROUP = "deephits_keras.importers"
"""Entry point group of importers."""

CONTRACT_VERSION = 1
"""Version of this contract; every importer states the version that it was written for."""


class Importer(abc.ABC):
    """One way to read a dataset's files as tracks: a plug-in.

    Subclass it, set the class attributes, write `open` and `write_example`, and name the class in
    your distribution's metadata, in the entry-point group `deephits_keras.importers`:
    `my-dataset = my_package:MyDataset`. `deephits importers check my-dataset` checks it.

    The module that holds the class is imported to list importers, so it imports nothing heavy at
    its top.

    Attributes:
        name: The importer's name, equal to its entry point's: lower-case letters, digits, `-`.
        summary: One line for `deephits importers list`.
        layout: The files that it reads and the source of popularity, in one or two sentences.
        citation: Publication to cite for the dataset.
        separators: Texts that always separate artists in this dataset's texts.
        later: Columns that are only known after a release, such as followers or chart weeks.
        contract_version: The `CONTRACT_VERSION` that the importer was written for.

    Example:
        >>> from deephits_keras.corpus.importers import find_importer
        >>> importer = find_importer("musicoset")
        >>> importer.later
        ('first_chart_year', 'year_end_score', 'is_pop', 'followers')
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    layout: ClassVar[str]
    citation: ClassVar[str]
    separators: ClassVar[tuple[str, ...]] = ()
    later: ClassVar[tuple[str, ...]] = ()
    contract_version: ClassVar[int] = CONTRACT_VERSION

    @abc.abstractmethod
    def open(self, source: Path) -> TrackSource:
        """Open the dataset; rows are read later, in chunks.

        Args:
            source: The dataset's folder, or its one file.

        Raises:
            UserError: if it isn't this dataset; the message names missing files.
        """

    def import_into(
        self,
        source: Path,
        folder: Path,
        *,
        audio: str | Path | None = None,
        inputs: Mapping[str, str | Path] | None = None,
        filters: Sequence[Filter] = (),
    ) -> ImportSummary:
        """Import the dataset: what `open` reads, finished as every other source.

        Args:
            source: The dataset's folder or file.
            folder: Folder of the corpus.
            audio: Folder of recordings, named after the track ids.
            inputs: Folders of other files, by input name: see `import_table`.
            filters: Filters to apply.

        Raises:
            UserError: if the source isn't that dataset, or no row of it can be used.
        """
        from deephits_keras.corpus.finishing import finish_import
        from deephits_keras.corpus.sources import source_info

        info: Mapping[str, object] = {
            "source": source.name,
            "importer": self.name,
            "citation": self.citation,
            "later": list(self.later),
            **source_info(source if source.is_dir() else source.parent),
        }
        tracks = self.open(source)
        return finish_import(tracks, folder, audio=audio, inputs=inputs, filters=filters, info=info)

    @classmethod
    @abc.abstractmethod
    def write_example(cls, folder: Path) -> Path:
        """Write a tiny example dataset of the same layout, for the checks.

        Args:
            folder: An empty folder.

        Returns:
            The argument of `open`: the folder or a file in it, with at least three tracks.
        """


KIND = PlugInKind("importer", GROUP, ("name", "summary", "layout", "citation"), (CONTRACT_VERSION,))


class Registration(EntryPoint):
    """One entry point of an importer, not yet imported; for the arguments see `EntryPoint`."""

    def load(self) -> type[Importer]:
        """Import the importer's class and check that it follows the contract.

        Raises:
            UserError: see `EntryPoint.load_class`.
        """
        loaded: type[Importer] = self.load_class(KIND, Importer)
        return loaded


def registrations() -> list[Registration]:
    """All importers of the distributions in this environment, sorted by name."""
    return installed(GROUP, Registration)


def find_importer(name: str) -> Importer:
    """The importer of a name.

    Raises:
        UserError: if there is none (the message lists all), two distributions declare it, or it
            can't be loaded.
    """
    return only(registrations(), name, KIND.noun).load()()


def import_dataset(
    importer: str | Importer,
    source: str | Path,
    folder: str | Path,
    *,
    audio: str | Path | None = None,
    inputs: Mapping[str, str | Path] | None = None,
    filters: Sequence[Filter] = (),
) -> ImportSummary:
    """Import a public dataset with the importer of its layout.

    Args:
        importer: The importer or its name.
        source: Folder or file of the dataset.
        folder: Folder of the corpus.
        audio: Folder of recordings, named after the track ids.
        inputs: Folders of other files, by input name: see `import_table`.
        filters: Filters to apply.

    Raises:
        UserError: if the source isn't that dataset, or no row of it can be used.
    """
    from deephits_keras.corpus.table import check_target

    chosen = find_importer(importer) if isinstance(importer, str) else importer
    source, folder = Path(source), Path(folder)
    check_target(folder)
    if not source.exists():
        raise UserError(f"There is no {source}")
    return chosen.import_into(source, folder, audio=audio, inputs=inputs, filters=filters)


def one_of(source: Path, names: Sequence[str], importer: str) -> Path:
    """The file of a dataset: the source itself, or a file in it with one of some names.

    Raises:
        UserError: if there is no such file.
    """
    if source.is_file():
        return source
    for name in names:
        if (source / name).is_file():
            return source / name
    raise UserError(
        f"{source} doesn't have the layout of {importer}: it holds none of {', '.join(names)}"
    )


def all_of(source: Path, names: Sequence[str], importer: str) -> list[Path]:
    """The required files of a dataset's folder.

    Raises:
        UserError: if one of them is missing.
    """
    absent = [name for name in names if not (source / name).is_file()]
    if absent:
        raise UserError(
            f"{source} doesn't have the layout of {importer}: it lacks {', '.join(absent)}"
        )
    return [source / name for name in names]


def walked(source: Path, suffix: str) -> Iterator[Path]:
    """Every file of a suffix below a folder, in the order of their paths."""
    yield from sorted(path for path in source.rglob(f"*{suffix}") if path.is_file())
