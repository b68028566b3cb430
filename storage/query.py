"""SQL over versions: streamed, paged, and closed off from everything else."""

import json
import logging
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from storage.errors import DiskFullError, QueryError, StoreNotWritableError
from storage.kept_rows import KeptRows, is_fickle, lost_rows
from storage.paging import Cursor
from storage.pruning import Scanned
from storage.sandbox import (
    DEFAULT_MEMORY_BYTES,
    add_views,
    close_files,
    lock_settings,
    new_spill_folder,
    open_database,
    require_reading,
    told,
)

_LOG = logging.getLogger(__name__)

BATCH_ROWS = 8192
_ALL_ROWS = 1 << 62
#: Plans made of these alone give their rows in the order of the files, however many threads work.
_ORDERED = {
    "READ_PARQUET",
    "PROJECTION",
    "FILTER",
    "UNION",
    "EMPTY_RESULT",
    "DUMMY_SCAN",
    "COLUMN_DATA_SCAN",
    "LIMIT",
    "STREAMING_LIMIT",
}
# They make a page's order depend on where the page starts.
_PAGE_DEPENDENT = "top_n,late_materialization,limit_pushdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """What a query may see.

    Attributes
    ----------
    views
        Name (``schema.name`` for system tables) -> query.
    tables
        Name -> Arrow table that views read from.
    files
        The files that the views read.
    names
        All names there are in the store, for hints.
    scanned
        Dataset -> what is read of it at most.
    """

    views: Mapping[str, str]
    tables: Mapping[str, pa.Table]
    files: Sequence[str]
    names: Sequence[str]
    scanned: Mapping[str, Scanned] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which rows of a result are asked for.

    Attributes
    ----------
    start
        Where the page starts.
    rows
        How many it has at most.
    kept
        What is kept of the result for its pages.
    """

    start: Cursor
    rows: int
    kept: KeptRows


class QueryResult:
    """The rows of a query, read in a stream; a context manager that gives its resources back.

    Attributes
    ----------
    columns
        The names of the columns.
    schema
        The Arrow schema of the batches.
    pins
        Dataset -> version number that the rows come from.
    scanned
        Dataset -> what is read of it at most; empty where the rows were kept from an earlier page.
    """

    pins: Mapping[str, int] = MappingProxyType({})
    scanned: Mapping[str, Scanned] = MappingProxyType({})

    # Also there when the constructor fails, for `close`.
    _connection: duckdb.DuckDBPyConnection | None = None
    _spill: Path | None = None

    def __init__(
        self,
        query: str,
        relations: Callable[[], Relations],
        cache: Path,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        *,
        page: Page | None = None,
        require: Callable[[], None] = lambda: None,
    ) -> None:
        self._query, self._page, self._require = query, page, require
        self._names: Sequence[str] = ()
        self._limit = None if page is None else page.rows
        self._buffer: deque[pa.RecordBatch] = deque()
        self._rows, self._more, self._done = 0, False, False
        try:
            kept = self._kept()
            self._reader = self._open(relations(), cache, memory_bytes) if kept is None else kept
        except BaseException:
            self.close()
            raise
        self.schema: pa.Schema = self._reader.schema
        self.columns: list[str] = list(self.schema.names)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with told(self._query, self._names):
                yield
        except QueryError:
            # Where a vacuum came in between, the version is what is missing.
            self._require()
            raise

    def _kept(self) -> pa.RecordBatchReader | None:
        if self._page is None or not (offset := self._page.start.offset):
            return None
        found = self._page.kept.find(offset, self._page.rows + 1)
        if found is None and is_fickle(self._query):
            raise lost_rows()
        return found

    def _open(self, relations: Relations, cache: Path, memory_bytes: int) -> pa.RecordBatchReader:
        self._names, self.scanned = relations.names, relations.scanned
        self._spill = new_spill_folder(cache)
        connection = self._connection = open_database(self._spill, memory_bytes)
        with self._told():
            add_views(connection, relations.views, relations.tables, relations.files)
            close_files(connection, relations.files)
        statement = require_reading(connection, self._query)
        with self._told():
            if self._page is not None:
                connection.execute(f"SET disabled_optimizers = '{_PAGE_DEPENDENT}'")
                if not keeps_order(connection, statement):
                    connection.execute("SET threads = 1")
            lock_settings(connection)
            relation = connection.sql(statement)
            if self._page is None:
                return relation.to_arrow_reader(BATCH_ROWS)
            return self._paged(relation, self._page)

    def _paged(self, relation: duckdb.DuckDBPyRelation, page: Page) -> pa.RecordBatchReader:
        # One row more than asked for tells whether there is a next page.
        offset, rows = page.start.offset, page.rows + 1
        if offset or is_fickle(self._query):
            try:
                with relation.limit(_ALL_ROWS, offset=offset).to_arrow_reader(BATCH_ROWS) as rest:
                    return page.kept.keep(rest, offset, rows)
            except (DiskFullError, StoreNotWritableError) as error:
                _LOG.warning("the rows of further pages are not kept, which makes each as slow as this one: %s", error)
        return relation.limit(rows, offset=offset).to_arrow_reader(BATCH_ROWS)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in batches of at most 8,192, each made when it is asked for; all of them once.

        Raises
        ------
        QueryError
            If the query fails on the way.
        VersionVacuumedError
            If a vacuum removes the version's files meanwhile.
        """
        while (batch := self._buffer.popleft() if self._buffer else self._next()) is not None:
            yield batch

    def _next(self) -> pa.RecordBatch | None:
        while not self._done:
            with self._told():
                batch = next(self._reader, None)
            if batch is None:
                self.close()
            elif (kept := self._within_page(batch)).num_rows:
                return kept
        return None

    def _within_page(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        room = batch.num_rows if self._limit is None else self._limit - self._rows
        self._more = self._more or batch.num_rows > room
        self._rows += min(room, batch.num_rows)
        return batch.slice(0, room)

    @property
    def cursor(self) -> str | None:
        """Where the next page starts; None where this one is the last, or no limit was given.

        Asked for before the rows were read, it keeps the rest of the page in memory.
        """
        while not self._done and self._limit is not None:
            batch = self._next()
            if batch is not None:
                self._buffer.append(batch)
        if self._page is None or not self._more:
            return None
        start = self._page.start
        return replace(start, offset=start.offset + self._rows).encode()

    def read_all(self) -> pa.Table:
        """All rows as one table, in memory."""
        return pa.Table.from_batches(list(self.batches()), schema=self.schema)

    def close(self) -> None:
        """Nothing; the query is over and its memory and files are given back."""
        self._done = True
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._spill is not None:
            shutil.rmtree(self._spill, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def keeps_order(connection: duckdb.DuckDBPyConnection, statement: str) -> bool:
    """Whether the query's rows come in the same order however many threads work: a scan of files, perhaps filtered."""
    if not statement.lstrip()[:7].casefold().startswith(("select", "from", "with")):
        return False
    rows = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}").fetchall()
    operators: set[str] = set()
    waiting: list[dict[str, Any]] = [plan for _, text in rows for plan in json.loads(text)]
    while waiting:
        node = waiting.pop()
        operators.add(str(node["name"]).strip())
        waiting.extend(node.get("children", ()))
    return operators <= _ORDERED
