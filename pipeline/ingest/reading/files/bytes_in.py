"""Bytes of an input, wherever it lies: a local path, or any URI that fsspec knows."""

from pathlib import Path
from typing import BinaryIO, cast

import fsspec  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import pyarrow as pa


def is_uri(path: str) -> bool:
    """Whether `path` names something outside the local file system."""
    return "://" in path


def open_bytes(path: str) -> BinaryIO:
    """A seekable binary file for reading."""
    if is_uri(path):
        return cast("BinaryIO", fsspec.open(path, "rb").open())
    return open(path, "rb")


def size_in_bytes(path: str) -> int:
    """How many bytes the input has."""
    if is_uri(path):
        filesystem, inner = fsspec.core.url_to_fs(path)
        return int(filesystem.size(inner))
    return Path(path).stat().st_size


def new_bytes(size: int) -> npt.NDArray[np.uint8]:
    """Room for `size` bytes, shape (size,), from Arrow's memory pool: blocks that come and go reuse its pages."""
    return np.frombuffer(pa.allocate_buffer(size), dtype=np.uint8)


def read_range(path: str, start: int, stop: int) -> npt.NDArray[np.uint8]:
    """The bytes from `start` to before `stop`, fewer where the input ends earlier, shape (bytes,)."""
    data = new_bytes(max(stop - start, 0))
    if data.size == 0:
        return data
    view = memoryview(data)  # type: ignore[arg-type]
    filled = 0
    with open_bytes(path) as source:
        source.seek(start)
        while filled < data.size:
            got = source.readinto(view[filled:])  # type: ignore[attr-defined]
            if not got:
                break
            filled += got
    return data[:filled]
