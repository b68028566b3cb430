"""The store: datasets, versions, tags, runs and models over one directory. Every way in goes through here."""

import difflib
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from storage.arranging.plan import Observed
from storage.arranging.policy import observe
from storage.carrying.facade import Carrying
from storage.datasets import Datasets
from storage.diff import Differ, VersionDiff
from storage.errors import DatasetNotFoundError, QueryError, VersionNotFoundError
from storage.files import make_folder
from storage.history import Head
from storage.layout import DatasetLayout, StoreLayout
from storage.locks import locked
from storage.mark import layout_at, open_layout
from storage.paging import Cursor, decode_cursor, query_digest
from storage.places import ObjectPath, remove_all
from storage.pruning import Scanned, prune
from storage.query import QueryResult
from storage.records import Records
from storage.registry import dataset_of
from storage.relations import mentioned, relations_for
from storage.sandbox import DEFAULT_MEMORY_BYTES
from storage.sources import reached, version_sources
from storage.table import file_bounds, has_table
from storage.vacuum import DEFAULT_AGE_HOURS, VacuumReport, vacuum
from storage.verify import Problem, verify_dataset, verify_folders, verify_models
from storage.versions import CommitRequest, Snapshot, Version
from storage.views import refresh_views, views_are_stale

#: What a version is called that a model learned from.
MODEL = "model:"


