"""Bytes of an input, wherever it lies: a local path, or any URI that fsspec knows."""

import io
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from pipeline.ingest.reading.files.remote import explained, filesystem_of, is_uri
from storage.memory import new_array

__all__ = ["is_uri", "open_bytes", "read_range", "size_in_bytes"]


class _RemoteFile(io.RawIOBase):
    """A remote file whose reads tell what goes wrong; what is done with the bytes is for others to tell."""

    def __init__(self, source: Any, address: str) -> None:
        super().__init__()
        self._source = source
        self._address = address

    def readinto(self, buffer: Any) -> int:
        """How many bytes were read into `buffer`; 0 at the end."""
        with explained(self._address):
            return int(self._source.readinto(buffer))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The new position."""
        return int(self._source.seek(offset, whence))

    def tell(self) -> int:
        """The position."""
        return int(self._source.tell())

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def close(self) -> None:
        """Nothing; the remote file is closed too."""
        if not self.closed:
            self._source.close()
        super().close()


def open_bytes(path: str) -> BinaryIO:
    """A seekable binary file for reading.

    Raises
    ------
    SourceError
        If a remote input cannot be opened, or fails when it is read.
    OSError
        If a local file does.
    """
    if not is_uri(path):
        return open(path, "rb")
    filesystem, inner = filesystem_of(path)
    with explained(path):
        return cast("BinaryIO", _RemoteFile(filesystem.open(inner, "rb"), path))


def size_in_bytes(path: str) -> int:
    """How many bytes the input has."""
    if is_uri(path):
        filesystem, inner = filesystem_of(path)
        with explained(path):
            return int(filesystem.size(inner))
    return Path(path).stat().st_size


def read_range(path: str, start: int, stop: int) -> npt.NDArray[np.uint8]:
    """The bytes from `start` to before `stop`, fewer where the input ends earlier, shape (bytes,)."""
    if is_uri(path):
        # In one request, instead of many of a buffered reader.
        filesystem, inner = filesystem_of(path)
        with explained(path):
            stop = min(stop, int(filesystem.size(inner)))
            return np.frombuffer(filesystem.cat_file(inner, start=start, end=stop) if stop > start else b"", np.uint8)
    data = new_array(max(stop - start, 0), np.uint8)
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
