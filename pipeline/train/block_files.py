"""Blocks of sparse rows on disk: written whole or not at all, read through a memory map."""

import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import orjson
from dask.sizeof import sizeof
from scipy import sparse

from storage.files import explained

_RECORD, _ARRAYS = "block.json", "arrays.bin"
#: Arrays begin where a line of the processor's cache begins.
_ALIGNED_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredBlock:
    """A block in its folder, its arrays over one memory map.

    Attributes
    ----------
    record
        Plain values that were written with it.
    columns
        Columns of the rows.
    bounds, indices, values
        The rows as CSR; whole numbers are float32 or int8.
    labels
        Each row's label number, int32.
    weights
        How much each row counts, float32; None where all count the same.
    """

    record: Mapping[str, Any]
    columns: int
    bounds: npt.NDArray[Any]
    indices: npt.NDArray[np.int32]
    values: npt.NDArray[Any]
    labels: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32] | None = None

    def rows(self, start: int, stop: int) -> sparse.csr_matrix:
        """Rows ``start <= row < stop``, their values float32."""
        bounds = self.bounds[start : stop + 1]
        first, last = int(bounds[0]), int(bounds[-1])
        values = self.values[first:last].astype(np.float32, copy=False)
        parts = (values, self.indices[first:last], bounds - first)
        matrix = sparse.csr_matrix(parts, shape=(stop - start, self.columns), copy=False)
        matrix.has_canonical_format = True
        return matrix


class StoredCsr(sparse.csr_matrix):  # type: ignore[misc] # SciPy has no types
    """A CSR matrix over a memory map, which goes from worker to worker as the path of its folder."""

    folder: str | None = None
    #: How much each row counts, as in `StoredBlock`.
    weights: npt.NDArray[np.float32] | None = None

    @classmethod
    def opened(cls, folder: str) -> Self:
        """The matrix that `write_block` left in `folder`."""
        block = open_block(folder)
        parts = (block.values, block.indices, block.bounds)
        matrix = cls(parts, shape=(len(block.bounds) - 1, block.columns), copy=False)
        matrix.has_canonical_format = True
        matrix.folder, matrix.weights = folder, block.weights
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
    weights: npt.NDArray[np.float32] | None = None,
    counts: bool = False,
) -> None:
    """Writes rows, their label numbers, weights and a record of plain values; `folder` is there afterwards, complete.

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
        values = _narrow(matrix.data) if counts else matrix.data
        arrays = {"bounds": matrix.indptr, "indices": matrix.indices, "values": values, "labels": labels}
        arrays |= {} if weights is None else {"weights": weights}
        places = _write_arrays(aside / _ARRAYS, arrays)
        whole = {"record": record, "columns": matrix.shape[1], "arrays": places}
        (aside / _RECORD).write_bytes(orjson.dumps(whole))
    try:
        aside.rename(folder)
    except OSError:
        shutil.rmtree(aside)
        if not is_written(folder):
            raise


def _write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, tuple[str, int, int]]:
    """What each array holds, how many of them, and at which byte of the new file they begin, by name."""
    places = {}
    with path.open("wb") as file:
        for name, array in arrays.items():
            file.write(bytes(-file.tell() % _ALIGNED_BYTES))
            places[name] = (array.dtype.str, len(array), file.tell())
            file.write(np.ascontiguousarray(array).data)
    return places


def _narrow(counts: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    most = max(counts.max(initial=0), -counts.min(initial=0))
    return counts.astype(np.int8) if most <= np.iinfo(np.int8).max else counts


def is_written(folder: Path) -> bool:
    """Whether a whole block is in `folder`."""
    return (folder / _RECORD).exists()


def read_record(folder: Path) -> dict[str, Any]:
    """The record of the block in `folder`."""
    record: dict[str, Any] = orjson.loads((folder / _RECORD).read_bytes())["record"]
    return record


def open_block(folder: Path | str) -> StoredBlock:
    """The block that `write_block` left in `folder`."""
    whole = orjson.loads(Path(folder, _RECORD).read_bytes())
    with Path(folder, _ARRAYS).open("rb") as file:
        mapped = mmap(file.fileno(), 0, access=ACCESS_READ)
    arrays = {
        name: np.frombuffer(mapped, kind, count, offset) for name, (kind, count, offset) in whole["arrays"].items()
    }
    return StoredBlock(record=whole["record"], columns=whole["columns"], **arrays)
