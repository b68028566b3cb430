"""Servers of this machine, forked by one process that has loaded all they need. Loads little itself.

`begin` starts that process as early as a driver likes, before it has loaded anything else: both then load at the same
time.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cluster.processes import kill_family
from cluster.providers.handles import END_S, last_words
from cluster.surroundings import SERVER_DEFAULTS, STRUCTURED_LOGS, with_code

#: As Dask sets them for workers, which for a fork comes too late: they are read when a library is loaded or Python
#: starts.
_BEFORE = {
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "6640",
}


_METHOD = {"DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver" if sys.platform == "linux" else "spawn"}


class Forks:
    """See the module.

    Parameters
    ----------
    environment
        Variables for all servers besides those of this process.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._given = _given(environment)
        # What is said before a server has a log of its own.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as it is
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cluster.forking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**_BEFORE, **SERVER_DEFAULTS, **os.environ, **_METHOD, **self._given},
        )
        os.set_blocking(self._output, False)
        self._told = b""
        self._number = 0

    @property
    def _output(self) -> int:
        assert self._process.stdout is not None  # noqa: S101 - a pipe, as asked for
        return self._process.stdout.fileno()

    def serves(self, environment: Mapping[str, str]) -> bool:
        """Whether it is there, and has these variables."""
        return self._process.poll() is None and self._given == _given(environment)

    def fork(self, name: str, servers: Mapping[str, Any], card: Path | None, log: Path) -> "Fork":
        """A process on its way up; see `cluster.forking.Order`."""
        self._number += 1
        log.parent.mkdir(parents=True, exist_ok=True)
        order = {
            "number": self._number,
            "name": name,
            "servers": servers,
            "card": str(card) if card is not None else "",
            "log": str(log),
        }
        self._say(order)
        return Fork(self, self._number, log)

    def end_one(self, number: int) -> None:
        """Nothing; the process ends."""
        self._say(number)

    def _say(self, order: Any) -> None:
        with suppress(BrokenPipeError):
            assert self._process.stdin is not None  # noqa: S101 - a pipe, as asked for
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def has_ended(self, number: int) -> bool:
        """Whether the process is gone."""
        gone = self._process.poll() is not None
        with suppress(BlockingIOError):
            while told := os.read(self._output, 4096):
                self._told += told
        return gone or str(number).encode() in self._told.splitlines()

    def last_words(self) -> str:
        """What was said before any server had a log."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-700:].strip()

    def close(self) -> None:
        """Nothing; all servers are gone, and what forked them."""
        kill_family(self._process.pid, spare=True)
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        # It takes its own files away. What it may hang on is gone.
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            kill_family(self._process.pid)
            # A busy system takes its time with what was killed.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
        self._log.close()


class Fork:
    """A handle of one process.

    Parameters
    ----------
    forks
        Forked it.
    number
        Its number there.
    log
        What it says.
    """

    pending = False

    def __init__(self, forks: Forks, number: int, log: Path) -> None:
        self._forks = forks
        self._number = number
        self._log = log

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._forks.has_ended(self._number)

    def last_words(self) -> str:
        """The end of its log, or why it has none."""
        return last_words(self._log) or self._forks.last_words()

    def end(self) -> None:
        """Nothing; it is gone, or about to go."""
        self._forks.end_one(self._number)


_early: list[Forks] = []


def begin() -> None:
    """Nothing; the next who wants forks finds them on their way up."""
    if not _early:
        _early.append(Forks({}))


def forks_for(environment: Mapping[str, str]) -> Forks:
    """Forks with these variables besides those of this process: those that began early where they have them."""
    while _early:
        forks = _early.pop()
        if forks.serves(environment):
            return forks
        forks.close()
    return Forks(environment)


def end_unused() -> None:
    """Nothing; forks that began early, and that nobody wanted, have ended."""
    while _early:
        _early.pop().close()


def _given(environment: Mapping[str, str]) -> dict[str, str]:
    """What must be the same for forks to be fit: the variables given, and where Python finds code."""
    path = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return {**with_code(path), **STRUCTURED_LOGS, **environment}
