"""The part of the store's facade that makes versions from versions."""

import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from storage.datasets import Datasets
from storage.edits.columns import Changing, ColumnChanges
from storage.edits.copying import copy_version
from storage.edits.delete import Deletion
from storage.edits.landing import Note, carry_out
from storage.edits.matching import Database
from storage.edits.rewriting import Rewriting
from storage.edits.upsert import Upserting, stage_rows
from storage.files import make_folder
from storage.locks import locked
from storage.relations import mentioned, relations_for
from storage.sandbox import DEFAULT_MEMORY_BYTES
from storage.scan import measured
from storage.versions import COLUMNS, DELETE, UPSERT, Snapshot, Version
from storage.views import refresh_views


class Edits(Datasets):
    """Deleting, putting in by key, changing columns and copying: each makes one version."""

    @contextmanager
    def _work(self, kind: str, run: str | None) -> Iterator[tuple[str, Path]]:
        """A run id, the given one or a new one, and a folder for its files that ends with the block."""
        run = run or f"{kind}-{secrets.token_hex(8)}"
        staging = make_folder(self.layout.staging(run))
        try:
            yield run, staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _made(self, name: str, number: int) -> Version:
        """The version, which ``store.duckdb`` shows from now on."""
        refresh_views(self.layout, [name], self.snapshot, anew=False)
        return self.version(name, number)

    def _opened(self, text: str, snapshot: Snapshot, more: Sequence[str], memory_bytes: int) -> Database:
        """A database that sees a version, whatever else `text` may mention, and some more files."""
        names, own = self.names(), snapshot.version.dataset
        others = [name for name in mentioned(text, names) if name != own]
        snapshots = {own: snapshot, **{name: self.snapshot(name) for name in others}}
        seen = relations_for(self.layout, text, names, snapshots, time.time_ns())
        return Database(replace(seen, files=[*seen.files, *more]), self.layout.cache("spill"), memory_bytes)

    def _deletion(self, name: str, where: str, fates_where: str, run: str, staging: Path, memory: int) -> Deletion:
        return Deletion(
            layout=self.layout.dataset(name),
            condition=where,
            fates_condition=fates_where,
            run=run,
            staging=staging,
            opened=lambda snapshot, more: self._opened(f"{where} {fates_where}", snapshot, more, memory),
            rewriting=Rewriting(staging),
        )

    def count_matching(self, name: str, where: str, *, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> tuple[int, int]:
        """How many rows of the newest version a condition is true for, and in how many files they lie.

        Raises
        ------
        QueryError
            If the condition cannot be understood.
        DatasetNotFoundError
            If there is no such dataset.
        """
        counts = self._deletion(name, where, "", "", Path(), memory_bytes).count(self.snapshot(name))
        return sum(counts.values()), len(counts)

    def delete(
        self,
        name: str,
        where: str,
        *,
        fates_where: str = "",
        run: str | None = None,
        message: str = "",
        author: str = "",
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
    ) -> Version:
        """The version without the rows for which a condition is true; the newest one where there are none.

        Only the files that hold such rows are written anew. Earlier versions still have them until a vacuum gives
        those up. The condition itself is kept nowhere.

        Parameters
        ----------
        where
            A condition in SQL, over the dataset's columns; it may look into other datasets.
        fates_where
            The same for the fates that the version carries, over the columns of `storage.fates.FATE_SCHEMA`.
        run
            The run's id, by which the outcome of a call that was cut off is found; a new one where not given.

        Raises
        ------
        QueryError
            If a condition cannot be understood.
        DatasetNotFoundError
            If there is no such dataset.
        """
        with self._work("delete", run) as (run, staging):
            deletion = self._deletion(name, where, fates_where, run, staging, memory_bytes)
            note = Note(run=run, mode=DELETE, message=message, author=author)
            return self._made(name, carry_out(self.layout.dataset(name), note, deletion.work_out))

    def upsert(
        self,
        name: str,
        batches: Iterable[pa.RecordBatch],
        schema: pa.Schema,
        key: Sequence[str],
        *,
        run: str | None = None,
        message: str = "",
        author: str = "",
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
    ) -> Version:
        """The version with these rows: exchanged where their key is there already, added otherwise.

        Parameters
        ----------
        batches
            The rows, taken once, in a stream.
        schema
            Of the batches. Columns that the dataset lacks are added; those that are lacking here become null.
        key
            The columns that tell rows apart; no given row may repeat another's key or lack one.

        Raises
        ------
        SchemaMismatchError
            If the rows do not fit, lack a key, or repeat one.
        DatasetNotFoundError
            If there is no such dataset.
        """
        self.version(name)
        with self._work("upsert", run) as (run, staging):
            upserting = Upserting(
                key=tuple(key),
                given=stage_rows(batches, schema, staging),
                opened=lambda snapshot, more: self._opened("", snapshot, more, memory_bytes),
                rewriting=Rewriting(staging),
            )
            note = Note(run=run, mode=UPSERT, message=message, author=author)
            return self._made(name, carry_out(self.layout.dataset(name), note, upserting.work_out))

    def change_columns(
        self, name: str, changes: ColumnChanges, *, run: str | None = None, message: str = "", author: str = ""
    ) -> Version:
        """The version with columns added, widened, renamed or dropped; earlier versions are as they were.

        Raises
        ------
        SchemaMismatchError
            If a change cannot be made; nothing is changed then.
        DatasetNotFoundError
            If there is no such dataset.
        """
        with self._work("columns", run) as (run, staging):
            changing = Changing(changes=changes, staging=staging)
            note = Note(run=run, mode=COLUMNS, message=message or changes.told(), author=author)
            return self._made(name, carry_out(self.layout.dataset(name), note, changing.work_out))

    def copy(
        self, name: str, new_name: str, *, at: int | str | None = None, message: str = "", author: str = ""
    ) -> Version:
        """The first version of a new dataset: the rows, columns and fates of a version; files are linked, not copied.

        Raises
        ------
        DatasetExistsError
            If there is a dataset of the new name.
        DatasetNotFoundError, VersionNotFoundError, VersionVacuumedError
            If there is nothing to copy.
        """
        source, target = self.layout.dataset(name), self.layout.dataset(new_name)
        # Under the lock no vacuum takes a file away while it is linked.
        with locked(source.lock):
            head = self._head(name, at)
            head = measured(source, head) if head.fingerprint is None else head
            snapshot = self.snapshot(name, head.version.number)
            run = f"copy-{secrets.token_hex(8)}"
            copy_version(source, head, snapshot, target, run=run, message=message, author=author)
        return self._made(new_name, 0)
