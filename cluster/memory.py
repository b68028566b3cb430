"""Peak memory of this process and everything it started, sampled while a run goes on."""

import threading
from types import TracebackType

import psutil


def tree_bytes(root: psutil.Process) -> int:
    """Resident memory of a process and all its descendants, in bytes; processes that end meanwhile count as nothing."""
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


class PeakMemory:
    """A context that watches the process tree; `now_bytes` is the last sum seen, `peak_bytes` the largest."""

    def __init__(self, interval_s: float = 0.25) -> None:
        self.peak_bytes = self.now_bytes = 0
        self._interval_s = interval_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="peak-memory")

    def _watch(self) -> None:
        root = psutil.Process()
        while True:
            self.now_bytes = tree_bytes(root)
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
