"""Processes by name, and with all that they have started, ended for certain."""

from contextlib import suppress
from pathlib import Path

import psutil


def kill_family(pid: int, *, spare: bool = False) -> None:
    """Nothing; a process and all that it has started, directly or not, are dead or dying.

    Parameters
    ----------
    pid
        The process.
    spare
        Whether it is to live itself.
    """
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        children = root.children(recursive=True)
        # It goes first, so that it starts none of them again.
        for process in children if spare else [root, *children]:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def name_process(name: str) -> None:
    """Nothing; the system's list of processes calls this one by its name's first 15 bytes, where that can be done."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name)
