"""Bytes on disk: written aside, synced, renamed; and the operating system's refusals in words.

A file is either absent or whole under its final name: everything is written beside it first.
"""

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from storage.errors import DiskFullError, StoreError, StoreNotWritableError
from storage.places import ObjectPath, Place

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_RUST_ERROR = re.compile(r"\(os error (\d+)\)|code: (\d+)")
#: What NumPy says when a file takes fewer bytes than it was given.
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")
ASIDE_SUFFIX = ".aside"
_P = TypeVar("_P", Path, ObjectPath, Place)


def explain(code: int | None, path: Place | str) -> StoreError | None:
    """The store's error for an error code of the operating system on writing `path`; None for any other error."""
    if code in _FULL:
        return DiskFullError(
            str(path),
            f"no room left to write ({os.strerror(code or 0)})",
            "What was committed before is untouched. Free some space (while no job runs, the store's folder `_cache` "
            "can go: all in it is made again), or choose a store on a larger disk, and run again.",
        )
    if code in _REFUSED:
        return StoreNotWritableError(
            str(path),
            f"cannot be written ({os.strerror(code or 0)})",
            "Nothing was committed. Give this user write permission on the store folder, or choose another store.",
        )
    return None


@contextmanager
def explained(path: Place | str) -> Iterator[None]:
    """A block in which refusals and lack of room become `StoreNotWritableError` and `DiskFullError`.

    Also understands the errors that Rust libraries report as text.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        code = _code_of(error)
        if (told := explain(code, path)) is not None:
            raise told from error
        raise


def _code_of(error: Exception) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, OSError) and _SHORT_WRITE.search(str(error)):
        return errno.ENOSPC
    match = _RUST_ERROR.search(str(error))
    return int(match[1] or match[2]) if match else None


@contextmanager
def room_explained(path: Place | str) -> Iterator[None]:
    """A block in which lack of room, wherever it was met and by whom, becomes `DiskFullError`; `path` is the store."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        if (code := _code_of(error)) in _FULL and (told := explain(code, path)) is not None:
            raise told from error
        raise


def sync_folder(folder: Place) -> None:
    """Nothing; the folder's entries are on disk afterwards. What is in a bucket is there once it was written."""
    if isinstance(folder, ObjectPath):
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Place) -> None:
    """Nothing; the file's bytes are on disk afterwards."""
    if isinstance(path, ObjectPath):
        return
    with open(path, "rb") as file:
        os.fsync(file.fileno())


@contextmanager
def written_aside(path: Path) -> Iterator[BinaryIO]:
    """A file open for writing that becomes `path`, whole and synced, when the block ends without an error.

    Raises
    ------
    DiskFullError, StoreNotWritableError
        If it cannot be written; nothing is left behind.
    """
    aside = path.with_name(f".{path.name[:100]}.{os.getpid()}.{secrets.token_hex(4)}{ASIDE_SUFFIX}")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(aside, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_atomic(path: Place, content: bytes) -> None:
    """Nothing; `path` holds `content` afterwards, or is as it was."""
    if isinstance(path, ObjectPath):
        with explained(path):
            path.write_bytes(content)
        return
    with written_aside(path) as file:
        file.write(content)


def make_folder(folder: _P) -> _P:
    """The folder, made with its parents where it was missing; a bucket has none to make.

    Raises
    ------
    DiskFullError, StoreNotWritableError
        If it cannot be made.
    """
    if isinstance(folder, Path):
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
    return folder
