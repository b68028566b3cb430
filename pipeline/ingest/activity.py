"""Limits on the events of users and items: counted over the whole dataset in hash-partitioned files.

An event is filed under its user or under its item. A phase reads one side's files part by part, so that all events of
one user (or item) meet, takes out those beyond the limit, and files the others under the other side. The k-core is
what is left when phases of both sides take out nothing any more: it is the same whatever the order of phases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import dask
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import frame
from pipeline.execute import Execute
from pipeline.ingest.activity_config import ActivityConfig
from pipeline.ingest.dedupe.duplicate_files import DuplicateFile, DuplicateRuns, without_survivor
from pipeline.ingest.dedupe.key_files import bucket_count, read_pieces, write_records
from pipeline.ingest.dedupe.key_table import KeyTable
from pipeline.ingest.dedupe.keys import exact_keys
from pipeline.ingest.dedupe.resolve import Found, joined

#: One event, filed under one of its sides (``hi``, ``lo``); its place is a block's number and the row in it.
EVENT_RECORD = np.dtype(
    [("hi", "<u8"), ("lo", "<u8"), ("other_hi", "<u8"), ("other_lo", "<u8"), ("block", "<u4"), ("row", "<u4")]
)
#: In the place of a block: an event of a stored version, which counts and stays.
_STORED = 0xFFFFFFFF
#: What an event takes in memory in one part: its record three times over, its key and slots.
_EVENT_BYTES = 3 * EVENT_RECORD.itemsize + 48
#: Events in one file that a phase writes.
_RUN_EVENTS = 1_000_000
USER, ITEM = "user", "item"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFile:
    """A file of `EVENT_RECORD` and how many it holds."""

    path: str
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many events one user or item may have, and the reason of rows beyond that."""

    side: str
    reason: str
    least: int = 1
    most: int = 2**62

    def broken(self, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which counts are beyond the limit."""
        return (counts < self.least) | (counts > self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinned:
    """What a phase left of one part, filed under the other side, and what it took out."""

    files: tuple[EventFile, ...]
    out: tuple[DuplicateFile, ...]


def write_events(table: pa.Table, limits: ActivityConfig, block: int | None, path: Path) -> EventFile:
    """The file of a block's events under their users; `block` is None for rows of a stored version."""
    alive = frame.alive(table) if frame.FATE in table.column_names else np.ones(table.num_rows, np.bool_)
    for name in limits.columns:
        alive = alive & np.asarray(frame.column_or_null(table, name).is_valid())
    records = np.zeros(table.num_rows, EVENT_RECORD)
    for name, (hi, lo) in zip(limits.columns, (("hi", "lo"), ("other_hi", "other_lo")), strict=False):
        keys = exact_keys(table, [name])
        records[hi], records[lo] = keys[:, 0], keys[:, 1]
    records["block"], records["row"] = _STORED if block is None else block, np.arange(len(records))
    records = records.compress(alive)
    write_records(records, path)
    return EventFile(path=str(path), events=len(records))


def thin(files: Sequence[EventFile], part: int, parts: int, limit: Limit, folder: Path, *, turn: bool) -> Thinned:
    """One part of the events without those of users (or items) beyond the limit.

    Its memory grows with the different users or items of the part, however many events one of them has. With `turn`
    the events that are left are filed under their other side.
    """
    paths = [file.path for file in files]
    table, counts = KeyTable(), np.zeros(0, np.int64)
    for _, records in read_pieces(paths, part, parts, EVENT_RECORD):
        numbers = table.add(records)
        counts = np.concatenate([counts, np.zeros(len(table) - len(counts), np.int64)])
        counts += np.bincount(numbers, minlength=len(counts))
    broken = limit.broken(counts)
    left, out = _Runs(folder / f"left-{part}"), DuplicateRuns(folder / f"out-{part}")
    for _, records in read_pieces(paths, part, parts, EVENT_RECORD):
        going = broken[table.find(records)] & (records["block"] != _STORED)
        out.add(without_survivor(records["row"][going], records["block"][going]))
        left.add(_turned(records.compress(~going)) if turn else records.compress(~going))
    return Thinned(files=left.finish(), out=out.finish())


def _turned(records: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The events with their sides exchanged."""
    turned = records.copy()
    turned["hi"], turned["lo"] = records["other_hi"], records["other_lo"]
    turned["other_hi"], turned["other_lo"] = records["hi"], records["lo"]
    return turned


class _Runs:
    """Events written in files of bounded size."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[npt.NDArray[Any]] = []
        self._files: list[EventFile] = []

    def add(self, records: npt.NDArray[Any]) -> None:
        self._waiting.append(records)
        if sum(map(len, self._waiting)) >= _RUN_EVENTS:
            self._write()

    def _write(self) -> None:
        records = np.concatenate(self._waiting)
        path = self._path.with_name(f"{self._path.name}-{len(self._files)}")
        write_records(records, path)
        self._files.append(EventFile(path=str(path), events=len(records)))
        self._waiting = []

    def finish(self) -> tuple[EventFile, ...]:
        if any(map(len, self._waiting)):
            self._write()
        return tuple(self._files)


def limits_of(config: ActivityConfig) -> tuple[list[Limit], list[Limit]]:
    """The limits to apply once, and those to apply again and again."""
    once = [
        Limit(side=USER, reason="max_user_events", most=config.max_user_events or 2**62),
        Limit(side=USER, reason="min_user_events", least=config.min_user_events or 1),
        Limit(side=ITEM, reason="min_item_events", least=config.min_item_events or 1),
    ]
    core = [Limit(side=side, reason="k_core", least=config.k_core or 1) for side in (USER, ITEM)]
    given = config.reasons
    return [limit for limit in once if limit.reason in given], [limit for limit in core if limit.reason in given]


class _Phases:
    """Events between two phases: files under one side."""

    def __init__(
        self, files: Sequence[EventFile], folder: Path, execute: Execute, memory_bytes: int, *, sides: int
    ) -> None:
        self._files = tuple(files)
        self._side, self._sides = USER, sides
        self._folder = folder
        self._execute = execute
        self._memory_bytes = memory_bytes
        self._phases = 0
        self.out: dict[str, list[DuplicateFile]] = {}

    def apply(self, limit: Limit) -> int:
        """How many rows the limit took out."""
        if limit.side != self._side:
            # A phase that takes nothing out turns the files to the other side.
            self._run(Limit(side=self._side, reason=limit.reason))
        return self._run(limit)

    def _run(self, limit: Limit) -> int:
        parts = bucket_count(sum(file.events for file in self._files), self._memory_bytes, _EVENT_BYTES)
        folder = self._folder / f"phase-{self._phases}"
        files = dask.delayed(self._files, traverse=False)
        turn = self._sides > 1
        tasks = [dask.delayed(thin)(files, part, parts, limit, folder, turn=turn) for part in range(parts)]
        thinned = self._execute("activity", tasks)
        for file in self._files:
            Path(file.path).unlink(missing_ok=True)
        self._phases += 1
        if turn:
            self._side = ITEM if self._side == USER else USER
        self._files = tuple(file for part in thinned for file in part.files)
        out = joined(part.out for part in thinned)
        self.out.setdefault(limit.reason, []).extend(out)
        return sum(file.duplicates for file in out)


def resolve_activity(
    stored: Sequence[Any],
    tables: Sequence[Any],
    config: ActivityConfig,
    folder: Path,
    execute: Execute,
    memory_bytes: int,
) -> list[tuple[str, Found]]:
    """For each limit that is given, in order, the rows beyond it.

    Parameters
    ----------
    stored
        A `dask.delayed` for each file of the version whose events count and stay.
    tables
        A `dask.delayed` a block, in row order, that gives its rows; those with a fate take no part.
    config
        The limits.
    folder
        Scratch for files that all workers see.
    execute
        Runs the tasks.
    memory_bytes
        What one task may take.
    """
    old = [dask.delayed(write_events)(t, config, None, folder / f"stored-{i}") for i, t in enumerate(stored)]
    new = [dask.delayed(write_events)(t, config, i, folder / f"events-{i}") for i, t in enumerate(tables)]
    events = execute("activity", [*old, *new])
    phases = _Phases(events, folder, execute, memory_bytes, sides=len(config.columns))
    once, core = limits_of(config)
    for limit in once:
        phases.apply(limit)
    quiet = 0
    for limit in cycle(core):
        quiet = 0 if phases.apply(limit) else quiet + 1
        if quiet == len(core):
            break
    return [(name, Found(kind=name, files=tuple(phases.out.get(name, ())), keys=())) for name in config.reasons]
