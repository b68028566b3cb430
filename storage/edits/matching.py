"""Finding rows of a version by a condition in SQL, file by file, closed off as every query is."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.query import Relations
from storage.sandbox import (
    DEFAULT_MEMORY_BYTES,
    add_views,
    close_off,
    new_spill_folder,
    open_database,
    require_reading,
    told,
)
from storage.sql_text import FILE, ROW, quoted, rows_with_places

Rows = npt.NDArray[np.int64]
_BATCH_ROWS = 65_536


class Database:
    """A closed-off DuckDB for the questions of one edit; a context manager.

    Parameters
    ----------
    relations
        What the questions may see.
    cache
        Where what does not fit into memory is put.
    memory_bytes
        What it may hold in memory.
    """

    def __init__(self, relations: Relations, cache: Path, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> None:
        self._names = relations.names
        self._spill = new_spill_folder(cache)
        self._connection = open_database(self._spill, memory_bytes)
        try:
            add_views(self._connection, relations.views, relations.tables, relations.files)
            close_off(self._connection, relations.files)
        except BaseException:
            self.close()
            raise

    def batches(self, query: str) -> Iterator[pa.RecordBatch]:
        """The rows of a query in a stream; raises `QueryError`."""
        statement = require_reading(self._connection, query)
        with told(query, self._names):
            reader = self._connection.cursor().sql(statement).to_arrow_reader(_BATCH_ROWS)
        while True:
            with told(query, self._names):
                batch = next(reader, None)
            if batch is None:
                return
            yield batch

    def table(self, query: str) -> pa.Table:
        """The rows of a query, in memory; raises `QueryError`."""
        batches = list(self.batches(query))
        return pa.Table.from_batches(batches) if batches else pa.table({})

    def close(self) -> None:
        """Nothing; memory and files are given back."""
        self._connection.close()
        shutil.rmtree(self._spill, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Matches:
    """The rows for which a condition is true.

    Parameters
    ----------
    database
        Where to ask; it may see all files.
    name
        What the rows are called in the condition.
    schema
        Their columns.
    condition
        SQL that is true for the rows to be found.
    """

    def __init__(self, database: Database, name: str, schema: pa.Schema, condition: str) -> None:
        self._database, self._name, self._schema, self._condition = database, name, schema, condition

    def counts(self, paths: Sequence[str]) -> dict[str, int]:
        """File -> how many of its rows match; files without any are left out."""
        found = self._database.table(self._query(f"{quoted(FILE)}, count(*)", paths) + f" GROUP BY {quoted(FILE)}")
        if not found.num_rows:
            return {}
        return dict(zip(found.column(0).to_pylist(), found.column(1).to_pylist(), strict=True))

    def rows(self, path: str) -> Rows:
        """The numbers of the matching rows of a file, ascending."""
        batches = list(self._database.batches(self._query(quoted(ROW), [path])))
        numbers = [np.asarray(batch.column(0), np.int64) for batch in batches]
        return np.sort(np.concatenate(numbers)) if numbers else np.zeros(0, np.int64)

    def _query(self, selected: str, paths: Sequence[str]) -> str:
        rows = rows_with_places(self._schema, paths)
        # The line break ends a comment that the condition may end with.
        return f"SELECT {selected} FROM ({rows}) AS {quoted(self._name)} WHERE ({self._condition}\n)"  # noqa: S608
