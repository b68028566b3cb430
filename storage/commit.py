"""From staged files to a version: everything is checked first, then files are moved, then one log entry tells of them.

Before the entry is there, nobody sees the files; once it is, the version is whole. Whoever dies in between leaves
files that no version names: the same run finds them again, anyone else's vacuum removes them.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from storage.errors import CommitConflictError, DatasetNameError, SchemaMismatchError, StagedPartError
from storage.facts import VersionFacts
from storage.fates import check_fates
from storage.fingerprint import Fingerprint
from storage.history import Head, head_before
from storage.layout import DatasetLayout, run_digest
from storage.locks import locked
from storage.moves import Moves, part_name
from storage.parquet import StagedPart
from storage.scan import measured
from storage.schema import stored_schema, union_schema
from storage.table import (
    add_action,
    commit_files,
    find_table,
    landed,
    prepare_columns,
    table_files,
    table_schema,
)
from storage.versions import APPEND, IMPORT, REPLACE, CommitRequest, DataFile, Snapshot, Version

__all__ = ["CommitRequest", "Plan", "Version", "commit", "plan_commit", "preview"]

_ROUNDS = 50
_LONGEST_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one round of a commit is going to write.

    Attributes
    ----------
    number
        The log entry it is for.
    schema
        The columns of the version.
    facts
        What the entry says about the version.
    """

    number: int
    schema: pa.Schema
    facts: dict[str, Any]


def plan_commit(request: CommitRequest, base: Head | None, earlier: pa.Schema | None, number: int) -> Plan:
    """What to write so that `request` becomes version `number` on top of `base`.

    Parameters
    ----------
    base
        The newest version, or None for a new dataset. Its fingerprint is known.
    earlier
        The columns of `base`.

    Raises
    ------
    SchemaMismatchError
        If the new rows do not fit the columns they are appended to.
    """
    schema, mark, uniform = stored_schema(request.schema), request.fingerprint, True
    rows, size, files = _sums(request.parts)
    if request.mode == APPEND and base is not None and earlier is not None:
        joined = union_schema(request.dataset, earlier, schema)
        uniform = base.uniform and set(joined.names) == set(schema.names) == set(base.columns)
        schema, mark = joined, mark.merge(base.fingerprint or Fingerprint.empty())
        rows, size, files = rows + base.version.rows, size + base.version.bytes, files + base.version.files
    run = run_digest(request.run)
    facts = VersionFacts(
        run=request.run,
        mode=request.mode,
        message=request.message,
        author=request.author,
        ledger=request.ledger,
        rows=rows,
        bytes=size,
        files=files,
        fingerprint=mark,
        schema=schema,
        uniform=uniform,
        fates=[
            {"name": str(part_name(part, number, index, run)), "rows": part.rows, "bytes": part.bytes}
            for index, part in enumerate(request.fates)
        ],
        ordinal=1 if base is None else base.next_ordinal,
        arranged={} if base is None else base.arranged,
        copied_from=request.copied_from,
    )
    return Plan(number=number, schema=schema, facts=facts.to_dict())


def _sums(parts: Sequence[StagedPart]) -> tuple[int, int, int]:
    return sum(part.rows for part in parts), sum(part.bytes for part in parts), len(parts)


def _check_columns(request: CommitRequest, footers: Sequence[pq.FileMetaData]) -> None:
    wanted = {field.name: field.type for field in stored_schema(request.schema)}
    for part, metadata in zip(request.parts, footers, strict=True):
        found = {field.name: field.type for field in metadata.schema.to_arrow_schema()}
        if found != wanted:
            raise StagedPartError(
                part.path,
                f"its columns are {_told(found)}, the commit says {_told(wanted)}",
                "Stage files of one schema; nothing was committed.",
            )


def _told(columns: dict[str, pa.DataType]) -> str:
    return ", ".join(f"{name}: {kind}" for name, kind in columns.items())


def _check_request(request: CommitRequest, layout: DatasetLayout, *, is_new: bool) -> None:
    if request.mode not in (REPLACE, APPEND, IMPORT):
        raise StagedPartError(repr(request.mode), "not a mode of commit", 'Use "replace" or "append".')
    if len(request.schema) == 0:
        raise SchemaMismatchError(f"dataset {layout.name}", "no columns", "Commit at least one column.")
    rows = sum(part.rows for part in request.parts)
    if request.fingerprint.rows != rows:
        raise StagedPartError(
            f"dataset {layout.name}",
            f"the fingerprint counts {request.fingerprint.rows} rows, the parts {rows}",
            "Compute the fingerprint over exactly the rows of the parts.",
        )
    if is_new:
        for other in layout.folder.parent.iterdir() if layout.folder.parent.exists() else ():
            if other.name != layout.name and other.name.casefold() == layout.name.casefold():
                raise DatasetNameError(
                    repr(layout.name), f"differs from {other.name!r} in case alone", "Choose another name."
                )


