"""Processes and batch jobs that were started and must end."""

import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil

END_S = 10
#: The variable with the id of the process that started another one here.
STARTED_BY = "TEXTMILL_STARTED_BY"


class Handle(Protocol):
    """A server that was started somewhere."""

    @property
    def ended(self) -> bool:
        """Whether it is gone for good."""

    @property
    def pending(self) -> bool:
        """Whether it waits for its turn somewhere."""

    def last_words(self) -> str:
        """The end of its log."""

    def end(self) -> None:
        """Nothing; it and all that it started are gone. Never hangs, never raises."""


class Command:
    """A process on this machine, together with what it starts.

    Parameters
    ----------
    words
        Its command line.
    log
        The file that takes what it says.
    environment
        All its variables.
    said
        What it is told on its standard input, which stays open as long as this process lives; None for nothing.
    """

    pending = False

    def __init__(self, words: list[str], log: Path, environment: Mapping[str, str], said: bytes | None = None) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                words,
                stdin=subprocess.DEVNULL if said is None else subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**environment, STARTED_BY: str(os.getpid())},
            )
        if said is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.write(said)
                self._process.stdin.flush()

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def last_words(self) -> str:
        """The end of its log."""
        return last_words(self.log)

    def hang_up(self) -> None:
        """Nothing; its standard input has ended, and it may end in peace."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)

    def end(self) -> None:
        """Nothing; it and all that it started are gone."""
        family: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._process.pid)
            family = [root, *root.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        deadline = time.monotonic() + END_S
        while any(map(_runs, family)) and time.monotonic() < deadline:
            time.sleep(0.01)


class Share:
    """One worker's share of a process that keeps several: the process ends with the last of them.

    Parameters
    ----------
    keeper
        The process.
    members
        The numbers of all workers in it that have not ended; shares of one process have it in common.
    number
        The worker's.
    """

    pending = False

    def __init__(self, keeper: Handle, members: set[int], number: int) -> None:
        self._keeper = keeper
        self._members = members
        self._number = number

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._keeper.ended

    def last_words(self) -> str:
        """The end of the process's log."""
        return self._keeper.last_words()

    def end(self) -> None:
        """Nothing; the process is gone where no other worker is in it. A worker was told to end before."""
        self._members.discard(self._number)
        if not self._members:
            self._keeper.end()


def last_words(log: Path) -> str:
    """The end of a log; "" where there is none."""
    try:
        return log.read_text(encoding="utf-8", errors="replace")[-700:].strip()
    except OSError:
        return ""


def _runs(process: psutil.Process) -> bool:
    """Whether it does anything still; one that is dead and waits for its parent to hear of it does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
