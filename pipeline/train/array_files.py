"""Arrays that go between tasks and driver as files: to send one takes several times as long as to write and map it."""

import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from dask import delayed
from dask.delayed import Delayed

from storage.files import explained

#: So many arrays are added up by one task, and in the end by the driver.
_FAN_IN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayFile:
    """An array on disk.

    Attributes
    ----------
    path
        Where it lies.
    progress_rows
        Rows done with it, for whoever shows progress.
    """

    path: str
    progress_rows: int = 0


@contextmanager
def passing(folder: Path) -> Iterator[Path]:
    """A new folder in `folder`, which all workers see, for as long as arrays are passed."""
    place = folder / f"passing-{secrets.token_hex(8)}"
    with explained(place):
        place.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def write_array(array: npt.NDArray[Any], path: str) -> None:
    """Nothing; the array is at `path`, whole."""
    # A task that is done twice must not take the first one's file from under its readers.
    aside = Path(f"{path}.{secrets.token_hex(4)}.npy")
    with explained(aside):
        np.save(aside, array)
        aside.replace(path)


def map_array(path: str) -> npt.NDArray[Any]:
    """The array at `path`, over a memory map that cannot be written."""
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r")
    return array


def total_of(files: Sequence[ArrayFile]) -> npt.NDArray[Any]:
    """The sum of at least one array, added up in their order."""
    first, *others = (map_array(file.path) for file in files)
    total = np.array(first)
    for other in others:
        total += other
    return total


def add_files(files: Sequence[ArrayFile], path: str) -> ArrayFile:
    """The sum of the arrays, at `path`."""
    write_array(total_of(files), path)
    return ArrayFile(path=path, progress_rows=sum(file.progress_rows for file in files))


def summed(level: Sequence[Delayed], folder: Path) -> list[Delayed]:
    """A few tasks, whose arrays add up to the same as those of `level`; what they add up lies in `folder`."""
    while len(level) > _FAN_IN:
        groups = [level[at : at + _FAN_IN] for at in range(0, len(level), _FAN_IN)]
        names = [str(folder / f"sum-{len(groups)}-{number}.npy") for number in range(len(groups))]
        level = [delayed(add_files, pure=False)(*pair) for pair in zip(groups, names, strict=True)]
    return list(level)
