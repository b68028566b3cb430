"""What a process and its descendants hold of memory, and have spent of CPU time, together."""

import contextlib

import psutil


class Watched:
    """A process tree looked at again and again.

    Parameters
    ----------
    process_id
        Its root.

    Attributes
    ----------
    peak_bytes
        The most memory that all held at one look, shared pages counted once: the proportional share (PSS) where the
        system tells it, else the resident size.
    """

    def __init__(self, process_id: int) -> None:
        self._root = process_id
        self._spent: dict[tuple[int, float], float] = {}
        self._before: float = 0.0
        self.peak_bytes = 0

    def start(self) -> None:
        """Nothing; what was spent and held before this moment does not count."""
        self._spent, self.peak_bytes = {}, 0
        self.look()
        self._before = sum(self._spent.values())

    def look(self) -> None:
        """Nothing; the figures are those of this moment."""
        held = 0
        for process in self._members():
            with contextlib.suppress(psutil.Error, FileNotFoundError, ProcessLookupError):
                times = process.cpu_times()
                self._spent[process.pid, process.create_time()] = times.user + times.system
                held += _bytes_of(process)
        self.peak_bytes = max(self.peak_bytes, held)

    @property
    def cpu_s(self) -> float:
        """CPU seconds since the start, also of processes that ended unwaited for, as they were last seen."""
        return sum(self._spent.values()) - self._before

    def _members(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self._root)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _bytes_of(process: psutil.Process) -> int:
    try:
        return int(getattr(process.memory_full_info(), "pss", 0)) or int(process.memory_info().rss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