def commit(layout: DatasetLayout, request: CommitRequest) -> int:
    """The number of the version that `request` became, now or when its run was first committed.

    Raises
    ------
    StagedPartError, SchemaMismatchError, DatasetNameError
        If the request is not sound; nothing was touched.
    DiskFullError, StoreNotWritableError, StoreBusyError, CommitConflictError
        If it cannot be committed; the staged files are where they were.
    """
    with locked(layout.lock):
        table = find_table(layout)
        if table is not None and (number := landed(table, request.run)) is not None:
            return number
        _check_request(request, layout, is_new=table is None)
        request = replace(request, parts=tuple(part for part in request.parts if part.rows))
        moves = Moves(layout.folder, request.parts, request.run)
        footers = moves.check()
        _check_columns(request, footers)
        fates = Moves(layout.fates, request.fates, request.run)
        check_fates(request.fates, fates.check())
        try:
            tables = _Tables(layout, table)
            return take_rounds(
                layout, request.run, lambda: _round(layout, request, moves, fates, footers, tables.newest())
            )
        except BaseException:
            moves.take_back()
            fates.take_back()
            raise


def landed_now(layout: DatasetLayout, run: str) -> int | None:
    """The number of the version that this run has committed, or None."""
    table = find_table(layout)
    return None if table is None else landed(table, run)


class _Tables:
    """The table that each round starts from: the one at hand for the first, for later ones what others made of it."""

    def __init__(self, layout: DatasetLayout, first: DeltaTable | None) -> None:
        self._layout, self._table, self._used = layout, first, False

    def newest(self) -> DeltaTable | None:
        if self._used:
            self._table = find_table(self._layout)
        self._used = True
        return self._table


def take_rounds(layout: DatasetLayout, run: str, play: Callable[[], int | None]) -> int:
    """The number that `play` committed, played again while others win; None from it means: once more.

    Raises
    ------
    CommitConflictError
        If others win every round.
    """
    lost: Exception | None = None
    for turn in range(_ROUNDS):
        try:
            number = play()
        except Exception as error:
            # The entry may have landed though its writer heard of an error.
            number = landed_now(layout, run)
            if number is None and not _was_conflict(error):
                raise
            lost = error
            # Writers of one machine take turns; those of several step aside for a moment.
            time.sleep(random.uniform(0, _LONGEST_PAUSE_S * min(1.0, (turn + 1) / 4)))  # noqa: S311 - no secret
        if number is not None:
            return number
    raise CommitConflictError(
        f"dataset {layout.name}", f"other writers won {_ROUNDS} rounds ({lost})", "Run the job again."
    )


def _was_conflict(error: Exception) -> bool:
    return isinstance(error, CommitFailedError) or (isinstance(error, DeltaError) and "already exists" in str(error))


def _round(
    layout: DatasetLayout,
    request: CommitRequest,
    moves: Moves,
    fates: Moves,
    footers: Sequence[pq.FileMetaData],
    table: DeltaTable | None,
) -> int | None:
    plan = _planned(layout, request, table)
    if table is not None and prepare_columns(layout, table, plan.schema, append=request.mode == APPEND):
        return None
    moves.move(plan.number)
    fates.move(plan.number)
    adds = [
        add_action(path, metadata, part.bytes)
        for path, metadata, part in zip(moves.paths, footers, request.parts, strict=True)
    ]
    commit_files(
        layout,
        table,
        adds,
        plan.schema,
        replace=request.mode != APPEND,
        facts=plan.facts,
        run=request.run,
        number=plan.number,
    )
    return plan.number


def _planned(layout: DatasetLayout, request: CommitRequest, table: DeltaTable | None) -> Plan:
    if table is None:
        return plan_commit(request, None, None, 0)
    base = head_before(layout, table.version())
    if request.mode == APPEND and base.fingerprint is None:
        base = measured(layout, base)
    return plan_commit(request, base, table_schema(table), table.version() + 1)


def preview(layout: DatasetLayout, request: CommitRequest) -> Snapshot:
    """The snapshot that committing `request` right now would give; its new files are still where they were staged.

    Raises
    ------
    SchemaMismatchError
        If the new rows do not fit the columns they are appended to.
    """
    parts = tuple(part for part in request.parts if part.rows)
    table = find_table(layout)
    plan = _planned(layout, replace(request, parts=parts), table)
    earlier = table_files(layout, table) if table is not None and request.mode == APPEND else ()
    facts = plan.facts
    version = Version(
        dataset=layout.name,
        number=plan.number,
        fingerprint=facts["digest"],
        rows=facts["rows"],
        bytes=facts["bytes"],
        files=facts["files"],
        created_at="",
        run=request.run,
        mode=request.mode,
        message=request.message,
        author=request.author,
        ledger=request.ledger,
    )
    staged = (DataFile(path=part.path, rows=part.rows, bytes=part.bytes) for part in parts)
    return Snapshot(version=version, schema=plan.schema, files=(*earlier, *staged), uniform=facts["uniform"])
