"""The part of the store's facade that keeps datasets: versions, tags, reading."""

import shutil
from pathlib import Path

import pyarrow as pa

from storage import commit as committing
from storage.encodings import ColumnLayout, column_layouts
from storage.fates import fates_files, read_fates
from storage.files import make_folder
from storage.history import Head, newest_head, require_files, resolve, version_count, versions
from storage.layout import StoreLayout, is_dataset_name
from storage.locks import locked
from storage.rollback import rollback
from storage.scan import footer_of, snapshot_of
from storage.table import has_table
from storage.tags import Tags
from storage.vacuumed import vacuumed_numbers
from storage.versions import CommitRequest, DatasetSummary, Snapshot, Version

#: Files of a version whose footers are looked at to tell how it is stored.
LAYOUT_FILES = 16


class Datasets:
    """The datasets of a store.

    Parameters
    ----------
    layout
        The store's paths.
    """

    def __init__(self, layout: StoreLayout) -> None:
        self.layout = layout
        self._tags = Tags(layout)

    def names(self) -> list[str]:
        """The names of all datasets, sorted."""
        return sorted(
            path.name
            for path in self.layout.root.iterdir()
            if is_dataset_name(path.name) and has_table(self.layout.dataset(path.name))
        )

    def staging(self, run: str) -> Path:
        """The folder where a run writes files aside, made where it was missing."""
        return make_folder(self.layout.staging(run))

    def drop_staging(self, run: str) -> None:
        """Nothing; what the run left aside is gone."""
        shutil.rmtree(self.layout.staging(run), ignore_errors=True)

    def datasets(self) -> list[DatasetSummary]:
        """All datasets by name, with their newest versions in short."""
        return [self._summary(name) for name in self.names()]

    def _summary(self, name: str) -> DatasetSummary:
        layout = self.layout.dataset(name)
        version = newest_head(layout).version
        return DatasetSummary(
            name=name,
            version=version.number,
            rows=version.rows,
            bytes=version.bytes,
            updated_at=version.created_at,
            versions=version_count(layout),
            files=version.files,
        )

    def commit(self, request: CommitRequest) -> Version:
        """The version that the staged files of `request` became; a run that has committed already gets its version.

        Raises
        ------
        StagedPartError, SchemaMismatchError, DatasetNameError
            If the request is not sound; nothing was touched.
        DiskFullError, StoreNotWritableError, StoreBusyError, CommitConflictError
            If it cannot be committed; the staged files and the last version are as they were.
        """
        number = committing.commit(self.layout.dataset(request.dataset), request)
        return self.version(request.dataset, number)

    def preview(self, request: CommitRequest) -> Snapshot:
        """The snapshot that committing `request` would give; that of its version where its run has committed already.

        Raises
        ------
        SchemaMismatchError
            If the new rows do not fit the columns they are appended to.
        """
        layout = self.layout.dataset(request.dataset)
        landed = committing.landed_now(layout, request.run)
        return committing.preview(layout, request) if landed is None else self.snapshot(request.dataset, landed)

    def _head(self, name: str, at: int | str | None) -> Head:
        return resolve(self.layout.dataset(name), at, self._tags.of(name))

    def versions(self, name: str) -> list[Version]:
        """All versions of a dataset, newest first; raises `DatasetNotFoundError`."""
        newest_head(self.layout.dataset(name))
        return versions(self.layout.dataset(name), self._tags.of(name))

    def version(self, name: str, at: int | str | None = None) -> Version:
        """The version that `at` names: a number, a tag, or a time (the last one by then); None for the newest.

        Raises
        ------
        DatasetNotFoundError, VersionNotFoundError
            If there is none.
        """
        return self._head(name, at).version

    def snapshot(self, name: str, at: int | str | None = None) -> Snapshot:
        """What is needed to read a version: its columns and files.

        Raises
        ------
        DatasetNotFoundError, VersionNotFoundError, VersionVacuumedError
            If there is none, or its files were given up.
        """
        return snapshot_of(self.layout.dataset(name), self._head(name, at))

    def column_layouts(self, name: str, at: int | str | None = None) -> list[ColumnLayout]:
        """How the columns of a version are encoded and compressed, in `LAYOUT_FILES` of its files at most.

        Raises
        ------
        DatasetNotFoundError, VersionNotFoundError, VersionVacuumedError
            If there is none, or its files were given up.
        """
        files = self.snapshot(name, at).files
        step = max(1, -(-len(files) // LAYOUT_FILES))
        return column_layouts([footer_of(file) for file in files[::step]])

    def fates(
        self,
        name: str,
        *,
        version: int | str | None = None,
        reason: str | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """What became of the rows that a version did not keep: a table of `storage.fates.FATES_SCHEMA`.

        Parameters
        ----------
        version
            As `at` in `version`; None for the newest.
        reason
            Only rows with this reason.
        limit
            At most so many rows.
        """
        layout, head = self.layout.dataset(name), self._head(name, version)
        require_files(layout, head.version)
        files = fates_files(layout, head)
        return read_fates(files, reason=reason, limit=limit)

    def rollback(self, name: str, version: int | str, *, message: str = "", author: str = "") -> Version:
        """A new version with the rows of an earlier one; no file is copied.

        Raises
        ------
        DatasetNotFoundError, VersionNotFoundError, VersionVacuumedError
            If there is none, or its files were given up.
        """
        target = self._head(name, version)
        text = message or f"rollback to version {target.version.number}"
        number = rollback(self.layout.dataset(name), target, message=text, author=author)
        return self.version(name, number)

    # -- tags

    def tag(self, name: str, version: int | str, tag: str, *, move: bool = False) -> Version:
        """The version, which the tag names from now on; it keeps its files through any vacuum.

        Raises
        ------
        TagError
            If the tag names another version and `move` is not given.
        VersionNotFoundError, VersionVacuumedError
            If there is no such version, or its files were given up.
        """
        layout = self.layout.dataset(name)
        with locked(layout.lock):
            found = self.version(name, version)
            require_files(layout, found)
            self._tags.put(name, tag, found.number, move=move)
            if found.number in vacuumed_numbers(layout):  # by a vacuum on another machine, see `storage.vacuum`
                self._tags.drop(name, tag, found.number)
                require_files(layout, found)
        return self.version(name, found.number)

    def untag(self, name: str, tag: str, version: int | str | None = None) -> None:
        """Nothing; the tag names no version afterwards.

        Raises
        ------
        TagError
            If it named none before, or another than `version` where that is given.
        """
        with locked(self.layout.dataset(name).lock):
            number = None if version is None else self.version(name, version).number
            self._tags.drop(name, tag, number)

    def tags(self, name: str) -> dict[str, int]:
        """Tag -> version number, sorted by tag."""
        newest_head(self.layout.dataset(name))
        return dict(sorted(self._tags.of(name).items()))
