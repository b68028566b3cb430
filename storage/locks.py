"""One writer at a time on a dataset, on one machine.

The lock keeps writers from wasting each other's rounds and lets a vacuum tell an orphan from a file about to be
committed. Correctness of commits does not hang on it: the Delta log itself refuses a second entry of one number.
The operating system drops the lock of a process that dies.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from storage.errors import StoreBusyError, StoreNotWritableError
from storage.files import explained

if sys.platform != "win32":
    import fcntl

DEADLINE_S = 120.0
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05


@contextmanager
def locked(path: Path, *, deadline_s: float = DEADLINE_S) -> Iterator[None]:
    """A block that no other process or thread enters with the same `path` at the same time.

    Raises
    ------
    StoreBusyError
        If the lock is not free within `deadline_s` seconds.
    StoreNotWritableError
        If the lock's folder cannot be written.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _take(handle, path, deadline_s)
        yield
    finally:
        os.close(handle)


@contextmanager
def locked_to_read(path: Path) -> Iterator[None]:
    """As `locked`, for who only reads: where the lock cannot be written, nobody here can write the store either."""
    with ExitStack() as stack:
        with suppress(StoreNotWritableError):
            stack.enter_context(locked(path))
        yield


def _take(handle: int, path: Path, deadline_s: float) -> None:
    if sys.platform == "win32":
        return
    end, pause_s = time.monotonic() + deadline_s, _FIRST_PAUSE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > end:
                raise StoreBusyError(
                    path.stem,
                    f"another process has been writing here for over {deadline_s:g} s",
                    "Wait for it to end and run again; the lock goes when its process ends.",
                ) from error
        else:
            return
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
