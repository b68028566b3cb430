"""The store's own records as small Delta tables under ``_system``: rows are only ever appended.

Each append is one small file and one commit under the table's lock; once there are many small files they are
written together as one. Every row carries a `serial` that rises with time, so that the last word on something can be
told in Python and in SQL alike.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction

from storage.errors import CommitConflictError, StoreDamagedError
from storage.files import ASIDE_SUFFIX, make_folder, sync_folder
from storage.layout import DatasetLayout, PartName, run_digest
from storage.locks import locked
from storage.log import entry_numbers
from storage.parquet import footer, open_parquet, write_part
from storage.places import Place
from storage.schema import fit
from storage.table import add_action, commit_files, file_actions, find_table, prepare_columns, table_files
from storage.transfer import bring

SERIAL = "serial"
_MOST_FILES = 64
_ROUNDS = 20


class SystemTable:
    """An append-only table of records.

    Parameters
    ----------
    layout
        Its paths.
    schema
        Its columns; `serial` (int64, nanoseconds since 1970) is added in front.
    """

    def __init__(self, layout: DatasetLayout, schema: pa.Schema) -> None:
        self._layout = layout
        self._held: tuple[int, pa.Table] | None = None
        self.schema = pa.schema([pa.field(SERIAL, pa.int64()), *schema])

    @property
    def layout(self) -> DatasetLayout:
        """The table's paths."""
        return self._layout

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Nothing; the rows are in the table afterwards.

        Raises
        ------
        DiskFullError, StoreNotWritableError, StoreBusyError
            If they cannot be written.
        """
        with locked(self._layout.lock):
            for _ in range(_ROUNDS):
                if self._write(rows):
                    return
        raise CommitConflictError(self._layout.name, f"other writers won {_ROUNDS} rounds", "Run the command again.")

    def read(self) -> pa.Table:
        """All rows in the order they were appended; empty where nothing was."""
        for _ in range(_ROUNDS):
            try:
                return self._read()
            except FileNotFoundError:  # a compaction gave the file up since the log was read
                continue
        raise StoreDamagedError(
            str(self._layout.folder), "files named by its log are missing", "Run `textmill verify`."
        )

    def last(self, key: str) -> dict[Any, dict[str, Any]]:
        """The newest row for each value of the column `key`, in the order of their `serial`."""
        newest = {row[key]: row for row in self.read().to_pylist()}
        return dict(sorted(newest.items(), key=lambda item: item[1][SERIAL]))

    def _read(self) -> pa.Table:
        # A version never changes, so one that was read need not be read again.
        numbers = entry_numbers(self._layout.log)
        if self._held is not None and numbers and self._held[0] == numbers[-1]:
            return self._held[1]
        if (table := self._newest()) is None:
            return self._empty()
        rows = self._rows_of(table)
        self._held = (table.version(), rows)
        return rows

    def _rows_of(self, table: DeltaTable) -> pa.Table:
        files = table_files(self._layout, table)
        pieces = []
        for file in files:
            with open_parquet(file.path) as parquet:
                pieces.append(fit(parquet.read(), self.schema))
        return pa.concat_tables([self._empty(), *pieces])

    def _empty(self) -> pa.Table:
        # `Schema.empty_table` makes arrays, for which Arrow loads pandas: that takes longer than a query.
        return pa.Table.from_batches([], schema=self.schema)

    def _write(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        base = self._newest()
        if base is not None and prepare_columns(self._layout, base, self.schema, append=True):
            return False  # an earlier textmill made the table with fewer columns
        known = self._known(base)
        # Rises even where the clock was set back.
        serial = max([time.time_ns(), *(line["max.serial"] + 1 for line in known)])
        stamped = [{SERIAL: serial + index, **row} for index, row in enumerate(rows)]
        content = pa.Table.from_pylist(stamped, schema=self.schema)
        compact = len(known) >= _MOST_FILES
        if compact:
            content = pa.concat_tables([self._read(), content])
        path, add = self._put(content, 0 if base is None else base.version() + 1)
        return self._commit(base, path, add, replace=compact)

    def _known(self, table: DeltaTable | None) -> list[dict[str, Any]]:
        if table is None:
            return []
        lines: list[dict[str, Any]] = file_actions(table).to_pylist()
        return lines

    def _put(self, content: pa.Table, number: int) -> tuple[Place, AddAction]:
        token, folder = secrets.token_hex(8), make_folder(self._layout.folder)
        # Beside its place where that is on disk, so that a rename brings it there.
        staged = (folder if isinstance(folder, Path) else self._layout.locks) / f".{token}{ASIDE_SUFFIX}"
        part = write_part(content, staged)
        name = PartName(number=number, part=0, run=run_digest(token), sha=part.sha256[:32])
        metadata = footer(staged)
        path = bring(staged, staged, folder / str(name))
        sync_folder(folder)
        staged.unlink(missing_ok=True)
        return path, add_action(path, metadata, part.bytes)

    def _commit(self, base: DeltaTable | None, path: Place, add: AddAction, *, replace: bool) -> bool:
        number = 0 if base is None else base.version() + 1
        facts = {"system": self._layout.name}
        try:
            commit_files(self._layout, base, [add], self.schema, replace=replace, facts=facts, run=None, number=number)
        except Exception as error:
            # The entry may have landed before the error: only a file that no version names is given up.
            if path.name in {line["path"] for line in self._known(self._newest())}:
                return True
            path.unlink(missing_ok=True)
            if isinstance(error, DeltaError):
                return False  # a writer on another machine took the number
            raise
        return True

    def _newest(self) -> DeltaTable | None:
        return find_table(self._layout)
