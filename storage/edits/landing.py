"""From an edit to a version: what it takes from the newest version and what it puts in its place.

An edit is worked out without the dataset's lock, so that others can commit meanwhile. It holds for exactly the
version it was made of: where that is no longer the newest, it is worked out anew (what was rewritten is used again).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from storage.errors import CommitConflictError, VersionNotFoundError
from storage.facts import VersionFacts
from storage.files import make_folder, sync_folder
from storage.fingerprint import Fingerprint
from storage.history import Head, newest_head
from storage.layout import DatasetLayout, PartName, parse_part_name, run_digest
from storage.locks import locked
from storage.parquet import StagedPart, footer
from storage.places import Place
from storage.scan import measured, snapshot_of
from storage.table import add_action, commit_files, landed, open_table, prepare_columns, remove_action
from storage.transfer import bring, for_each, take_back
from storage.versions import DataFile, Snapshot

_ROUNDS = 6

#: A place in the order of rows: version number and part.
Slot = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A staged file and its place in the order of rows; None puts it after all others."""

    part: StagedPart
    place: Slot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Who edits, and how it is told: as in `storage.versions.Version`."""

    run: str
    mode: str
    message: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What makes a version out of another.

    Attributes
    ----------
    fingerprint
        Of the new version.
    schema
        Its columns; only `replace` may change or drop one.
    removes
        Files that it no longer has; with `replace` it has none of the earlier ones.
    adds
        Staged files that it has instead.
    changes
        What was done, counted.
    fates
        Its fates files: name, rows, bytes.
    fates_parts
        Staged fates files, named in `fates` as `fates_name` has it.
    data_change
        Whether its rows are others: readers of changes skip versions that only lie differently.
    replace
        Whether all files are new.
    arranged
        How the files lie, see `storage.facts.VersionFacts`.
    shown
        Text columns whose least and greatest values go into the log.
    whole
        Whether every added file has all columns of `schema`.
    """

    fingerprint: Fingerprint
    schema: pa.Schema
    removes: tuple[DataFile, ...] = ()
    adds: tuple[Placed, ...] = ()
    changes: Mapping[str, int] = field(default_factory=dict)
    fates: tuple[Mapping[str, Any], ...] = ()
    fates_parts: tuple[StagedPart, ...] = ()
    data_change: bool = True
    replace: bool = False
    arranged: Mapping[str, Any] = field(default_factory=dict)
    shown: Sequence[str] = ()
    whole: bool = True


def place_of(file: DataFile) -> Slot | None:
    """A stored file's place in the order of rows; None where another program named it."""
    name = parse_part_name(Path(file.path).name)
    return None if name is None else (name.number, name.part)


def fates_name(part: StagedPart, index: int, run: str) -> str:
    """The stored name of an edit's `index`-th fates file, which no version number is part of."""
    return str(PartName(number=0, part=index, run=run_digest(run), sha=part.sha256[:32]))


def carry_out(layout: DatasetLayout, note: Note, work_out: Callable[[Head, Snapshot], Edit | None]) -> int:
    """The number of the version that the edit made; of the newest one where there was nothing to do.

    Parameters
    ----------
    work_out
        The edit of a version, or None where it already is as wanted. Called again where others committed meanwhile.

    Raises
    ------
    DatasetNotFoundError
        If there is no such dataset.
    CommitConflictError
        If writers on other machines win every round.
    DiskFullError, StoreNotWritableError, StoreBusyError
        If it cannot be committed; the newest version is as it was.
    """
    if (number := landed(open_table(layout), note.run)) is not None:
        return number
    for turn in range(_ROUNDS):
        # In the last round others have to wait.
        with locked(layout.lock) if turn == _ROUNDS - 1 else nullcontext():
            base = newest_head(layout)
            try:
                base = measured(layout, base) if base.fingerprint is None else base
                edit = work_out(base, snapshot_of(layout, base))
            except VersionNotFoundError:
                if newest_head(layout).version.number == base.version.number:
                    raise
                continue  # a vacuum took files of a version that is no longer the newest
            if edit is None:
                return base.version.number
            with locked(layout.lock) if turn < _ROUNDS - 1 else nullcontext():
                landed_as = _land(layout, base, edit, note)
        if landed_as is not None:
            return landed_as
    raise CommitConflictError(
        f"dataset {layout.name}", f"other writers won {_ROUNDS} rounds", "Run the command again; nothing was changed."
    )


