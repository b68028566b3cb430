"""What a job's driver, scheduler and workers said: a file each, read as one, in the order of time."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.jobs import JobFolder
from cluster.structured import told_line

_LOOK_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One thing that was said.

    Attributes
    ----------
    file
        Who said it: "driver", "scheduler", "worker-0" ...
    facts
        "message", and "at", "level", "who", "pid" where it was said in the structured format.
    """

    file: str
    facts: dict[str, Any]


class _Reader:
    """Reads a log file as it grows, whole lines at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0
        self._last = ""

    def new(self) -> Iterator[tuple[str, LogLine]]:
        """The lines since the last look, each with a time to sort it by: its own, or that of the line before."""
        with open(self.path, "rb") as file:
            file.seek(self._at)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            facts = told_line(line)
            self._last = str(facts.get("at", self._last))
            yield self._last, LogLine(file=self.path.stem, facts=facts)


class _Readers:
    def __init__(self, job: JobFolder) -> None:
        self._job = job
        self._readers: dict[Path, _Reader] = {}

    def new(self) -> list[LogLine]:
        for path in sorted(self._job.logs.glob("*.log")) if self._job.logs.is_dir() else ():
            self._readers.setdefault(path, _Reader(path))
        lines = [line for reader in self._readers.values() for line in reader.new()]
        return [line for _, line in sorted(lines, key=lambda pair: pair[0])]


def log_lines(job: JobFolder) -> Iterator[LogLine]:
    """All that was said so far."""
    yield from _Readers(job).new()


def follow(job: JobFolder, goes_on: Callable[[], bool]) -> Iterator[LogLine]:
    """All that was said, and what is said yet as long as `goes_on`."""
    readers, more = _Readers(job), True
    while more:
        # Looked at before the last lines are read, so that none is missed.
        more = goes_on()
        yield from readers.new()
        if more:
            time.sleep(_LOOK_S)
