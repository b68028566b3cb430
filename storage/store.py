"""The store: datasets, versions, tags, runs and models over one directory. Every way in goes through here."""

import shutil
from pathlib import Path
from typing import Self

from storage.datasets import Datasets
from storage.files import make_folder
from storage.layout import StoreLayout
from storage.mark import open_root
from storage.records import Records


class Store(Datasets, Records):
    """A store in a directory; open one with `Store.open`.

    Any number of processes may use the same store at once, without a server. Nothing in it depends on where it
    lies: the directory can be moved.

    Parameters
    ----------
    root
        The store's directory, absolute.
    """

    def __init__(self, root: Path) -> None:
        layout = StoreLayout(root)
        Datasets.__init__(self, layout)
        Records.__init__(self, layout)

    @classmethod
    def open(cls, uri: str | Path, *, create: bool = False) -> Self:
        """The store at `uri`.

        Parameters
        ----------
        uri
            A directory.
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
        """
        return cls(open_root(uri, create=create))

    @property
    def uri(self) -> str:
        """Where the store is."""
        return str(self.layout.root)

    def staging(self, run: str) -> Path:
        """The folder where a run writes files aside, made where it was missing."""
        return make_folder(self.layout.staging(run))

    def drop_staging(self, run: str) -> None:
        """Nothing; what the run left aside is gone."""
        shutil.rmtree(self.layout.staging(run), ignore_errors=True)

    def cache(self, *parts: str) -> Path:
        """A folder for what can be made again, made where it was missing; it may vanish between two runs."""
        return make_folder(self.layout.cache(*parts))

    def discard_if_empty(self) -> bool:
        """Whether the store held no dataset, run or model, and its directory was taken away."""
        if self.names() or self._runs.all() or self._models.rows():
            return False
        shutil.rmtree(self.layout.root, ignore_errors=True)
        return True
