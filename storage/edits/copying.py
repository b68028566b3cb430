"""A version under a new name: its files are linked, not copied, wherever the file system can do that.

A linked file has two names and one content; each dataset removes its own name when it is vacuumed. Moved, the store
stays what it is; a program that copies it without knowing links only makes it larger. In a bucket the server copies.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from deltalake.exceptions import DeltaError

from storage.errors import CommitConflictError, DatasetExistsError
from storage.facts import VersionFacts
from storage.fates import fates_files
from storage.files import ASIDE_SUFFIX, explained, make_folder, sync_folder
from storage.fingerprint import Fingerprint
from storage.history import Head
from storage.layout import DatasetLayout
from storage.locks import locked
from storage.parquet import footer
from storage.places import ObjectPath, Place, place_at
from storage.table import add_action, commit_files, has_table, landed, open_table
from storage.transfer import for_each
from storage.versions import COPY, Snapshot


def link(source: Place, target: Place) -> None:
    """Nothing; `target` has the content of `source`, without a copy of it where that can be."""
    if isinstance(source, ObjectPath) and isinstance(target, ObjectPath):
        source.copy_to(target)
    elif isinstance(source, Path) and isinstance(target, Path):
        _link(source, target)


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        aside = target.with_name(f".{target.name[:100]}{ASIDE_SUFFIX}")
        shutil.copyfile(source, aside)
        aside.replace(target)


def copy_version(
    source: DatasetLayout, head: Head, snapshot: Snapshot, target: DatasetLayout, *, run: str, message: str, author: str
) -> None:
    """Nothing; version 0 of `target` has the rows, columns and fates of a version of `source`.

    Parameters
    ----------
    head
        The version; its fingerprint is known.
    snapshot
        Its files.

    Raises
    ------
    DatasetExistsError
        If there is a dataset `target` already.
    DiskFullError, StoreNotWritableError, StoreBusyError
        If it cannot be made.
    """
    with locked(target.lock):
        if has_table(target):
            raise DatasetExistsError(
                f"dataset {target.name}", "there is one of this name already", "Choose another name for the copy."
            )
        _link_all([place_at(file.path) for file in snapshot.files], target.folder)
        fates = [place_at(file.path) for file in fates_files(source, head)]
        if fates:
            _link_all(fates, target.fates)
        try:
            _commit(target, head, snapshot, run, message, author)
        except DeltaError as error:
            if not has_table(target) or landed(open_table(target), run) is None:
                raise CommitConflictError(
                    f"dataset {target.name}", f"another writer made it meanwhile ({error})", "Choose another name."
                ) from error


def _link_all(paths: Sequence[Place], folder: Place) -> None:
    make_folder(folder)
    with explained(folder):
        for_each(len(paths), lambda index: link(paths[index], folder / paths[index].name), folder)
        sync_folder(folder)


def _commit(target: DatasetLayout, head: Head, snapshot: Snapshot, run: str, message: str, author: str) -> None:
    version = head.version
    facts = VersionFacts(
        run=run,
        mode=COPY,
        message=message or f"copy of {version.dataset} version {version.number}",
        author=author,
        ledger=version.ledger,
        rows=version.rows,
        bytes=version.bytes,
        files=version.files,
        fingerprint=head.fingerprint or Fingerprint.empty(),
        schema=snapshot.schema,
        uniform=snapshot.uniform,
        fates=head.fates,
        ordinal=1,
        origin=version.number,
        copied_from=version.dataset,
        arranged=head.arranged,
    )
    paths = [(target.folder / Path(file.path).name, file.bytes) for file in snapshot.files]
    adds = [add_action(path, footer(path), size, shown=head.shown) for path, size in paths]
    commit_files(target, None, adds, snapshot.schema, replace=False, facts=facts.to_dict(), run=run, number=0)
