"""The store: datasets, versions, tags, runs and models over one directory. Every way in goes through here."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any, Self

from storage.carrying.facade import Carrying
from storage.datasets import Datasets
from storage.diff import Differ, VersionDiff
from storage.errors import VersionNotFoundError
from storage.files import make_folder
from storage.history import Head
from storage.layout import DatasetLayout, StoreLayout
from storage.locks import locked
from storage.mark import layout_at, open_layout
from storage.places import ObjectPath, remove_all
from storage.problems import Problem
from storage.queries import Queries
from storage.records import Records
from storage.registry import dataset_of
from storage.sources import reached, version_sources
from storage.table import has_table
from storage.vacuum import DEFAULT_AGE_HOURS, VacuumReport, vacuum
from storage.verify import verify_dataset, verify_folders
from storage.verify_records import verify_records
from storage.versions import CommitRequest, Version
from storage.views import refresh_views, views_are_stale

#: What a version is called that a model learned from.
MODEL = "model:"


class Store(Carrying, Queries):
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
        found = [*verify_records(self.layout), *verify_folders(self.layout)]
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
            pins = partial(self._pins, name)
            report = vacuum(layout, pins, older_than_hours=older_than_hours, dry_run=dry_run)
        for table in self._system_tables():
            with locked(table.lock):
                vacuum(table, dict, older_than_hours=max(older_than_hours, 1.0), dry_run=dry_run)
        if not dry_run:
            self.drop_kept_rows()
        return report

    def _pins(self, name: str) -> dict[int, tuple[str, ...]]:
        """Version number -> the tags and models that name it, in words."""
        names: dict[int, list[str]] = {}
        for tag, number in self._tags.of(name).items():
            names.setdefault(number, []).append(f"tag {tag}")
        stages = self.stages()
        for number, models in self._models.pins(name).items():
            told = (f"model {one} ({stages[one]})" if one in stages else f"model {one}" for one in models)
            names.setdefault(number, []).extend(told)
        return {number: tuple(sorted(texts)) for number, texts in names.items()}
