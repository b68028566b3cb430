"""The folders of models: on disk each appears in one step; in a bucket it is there once a list of its files is."""

import json
import shutil
from pathlib import Path, PurePosixPath
from secrets import token_hex

from storage.errors import StoreDamagedError
from storage.files import explained, make_folder, sync_folder, write_atomic
from storage.layout import StoreLayout
from storage.parquet import sha256_of
from storage.places import ObjectPath, Place

_LIST = ".json"


def contents(folder: Path) -> dict[str, str]:
    """Path below the folder, with slashes -> hex SHA-256, of all its files."""
    return {
        path.relative_to(folder).as_posix(): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }


class ModelFolders:
    """The folders of a store's models.

    Parameters
    ----------
    layout
        The store's paths.
    """

    def __init__(self, layout: StoreLayout) -> None:
        self._layout = layout

    def ids(self) -> frozenset[str]:
        """The ids of the models whose folder is there, whole."""
        folder = self._layout.models
        if isinstance(folder, Path):
            return (
                frozenset(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else frozenset()
            )
        return frozenset(path.name.removesuffix(_LIST) for path in folder.iterdir() if path.name.endswith(_LIST))

    def contents(self, model: str) -> dict[str, str] | None:
        """Path -> hex SHA-256 of a model's files; None where it is not there."""
        folder = self._layout.model(model)
        if isinstance(folder, Path):
            return contents(folder) if folder.exists() else None
        try:
            listed: dict[str, str] = json.loads(_list_of(folder).read_bytes())
        except FileNotFoundError:
            return None
        return listed

    def put(self, model: str, staged: Path) -> Path:
        """A folder on disk with the model's files, which are in the store from now on; `staged` is gone.

        Raises
        ------
        DiskFullError, StoreNotWritableError
            If they cannot be written.
        """
        target = self._layout.model(model)
        if isinstance(target, ObjectPath):
            if self.contents(model) is None:
                with explained(target):
                    listed = contents(staged)
                    for name in listed:
                        target.joinpath(name).upload(staged / name)
                write_atomic(_list_of(target), json.dumps(listed, ensure_ascii=False).encode())
            shutil.rmtree(staged)
            return self.local(model)
        if target.exists():
            shutil.rmtree(staged)
            return target
        with explained(target):
            make_folder(target.parent)
            sync_folder(staged)
            staged.rename(target)
            sync_folder(target.parent)
        return target

    def local(self, model: str) -> Path:
        """A folder on disk with the model's files, fetched from the bucket where that is needed.

        Raises
        ------
        StoreDamagedError
            If a file is not as it was saved.
        """
        source = self._layout.model(model)
        if isinstance(source, Path):
            return source
        held, listed = self._layout.cache("models", model), self.contents(model) or {}
        if held.is_dir() and contents(held) == listed:
            return held
        aside = make_folder(held.parent) / f".{model}.{token_hex(8)}"
        for name in listed:
            if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
                raise StoreDamagedError(str(_list_of(source)), f"it lists {name!r}", "Restore it from a backup.")
            write_atomic(aside / name, source.joinpath(name).read_bytes())
        if contents(aside) != listed:
            shutil.rmtree(aside, ignore_errors=True)
            raise StoreDamagedError(str(source), "its files are not as they were saved", "Restore them from a backup.")
        shutil.rmtree(held, ignore_errors=True)
        aside.rename(held)
        return held


def _list_of(folder: ObjectPath) -> Place:
    return folder.parent / f"{folder.name}{_LIST}"
