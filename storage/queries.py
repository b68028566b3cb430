"""The part of the store's facade that asks: SQL over versions, in pages, and what a query would read."""

import difflib
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import duckdb

from storage.arranging.plan import Observed
from storage.arranging.policy import observe
from storage.datasets import Datasets
from storage.errors import DatasetNotFoundError, QueryError
from storage.history import require_files
from storage.kept_rows import KeptRows, drop_kept_rows, is_fickle
from storage.layout import SYSTEM
from storage.paging import Cursor, decode_cursor, query_digest
from storage.pruning import Scanned, prune
from storage.query import Page, QueryResult, Relations
from storage.relations import mentioned, relations_for
from storage.sandbox import DEFAULT_MEMORY_BYTES
from storage.scan import snapshot_and_bounds
from storage.versions import Snapshot


class Queries(Datasets):
    """What can be asked of a store."""

    def sql(
        self,
        query: str,
        *,
        at: Mapping[str, int | str] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
    ) -> QueryResult:
        """The result of an SQL query over the datasets, each a table of its own name, and the `_system` tables.

        Anyone's text can be run: it can read the store's tables and do nothing else.

        Parameters
        ----------
        query
            One reading statement in DuckDB's SQL.
        at
            Dataset -> number, tag or time of the version to read; the newest where it is not named.
        limit
            Rows a page. Pages of one query fit together: none is repeated, none left out.
        cursor
            Where the page starts, from the page before; it keeps to that page's versions.
        memory_bytes
            What the query may hold in memory; it spills to the store's cache beyond that.

        Raises
        ------
        QueryError
            If the query cannot be run as written.
        DatasetNotFoundError, VersionNotFoundError, VersionVacuumedError
            If `at` names what is not there.
        """
        names = self.names()
        start = self._start(query, names, at or {}, limit, cursor)

        def require() -> None:
            for name, number in start.pins.items():
                require_files(self.layout.dataset(name), self.version(name, number))

        page = None if limit is None else Page(start=start, rows=limit, kept=self._kept_rows(query, start, require))

        def relations() -> Relations:
            snapshots, scanned = self._pruned(query, start.pins)
            found = relations_for(self.layout, query, names, snapshots, start.moment)
            return replace(found, scanned=scanned)

        result = QueryResult(query, relations, self.layout.cache("spill"), memory_bytes, page=page, require=require)
        result.pins = dict(start.pins)
        return result

    def _kept_rows(self, query: str, start: Cursor, require: Callable[[], None]) -> KeptRows:
        """The windows of what the query gives over these versions."""
        # What the same text gives again is shared by all who ask.
        moment = start.moment if SYSTEM in query.casefold() or is_fickle(query) else 0
        versions = [
            (name, number, self.version(name, number).created_at) for name, number in sorted(start.pins.items())
        ]
        facts = json.dumps([duckdb.__version__, query, versions, moment])
        return KeptRows(self._pages, hashlib.sha256(facts.encode()).hexdigest()[:32], require)

    @property
    def _pages(self) -> Path:
        return self.layout.cache("pages")

    def drop_kept_rows(self) -> None:
        """Nothing; no rows of earlier queries are kept for their next pages, which are computed anew then."""
        drop_kept_rows(self._pages)

    def _pruned(
        self, query: str, pins: Mapping[str, int], *, told: bool = False
    ) -> tuple[dict[str, Snapshot], dict[str, Scanned]]:
        """The versions without the files that the query cannot need; what it filtered by is remembered."""
        both = {
            name: snapshot_and_bounds(self.layout.dataset(name), self._head(name, number))
            for name, number in pins.items()
        }
        kept, scanned = prune(query, both, self.layout.cache("spill"), told=told)
        for name, one in scanned.items():
            seen = Observed(queries=1, files=one.files_before, opened=one.files)
            observe(self.layout, name, dict.fromkeys(sorted(one.columns), seen))
        return kept, scanned

    def explain(self, query: str, *, at: Mapping[str, int | str] | None = None) -> tuple[str, dict[str, Scanned]]:
        """DuckDB's plan of a query, and what it reads at most of each dataset; nothing is read.

        Raises
        ------
        QueryError
            If the query cannot be run as written.
        """
        with self.sql(f"EXPLAIN {query}", at=at) as result:
            plan = "\n".join(str(row[-1]) for row in zip(*result.read_all().to_pydict().values(), strict=True))
        pins = self._start(query, self.names(), at or {}, None, None).pins
        return plan, self._pruned(query, pins, told=True)[1]

    def _start(
        self, query: str, names: list[str], at: Mapping[str, int | str], limit: int | None, cursor: str | None
    ) -> Cursor:
        if limit is not None and limit < 1:
            raise QueryError("limit", f"{limit} rows a page", "Ask for one row or more.")
        if cursor is not None:
            if limit is None:
                raise QueryError("cursor", "given without a limit", "Give the number of rows a page too.")
            return decode_cursor(cursor, query, mentioned(query, names))
        for name in at:
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {close[0]!r}? " if close else ""
                raise DatasetNotFoundError(name, "there is no such dataset", f"{hint}Known: {', '.join(names)}.")
        pins = {name: self.version(name, at.get(name)).number for name in mentioned(query, names)}
        return Cursor(query=query_digest(query), pins=pins, moment=time.time_ns())