class Store(Carrying):
    """A store in a directory or in a bucket; open one with `Store.open`.

    Any number of processes may use the same store at once, without a server. Nothing in it depends on where it
    lies: the directory can be moved.

    Parameters
    ----------
    layout
        Its paths.
    """

    def __init__(self, layout: StoreLayout) -> None:
        Datasets.__init__(self, layout)
        Records.__init__(self, layout)

    @classmethod
    def open(cls, uri: str | Path, *, create: bool = False) -> Self:
        """The store at `uri`.

        Parameters
        ----------
        uri
            A directory, or a prefix in a bucket such as ``s3://corpora/store``.
        create
            Make it where there is none; an existing directory must be empty for that.

        Raises
        ------
        StoreNotFoundError
            If there is no store there.
        StoreDamagedError
            If its mark cannot be understood, or a newer textmill wrote it.
        StoreNotWritableError, DiskFullError
            If it cannot be made.
        MissingExtraError
            If it is in a bucket, and the package for that is not installed.
        """
        store = cls(open_layout(uri, create=create))
        if views_are_stale(store.layout):
            store.refresh_views()
        return store

    @staticmethod
    def exists(uri: str | Path) -> bool:
        """Whether anything is at `uri`: a store, or what would have to go before there can be one."""
        return layout_at(uri).root.exists()

    @staticmethod
    def absolute(uri: str | Path) -> str:
        """`uri` in words that mean the same wherever a process was started; nothing is looked at."""
        return str(layout_at(uri).root)

    @staticmethod
    def work_of(uri: str | Path) -> Path:
        """The folder on disk for work in progress on the store at `uri`; it may not be there yet."""
        return layout_at(uri).work

    @property
    def work(self) -> Path:
        """The folder on disk for work in progress: the store's own where it is on disk."""
        return make_folder(self.layout.work)

    @property
    def uri(self) -> str:
        """Where the store is."""
        return str(self.layout.root)

    def cache(self, *parts: str) -> Path:
        """A folder for what can be made again, made where it was missing; it may vanish between two runs."""
        return make_folder(self.layout.cache(*parts))

    def discard_if_empty(self) -> bool:
        """Whether the store held no dataset, run or model, and its directory was taken away."""
        if self.names() or self._runs.all() or self._models.rows():
            return False
        shutil.rmtree(self.layout.work, ignore_errors=True)
        if isinstance(self.layout.root, ObjectPath):
            remove_all(self.layout.root.rglob("*"))
        return True

    def _head(self, name: str, at: int | str | None) -> Head:
        """As in `storage.datasets.Datasets`; ``model:ID`` names the version that a model learned from."""
        if isinstance(at, str) and at.startswith(MODEL):
            record = self.model(at.removeprefix(MODEL))
            dataset, number = dataset_of(record)
            if dataset != name or number is None:
                raise VersionNotFoundError(
                    f"dataset {name}", f"model {record['id']} did not learn from it", "See `textmill model`."
                )
            at = number
        return super()._head(name, at)

    def lineage(self, source: str) -> list[dict[str, Any]]:
        """What a source file reached: of each version with rows of it, the dataset, number, rows, fates and models.

        Newest versions first, dataset by dataset.
        """
        found = []
        for name in self.names():
            models = self._models.pins(name)
            versions = reached(version_sources(self.layout, name), source)
            for number in sorted(versions, reverse=True):
                facts = {"dataset": name, "version": number, "rows": versions[number]}
                found.append({**facts, "models": models.get(number, [])})
        return found

    def sources(self, name: str, at: int | str | None = None) -> dict[str, int]:
        """Source file -> rows of it in a version, sorted by name; rows without one are left out.

        Raises
        ------
        DatasetNotFoundError, VersionNotFoundError, VersionVacuumedError
            If there is none, or its files were given up.
        """
        return version_sources(self.layout, name)[self.snapshot(name, at).version.number]

    def models_of(self, name: str, at: int | str | None = None) -> list[str]:
        """The ids of the models that learned from a version."""
        return self._models.pins(name).get(self.version(name, at).number, [])

    # -- queries

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
        snapshots, scanned = self._pruned(query, start.pins)
        relations = relations_for(self.layout, query, names, snapshots, start.moment)
        result = QueryResult(query, relations, start, limit, self.layout.cache("spill"), memory_bytes)
        result.scanned = scanned
        return result

    def _pruned(self, query: str, pins: Mapping[str, int]) -> tuple[dict[str, Snapshot], dict[str, Scanned]]:
        """The versions without the files that the query cannot need; what it filtered by is remembered."""
        snapshots = {name: self.snapshot(name, number) for name, number in pins.items()}
        bounds = {name: file_bounds(self.layout.dataset(name), number) for name, number in pins.items()}
        kept, scanned = prune(query, snapshots, bounds, self.layout.cache("spill"))
        for name, told in scanned.items():
            seen = Observed(queries=1, files=told.files_before, opened=told.files)
            observe(self.layout, name, dict.fromkeys(sorted(told.columns), seen))
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
        return plan, self._pruned(query, pins)[1]

    def _start(
        self, query: str, names: list[str], at: Mapping[str, int | str], limit: int | None, cursor: str | None
    ) -> Cursor:
        if limit is not None and limit < 1:
            raise QueryError("limit", f"{limit} rows a page", "Ask for one row or more.")
        if cursor is not None:
            if limit is None:
                raise QueryError("cursor", "given without a limit", "Give the number of rows a page too.")
            return decode_cursor(cursor, query)
        for name in at:
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {close[0]!r}? " if close else ""
                raise DatasetNotFoundError(name, "there is no such dataset", f"{hint}Known: {', '.join(names)}.")
        pins = {name: self.version(name, at.get(name)).number for name in mentioned(query, names)}
        return Cursor(query=query_digest(query), pins=pins, moment=time.time_ns())

    def refresh_views(self) -> bool:
        """Whether ``store.duckdb`` was made anew with a view of the newest version of each dataset."""
        return refresh_views(self.layout, self.names(), self.snapshot, anew=True)

    def commit(self, request: CommitRequest) -> Version:
        """As `storage.datasets.Datasets.commit`; ``store.duckdb`` shows the version afterwards.

        A dataset that was asked to compacts itself then, as a version of its own.
        """
        version = super().commit(request)
        refresh_views(self.layout, [request.dataset], self.snapshot, anew=False)
        self.compact_if_asked(request.dataset)
        return version

    def rollback(self, name: str, version: int | str, *, message: str = "", author: str = "") -> Version:
        """As `storage.datasets.Datasets.rollback`; ``store.duckdb`` shows the version afterwards."""
        found = super().rollback(name, version, message=message, author=author)
        refresh_views(self.layout, [name], self.snapshot, anew=False)
        return found

    # -- care

    def diff(self, name: str, left: int | str, right: int | str | None = None, *, label: str = "label") -> VersionDiff:
        """How version `right` (the newest for None) differs from `left`; for the rows themselves see `differ`."""
        return self.differ(name, left, right).summary(label)

    def differ(self, name: str, left: int | str, right: int | str | None = None) -> Differ:
        """A comparison of two versions, whose ``rows("added")`` and ``rows("removed")`` stream the rows.

        Raises
        ------
        DatasetNotFoundError, VersionNotFoundError, VersionVacuumedError
            If there is none, or its files were given up.
        """
        before, after = self.snapshot(name, left), self.snapshot(name, right)
        return Differ(before, after, self.layout.cache("spill"))

    def verify(self) -> list[Problem]:
        """Everything in the store that is not as the store wrote it; reads every byte. Empty where all is well."""
        found = [*verify_models(self.layout), *verify_folders(self.layout)]
        for layout in [*map(self.layout.dataset, self.names()), *self._system_tables()]:
            found += verify_dataset(self.layout, layout)
        return found

    def _system_tables(self) -> list[DatasetLayout]:
        tables = (self._tags.table, self._runs.table, self._models.table, self._stages.table, self._searches.table)
        return [table.layout for table in tables if has_table(table.layout)]

    def vacuum(self, name: str, *, older_than_hours: float = DEFAULT_AGE_HOURS, dry_run: bool = False) -> VacuumReport:
        """What was removed: files that only old versions of the dataset need, and files that no version names.

        The newest version, those that a tag or a model names, and those younger than `older_than_hours` (a week
        where not given) keep their files.

        Raises
        ------
        DatasetNotFoundError
            If there is no such dataset.
        StoreDamagedError
            If the log cannot be read in full; nothing is removed then.
        """
        layout = self.layout.dataset(name)
        self.version(name)
        with locked(layout.lock):
            names: dict[int, list[str]] = {}
            for tag, number in self._tags.of(name).items():
                names.setdefault(number, []).append(f"tag {tag}")
            stages = self.stages()
            for number, models in self._models.pins(name).items():
                told = (f"model {one} ({stages[one]})" if one in stages else f"model {one}" for one in models)
                names.setdefault(number, []).extend(told)
            pins = {number: tuple(sorted(texts)) for number, texts in names.items()}
            report = vacuum(layout, pins, older_than_hours=older_than_hours, dry_run=dry_run)
        for table in self._system_tables():
            with locked(table.lock):
                vacuum(table, {}, older_than_hours=max(older_than_hours, 1.0), dry_run=dry_run)
        return report
