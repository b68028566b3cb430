"""Blocks of sparse rows on disk: written whole or not at all, read through memory maps."""

import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import orjson
from dask.sizeof import sizeof
from scipy import sparse

from storage.files import explained

_RECORD = "block.json"


class StoredCsr(sparse.csr_matrix):  # type: ignore[misc] # SciPy has no types
    """A CSR matrix over memory maps, which goes from worker to worker as the path of its folder."""

    folder: str | None = None

    @classmethod
    def opened(cls, folder: str) -> Self:
        """The matrix that `write_block` left in `folder`."""
        arrays = {name: open_array(Path(folder), name) for name in ("bounds", "indices", "values")}
        columns = int(read_record(Path(folder))["columns"])
        parts = (arrays["values"], arrays["indices"], arrays["bounds"])
        matrix = cls(parts, shape=(len(arrays["bounds"]) - 1, columns), copy=False)
        matrix.has_canonical_format = True
        matrix.folder = folder
        return matrix

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if self.folder is None:
            return sparse.csr_matrix, ((self.data, self.indices, self.indptr), self.shape)
        return StoredCsr.opened, (self.folder,)


def _stored_bytes(matrix: StoredCsr) -> int:
    # Mapped pages are not the process's memory: the system takes them back when it needs to.
    return 1_000 if matrix.folder is not None else int(matrix.data.nbytes + matrix.indices.nbytes)


sizeof.register(StoredCsr, _stored_bytes)


def write_block(
    folder: Path,
    matrix: sparse.csr_matrix,
    labels: npt.NDArray[np.int32],
    record: Mapping[str, Any],
    *,
    counts: bool = False,
) -> None:
    """Writes rows, their label numbers and a record of plain values; `folder` is there afterwards, complete.

    With `counts` the values are whole numbers, which take one byte each where all are small.

    If another worker was quicker, its block, which is the same, stays.

    Raises
    ------
    DiskFullError, StoreNotWritableError
        If there is no room or no permission.
    """
    aside = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.part")
    with explained(folder):
        aside.mkdir(parents=True)
        np.save(aside / "bounds.npy", matrix.indptr)
        np.save(aside / "indices.npy", matrix.indices)
        np.save(aside / "values.npy", _narrow(matrix.data) if counts else matrix.data)
        np.save(aside / "labels.npy", labels)
        (aside / _RECORD).write_bytes(orjson.dumps({**record, "columns": matrix.shape[1]}))
    try:
        aside.rename(folder)
    except OSError:
        shutil.rmtree(aside)
        if not is_written(folder):
            raise


def _narrow(counts: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    return counts.astype(np.int8) if np.abs(counts).max(initial=0) <= np.iinfo(np.int8).max else counts


def is_written(folder: Path) -> bool:
    """Whether a whole block is in `folder`."""
    return (folder / _RECORD).exists()


def read_record(folder: Path) -> dict[str, Any]:
    """The record of the block in `folder`, with "columns"."""
    record: dict[str, Any] = orjson.loads((folder / _RECORD).read_bytes())
    return record


def open_array(folder: Path, name: str) -> npt.NDArray[Any]:
    """One array of the block in `folder`, memory-mapped."""
    path = folder / f"{name}.npy"
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r")
    return array


def open_rows(folder: Path, start: int, stop: int) -> sparse.csr_matrix:
    """Rows ``start <= row < stop`` of the block in `folder`, over its memory maps."""
    bounds = open_array(folder, "bounds")[start : stop + 1]
    first, last = int(bounds[0]), int(bounds[-1])
    values = open_array(folder, "values")[first:last].astype(np.float32, copy=False)
    parts = (values, open_array(folder, "indices")[first:last], bounds - first)
    columns = int(read_record(folder)["columns"])
    matrix = sparse.csr_matrix(parts, shape=(stop - start, columns), copy=False)
    matrix.has_canonical_format = True
    return matrix
