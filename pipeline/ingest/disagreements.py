"""Rows left out as repeats though their label is another than that of the row that stays: how many, and which."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import frame
from pipeline.ingest.dedupe.resolve import Found
from pipeline.ingest.rows_aside import RowsAside
from storage.scan import Span, read_span

_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One such row beside the one that stays: what they share, their labels, and where they are from."""

    value: str
    label: str
    place: str
    surviving_label: str
    surviving_place: str

    def __str__(self) -> str:
        return (
            f'"{self.value}" is "{self.surviving_label}" in {self.surviving_place} and "{self.label}" in {self.place}'
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """All such rows of one pass.

    Attributes
    ----------
    columns
        What makes rows repeat each other.
    label
        The column in which they differ.
    rows
        How many were left out.
    examples
        The first few.
    """

    columns: tuple[str, ...]
    label: str
    rows: int
    examples: tuple[Example, ...]

    def __str__(self) -> str:
        rows = f"{self.rows} row{'s' if self.rows > 1 else ''}"
        return (
            f"{rows} left out for repeating an earlier row's {' and '.join(self.columns)} had another {self.label}, "
            f"and that of the earlier row was kept: {'; '.join(map(str, self.examples))}. "
            "See `textmill fates`, and correct the labels in the input"
        )


def disagreement(
    found: Found, columns: Sequence[str], label: str, stored: Sequence[Span], asides: Sequence[RowsAside]
) -> Disagreement:
    """What is known of the rows of `found` whose label is another than that of the row that survives.

    Parameters
    ----------
    found
        A pass over the whole dataset.
    columns
        What it compared.
    label
        The column in which rows should agree.
    stored, asides
        What the compared keys were taken from, in row order: rows of the stored version, then of the blocks.
    """
    examples = []
    for block, row, file, code, position in found.examples:
        wanted = [*dict.fromkeys([*columns, label, *frame.ROW_ID])]
        repeat = asides[block].row(row, wanted)
        source = found.source(file, code)
        survivor = _row_at(stored[file] if file < len(stored) else asides[file - len(stored)], wanted, source, position)
        shown = " / ".join(str(repeat[name][0].as_py()) for name in columns)
        examples.append(
            Example(
                value=shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…",
                label=str(repeat[label][0].as_py()),
                place=_place(repeat[frame.SOURCE][0], repeat[frame.POSITION][0].as_py()),
                surviving_label=str(survivor[label][0].as_py()),
                surviving_place=_place(source, position),
            )
        )
    return Disagreement(columns=tuple(columns), label=label, rows=found.conflicts, examples=tuple(examples))


def _row_at(place: Span | RowsAside, columns: Sequence[str], source: str, position: int) -> pa.Table:
    if isinstance(place, RowsAside):
        return place.row(_found(place.table(frame.ROW_ID), source, position), columns)
    table = read_span(place.file, place.start, place.stop, columns)
    return table.slice(_found(table, source, position), 1)


def _found(ids: pa.Table, source: str, position: int) -> int:
    """The number of the row with this id."""
    at = np.flatnonzero(np.asarray(ids[frame.POSITION]) == position).tolist()
    return next(row for row in at if ids[frame.SOURCE][row].as_py() == source)


def _place(source: Any, position: int) -> str:
    return f"{source} at {position}"
