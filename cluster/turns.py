"""Whose turn it is on this machine: jobs wait in the order of their submission, and so many run at once.

A waiting job holds a lock on its ticket, a running one on a slot. The operating system drops both when the process
ends, so that nobody ever waits for the dead.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOOK_S = 0.2


def jobs_at_once() -> int:
    """How many submitted jobs of this user may run on this machine at once; ``TEXTMILL_LOCAL_JOBS``, else 1."""
    return max(1, int(os.environ.get("TEXTMILL_LOCAL_JOBS", "1")))


def queue_folder() -> Path:
    """Where tickets and slots of this user lie on this machine."""
    named = os.environ.get("TEXTMILL_QUEUE")
    return Path(named) if named else Path(tempfile.gettempdir()) / f"textmill-queue-{os.getuid()}"


@contextmanager
def turn(run: str, submitted_at: str, check: Callable[[], None]) -> Iterator[None]:
    """A block that at most `jobs_at_once` jobs are in at the same time, entered in the order of submission.

    Parameters
    ----------
    run
        The job's id.
    submitted_at
        When it was submitted, as ISO text.
    check
        Called while waiting; raises where the job shall wait no longer.
    """
    folder = queue_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"{submitted_at.replace(':', '')}-{run}.ticket"
    ticket = _locked(folder / name)
    try:
        while (slot := _slot(folder, name)) is None:
            check()
            time.sleep(_LOOK_S)
    finally:
        (folder / name).unlink(missing_ok=True)
        if ticket is not None:
            os.close(ticket)
    try:
        yield
    finally:
        os.close(slot)


def _slot(folder: Path, name: str) -> int | None:
    """A slot, taken; None where none is free or others come first."""
    for path in folder.glob("*.ticket"):
        if path.name < name and not _is_dead(path):
            return None
    for number in range(jobs_at_once()):
        slot = _locked(folder / f"slot-{number}")
        if slot is not None:
            return slot
    return None


def _is_dead(ticket: Path) -> bool:
    """Whether nobody holds it; it is taken away then."""
    handle = _locked(ticket)
    if handle is None:
        return False
    with suppress(FileNotFoundError):
        ticket.unlink()
    os.close(handle)
    return True


def _locked(path: Path) -> int | None:
    """The open file, locked; None where another holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