def _land(layout: DatasetLayout, base: Head, edit: Edit, note: Note) -> int | None:
    """The number of the version, or None where `base` is no longer the newest; the caller holds the lock."""
    table = open_table(layout)
    if newest_head(layout).version.number != base.version.number:
        return None
    if prepare_columns(layout, table, edit.schema, append=not edit.replace):
        table = open_table(layout)
    number = table.version() + 1
    moves = _EditMoves(layout, edit, note.run, number)
    try:
        footers = [footer(Path(placed.part.path)) for placed in edit.adds]
        moves.move()
        _commit(layout, table, base, edit, note, number, moves.paths, footers)
    except BaseException as error:
        if (found := landed(open_table(layout), note.run)) is not None:
            return found
        moves.take_back()
        if isinstance(error, CommitFailedError) or (isinstance(error, DeltaError) and "already exists" in str(error)):
            return None
        raise
    return number


class _EditMoves:
    """The files of an edit on their way into a dataset's folders."""

    def __init__(self, layout: DatasetLayout, edit: Edit, run: str, number: int) -> None:
        self._layout = layout
        self._staged = [Path(part.path) for part in (*(placed.part for placed in edit.adds), *edit.fates_parts)]
        self._targets = _targets(layout, edit, run, number)
        #: Where they lie, those with rows first.
        self.paths: list[Place] = [*self._staged]

    def move(self) -> None:
        for folder in dict.fromkeys(target.parent for target in self._targets):
            make_folder(folder)

        def move_one(index: int) -> None:
            self.paths[index] = bring(self._staged[index], self.paths[index], self._targets[index])

        for_each(len(self._targets), move_one, self._layout.folder)
        for folder in dict.fromkeys(target.parent for target in self._targets):
            sync_folder(folder)

    def take_back(self) -> None:
        for staged, now in zip(self._staged, self.paths, strict=True):
            take_back(staged, now)


def _targets(layout: DatasetLayout, edit: Edit, run: str, number: int) -> list[Place]:
    digest, at_end = run_digest(run), 0
    targets: list[Place] = []
    for placed in edit.adds:
        place = placed.place
        if place is None:
            place, at_end = (number, at_end), at_end + 1
        name = PartName(number=place[0], part=place[1], run=digest, sha=placed.part.sha256[:32])
        targets.append(layout.folder / str(name))
    targets += [layout.fates / fates_name(part, index, run) for index, part in enumerate(edit.fates_parts)]
    return targets


def _commit(
    layout: DatasetLayout,
    table: DeltaTable,
    base: Head,
    edit: Edit,
    note: Note,
    number: int,
    paths: Sequence[Place],
    footers: Sequence[pq.FileMetaData],
) -> None:
    adds = [
        add_action(path, metadata, placed.part.bytes, data_change=edit.data_change, shown=edit.shown)
        for path, metadata, placed in zip(paths, footers, edit.adds, strict=False)
    ]
    removes = () if edit.replace else [remove_action(file, data_change=edit.data_change) for file in edit.removes]
    commit_files(
        layout,
        table,
        adds,
        edit.schema,
        removes=removes,
        replace=edit.replace,
        facts=_facts(base, edit, note).to_dict(),
        run=note.run,
        number=number,
    )


def _facts(base: Head, edit: Edit, note: Note) -> VersionFacts:
    kept = (0, 0, 0) if edit.replace else (base.version.rows, base.version.bytes, base.version.files)
    gone = () if edit.replace else edit.removes
    parts = [placed.part for placed in edit.adds]
    return VersionFacts(
        run=note.run,
        mode=note.mode,
        message=note.message,
        author=note.author,
        ledger=base.version.ledger,
        rows=kept[0] + sum(part.rows for part in parts) - sum(file.rows for file in gone),
        bytes=kept[1] + sum(part.bytes for part in parts) - sum(file.bytes for file in gone),
        files=kept[2] + len(parts) - len(gone),
        fingerprint=edit.fingerprint,
        schema=edit.schema,
        uniform=edit.whole and (edit.replace or (base.uniform and set(edit.schema.names) == set(base.columns))),
        fates=edit.fates,
        ordinal=base.next_ordinal,
        changes=edit.changes,
        arranged=edit.arranged,
    )
