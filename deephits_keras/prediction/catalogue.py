"""Answers for the songs of a table or a corpus, in order, with flat memory.

Worker processes extract the next songs while this process runs the model on the last ones. The
batches of the model are fixed by the rows' numbers, so that answers don't depend on the number of
workers, or on an interruption.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Generic, TypeVar

from deephits_keras.features.words import KnownWords
from deephits_keras.features.workers import Workers, in_order
from deephits_keras.prediction.extraction import ExtractedTrack, TrackExtractor, hidden_fields
from deephits_keras.prediction.parts import Parts
from deephits_keras.prediction.tables import RejectedRow, TableChunk, TrackTable
from deephits_keras.tracks import Track

A = TypeVar("A")

BATCH_SIZE, PART = 64, 128
"""Rows per forward pass, and per part of a file: some four seconds of one core's work."""

LIGHT_BATCH_SIZE, LIGHT_PART = 4096, 16_384
"""The same, of fields alone."""

Row = Track | ExtractedTrack | RejectedRow
"""A song, one whose features are known, or a row that can't be read."""


@dataclass(frozen=True)
class _Batch:
    rows: Sequence[Row] | TableChunk
    part: int
    done: bool


@dataclass
class Catalogue(Generic[A]):
    """Songs, and what to compute of each.

    Attributes:
        extractor: Extracts the songs' features.
        answer: Computes the answers of a batch of rows; the tracks among them are extracted.
        of_chunk: Computes the answers of a table's chunk at once, or None if it can't.
        words: Words that training tracks have.
        unseen: Fields that some song had and that count as unknown, by modality; complete after
            the last row.
        new_words: Words of some song that no training track has, by field; complete after the last
            row.
    """

    extractor: TrackExtractor
    answer: Callable[[Sequence[ExtractedTrack | RejectedRow]], A]
    of_chunk: Callable[[TableChunk], A | None] | None = None
    words: KnownWords = field(default_factory=KnownWords)
    unseen: dict[str, dict[str, None]] = field(default_factory=dict)
    new_words: dict[str, dict[str, None]] = field(default_factory=dict)

    @property
    def part_size(self) -> int:
        """Rows per part of a file."""
        return LIGHT_PART if self.extractor.light else PART

    def answers(
        self, rows: Iterable[Row], workers: Callable[[], Workers] | None = None
    ) -> Iterator[A]:
        """The answers of every row, a batch at a time."""
        for _, found in self._batches(rows, workers, lambda _: False):
            if found is not None:
                yield found

    def write(
        self,
        rows: Iterable[Row],
        parts: Parts,
        workers: Callable[[], Workers] | None = None,
        seen: Callable[[A], None] = lambda _: None,
    ) -> Iterator[int]:
        """Write the answers of every row; parts that are there are not computed again.

        Args:
            rows: The rows.
            parts: Where to write them.
            workers: Starts worker processes; None to use none.
            seen: Called with each answer that is computed.

        Yields:
            The number of rows of each batch, when it is computed or skipped.
        """
        held: list[A] = []
        number = 0
        numbers: dict[int, None] = {}
        for batch, answer in self._batches(rows, workers, parts.has):
            numbers[batch.part] = None
            if batch.part != number:
                if held:
                    parts.write(number, held)
                held, number = [], batch.part
            if answer is not None:
                seen(answer)
                held.append(answer)
            yield len(batch.rows)
        if held:
            parts.write(number, held)
        parts.join(numbers)

    def _batches(
        self,
        rows: Iterable[Row],
        workers: Callable[[], Workers] | None,
        done: Callable[[int], bool],
    ) -> Iterator[tuple[_Batch, A | None]]:
        remote = self.extractor.for_workers if workers else None
        batches = self._grouped(rows, done)
        ahead = list(islice(batches, 2))
        # Starting processes takes longer than a batch.
        several = len(ahead) > 1
        batches = chain(ahead, batches)
        groups = ((batch, self._tracks(batch)) for batch in batches)
        if remote is not None and workers is not None and several:
            found = in_order(groups, remote.in_worker, workers(), remote.lost)
        else:
            found = in_order(groups, self.extractor, None, self.extractor.lost)
        for batch, extracted in found:
            self._note(batch)
            yield batch, None if batch.done else self._answer(batch, extracted)

    def _answer(self, batch: _Batch, extracted: Sequence[ExtractedTrack]) -> A:
        rows = batch.rows
        if isinstance(rows, TableChunk):
            if self.of_chunk is not None and (answer := self.of_chunk(rows)) is not None:
                return answer
            rows = list(rows.rows())
            extracted = self.extractor([row for row in rows if isinstance(row, Track)])
        complete = iter(self.extractor.completed(extracted))
        return self.answer([next(complete) if isinstance(r, Track) else r for r in rows])

    def _grouped(self, rows: Iterable[Row], done: Callable[[int], bool]) -> Iterator[_Batch]:
        start = 0
        for batch in self._pieces(rows):
            part = start // self.part_size
            yield _Batch(batch, part, done(part))
            start += len(batch)

    def _pieces(self, rows: Iterable[Row]) -> Iterator[list[Row] | TableChunk]:
        if self.of_chunk is not None and isinstance(rows, TrackTable):
            yield from rows.chunks()
            return
        iterator = iter(rows)
        size = LIGHT_BATCH_SIZE if self.extractor.light else BATCH_SIZE
        while batch := list(islice(iterator, size)):
            yield batch

    def _tracks(self, batch: _Batch) -> list[Track]:
        if batch.done or isinstance(batch.rows, TableChunk):
            return []
        return [row for row in batch.rows if isinstance(row, Track)]

    def _note(self, batch: _Batch) -> None:
        """Collect fields and words that training never saw, of songs answered before, too."""
        for name, words in self._words_in(batch.rows):
            self.new_words.setdefault(name, {}).update(dict.fromkeys(words))
        for modality, names in self.extractor.unseen.items():
            if isinstance(batch.rows, TableChunk):
                some = [name for name in names if batch.rows.known(name).any()]
                if some:
                    self.unseen.setdefault(modality, {}).update(dict.fromkeys(some))
                continue
            for row in batch.rows:
                track = row.measured.track if isinstance(row, ExtractedTrack) else row
                if isinstance(track, Track) and (given := hidden_fields(track, names)):
                    self.unseen.setdefault(modality, {}).update(dict.fromkeys(given))

    def _words_in(self, rows: Sequence[Row] | TableChunk) -> Iterator[tuple[str, Iterable[str]]]:
        """Words that no training track has, with their field."""
        if isinstance(rows, TableChunk):
            for name, words in rows.new_words(self.words).items():
                yield name, words.values()
            return
        for row in rows:
            track = row.measured.track if isinstance(row, ExtractedTrack) else row
            if isinstance(track, Track):
                for name, word in self.words.new_of(track.fields).items():
                    yield name, [word]
