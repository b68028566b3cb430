"""Peak memory of this process and everything it started, sampled while a run goes on."""

import threading
import time
from contextlib import suppress
from types import TracebackType

import psutil

#: Going through all pages takes at most this share of a core.
_SHARE = 0.01


class TreeMemory:
    """The memory of a process and all its descendants, pages that several of them share counted once.

    What a process alone would free is dear to ask for, as the system goes through all its pages, and what it shares
    changes slowly: forks share what was loaded before them. So that share is asked for now and then, and where
    processes came or went; what they hold is asked for each time.

    Parameters
    ----------
    root
        The process.
    """

    def __init__(self, root: psutil.Process) -> None:
        self._root = root
        self._shared: dict[psutil.Process, int] = {}
        self._due = 0.0

    def bytes(self) -> int:
        """What all hold now; processes that end meanwhile count as nothing."""
        began = time.monotonic()
        family = [self._root, *self._root.children(recursive=True)]
        shared = self._shared if began < self._due and self._shared.keys() == set(family) else {}
        self._shared, total = {}, 0
        for process in family:
            with suppress(psutil.NoSuchProcess):
                held = process.memory_info().rss
                counted_twice = shared[process] if process in shared else _shared_bytes(process, held)
                self._shared[process] = counted_twice
                total += max(0, held - counted_twice)
        if not shared:
            now = time.monotonic()
            self._due = now + (now - began) / _SHARE
        return total


def _shared_bytes(process: psutil.Process, held: int) -> int:
    """What others count of the pages that a process holds; 0 where the system does not tell."""
    try:
        # Called "proportional": a page that three share is a third of a page of each.
        proportional = getattr(process.memory_full_info(), "pss", 0)
    except psutil.AccessDenied:
        return 0
    return held - proportional if proportional else 0


class PeakMemory:
    """A context that watches the process tree; `now_bytes` is the last sum seen, `peak_bytes` the largest."""

    def __init__(self, interval_s: float = 0.25) -> None:
        self.peak_bytes = self.now_bytes = 0
        self._interval_s = interval_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="peak-memory")

    def _watch(self) -> None:
        tree = TreeMemory(psutil.Process())
        while True:
            self.now_bytes = tree.bytes()
            self.peak_bytes = max(self.peak_bytes, self.now_bytes)
            if self._over.wait(self._interval_s):
                return

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
