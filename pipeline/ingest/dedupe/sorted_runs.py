"""Several sorted files read as one, in stretches that fit into memory whatever their keys are.

A share of the key space can hold far more records than others, where one key comes again and again. So no reader takes
a whole share at once: it takes stretches of whole keys, and a key with too many records for one stretch in pieces.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Consecutive records of one file.

    Attributes
    ----------
    path
        The file.
    offset
        The byte that the file's first record starts at.
    first, last
        The records, last exclusive.
    """

    path: str
    offset: int = 0
    first: int = 0
    last: int

    def __len__(self) -> int:
        return self.last - self.first


def read_run(run: Run, record: np.dtype[Any]) -> npt.NDArray[Any]:
    """The run's records, shape (len(run),).

    Raises
    ------
    OSError
        If the file ends before them.
    """
    found = np.fromfile(run.path, record, len(run), offset=run.offset + run.first * record.itemsize)
    if len(found) != len(run):
        raise OSError(f"{run.path}: cut short; the scratch folder was changed while the job ran")
    return found


def pieces(run: Run, most: int) -> Iterator[Run]:
    """The run in runs of at most `most` records, in order."""
    for first in range(run.first, run.last, most):
        yield replace(run, first=first, last=min(run.last, first + most))


def places_of(run: Run, record: np.dtype[Any], field: str, values: Sequence[int]) -> list[int]:
    """For each value the first record whose `field`, by which the run is sorted, is not below it."""
    kind, at = record.fields[field][:2] if record.fields else (record, 0)
    handle = os.open(run.path, os.O_RDONLY)
    try:
        found = []
        for value in values:
            low, high = run.first, run.last
            while low < high:
                middle = (low + high) // 2
                raw = os.pread(handle, kind.itemsize, run.offset + middle * record.itemsize + at)
                low, high = (middle + 1, high) if int.from_bytes(raw, "little") < value else (low, middle)
            found.append(low)
        return found
    finally:
        os.close(handle)


def stretches(
    runs: Sequence[Run], record: np.dtype[Any], fields: Sequence[str], most: int
) -> Iterator[npt.NDArray[Any]]:
    """The records of all runs in the order of `fields`; those equal in them in the order of the runs.

    Parameters
    ----------
    runs
        Each sorted by `fields`.
    record
        What they hold; `fields` are unsigned.
    fields
        What orders the records.
    most
        Records in one stretch. Records equal in all `fields` are in one stretch, unless there are more of them than
        that: those come in several stretches.
    """
    runs = [run for run in runs if len(run)]
    total = sum(map(len, runs))
    if total <= most:
        if total:
            yield _sorted(runs, record, fields)
    elif not fields:
        for run in runs:
            for piece in pieces(run, most):
                yield read_run(piece, record)
    else:
        for some, deeper in _split(runs, record, fields, most):
            yield from stretches(some, record, deeper, most)


def _sorted(runs: Sequence[Run], record: np.dtype[Any], fields: Sequence[str]) -> npt.NDArray[Any]:
    records = np.concatenate([read_run(run, record) for run in runs])
    if len(runs) == 1 or not fields:
        return records
    if len(fields) == 1:
        return records.take(np.argsort(records[fields[0]], kind="stable"))
    return records.take(np.lexsort([records[field] for field in reversed(fields)]))


def _split(
    runs: Sequence[Run], record: np.dtype[Any], fields: Sequence[str], most: int
) -> Iterator[tuple[list[Run], Sequence[str]]]:
    """The runs below, at and above a key in the middle, in order, and what each is still to be ordered by."""
    field = fields[0]
    pivot = _middle(runs, record, field)
    places = [places_of(run, record, field, (pivot, pivot + 1)) for run in runs]
    below = [replace(run, last=start) for run, (start, _) in zip(runs, places, strict=True)]
    equal = [replace(run, first=start, last=stop) for run, (start, stop) in zip(runs, places, strict=True)]
    above = [replace(run, first=stop) for run, (_, stop) in zip(runs, places, strict=True)]
    if sum(map(len, equal)) > most:
        yield below, fields
        yield equal, fields[1:]
        yield above, fields
    elif any(map(len, below)):
        yield below, fields
        yield [replace(run, first=start) for run, (start, _) in zip(runs, places, strict=True)], fields
    else:
        yield equal, fields
        yield above, fields


def _middle(runs: Sequence[Run], record: np.dtype[Any], field: str) -> int:
    """A key with at least a quarter of the records on either side or at it: the weighted median of the medians."""
    places = [(run.first + run.last) // 2 for run in runs]
    found = [read_run(replace(run, first=at, last=at + 1), record) for run, at in zip(runs, places, strict=True)]
    keys = np.concatenate(found)[field]
    order = np.argsort(keys, kind="stable")
    weights = np.cumsum(np.array([len(run) for run in runs])[order])
    return int(keys[order[np.searchsorted(weights, weights[-1] / 2)]])


def once_each(pairs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Records that are sorted by their fields ``node`` and ``other`` (or by a hash of the node), each pair once."""
    if len(pairs) == 0:
        return pairs
    new = (pairs["node"][1:] != pairs["node"][:-1]) | (pairs["other"][1:] != pairs["other"][:-1])
    unique: npt.NDArray[Any] = pairs[np.concatenate([[True], new])]
    return unique
