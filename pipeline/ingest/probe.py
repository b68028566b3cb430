"""A process that cleans rows of a block in children of its own, so that their death is nobody else's.

``python -m pipeline.ingest.probe FD`` reads a pickled block and what to do with it, then lines with two numbers: the
first row and the row after the last. For each line it forks a child, and writes to the pipe FD: "child PID", "part
FIRST LAST" before each part that the child begins, "through" where it came to the end, and "over". Before the first
part comes "rows COUNT", and where there is just one row, "row" with its id as JSON. The libraries are loaded once.
"""

import faulthandler
import json
import os
import pickle
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from pipeline import frame
from pipeline.ingest.checks import check
from pipeline.ingest.crashes import without_crashes
from pipeline.ingest.operations import clean
from pipeline.ingest.reading.read import read_block
from pipeline.ingest.reading.source_plan import Block
from pipeline.ingest.stage_block import BlockWork

#: Parts that a child cuts its share into.
_PARTS = 64
#: Of a worker's memory, what all processes may take before a child counts as dead.
_SHARE = 0.9
_LOOK_S = 0.02


class ProbeError(Exception):
    """A child died before it began with a part: not over a record."""


class Probe:
    """Tries to clean rows of a block elsewhere.

    Parameters
    ----------
    block
        The block.
    work
        What is done with it.
    memory_bytes
        A child with which more is taken than that is killed; 0 for no limit.
    """

    def __init__(self, block: Block, work: BlockWork, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._given = pickle.dumps((block, work))
        #: The id of the row that was last cleaned alone: source and position.
        self.row: tuple[str, int] = ("", 0)
        self.rows = 0
        heard, told = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", __name__, str(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[told],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        os.close(told)
        self._lines = open(heard, encoding="ascii")  # noqa: SIM115 - closed on exit

    def died_at(self, start: int, stop: int | None = None) -> tuple[int, int] | None:
        """The part between rows `start` and `stop` under which a child died; None where it came through.

        Without a `stop`, all rows are meant.

        Raises
        ------
        ProbeError
            If the child did not come to the first part.
        """
        given, self._given = self._given, b""
        self._send(given + f"{start} {-1 if stop is None else stop}\n".encode())
        part: tuple[int, int] | None = None
        through = False
        for word, _, told in (line.rstrip("\n").partition(" ") for line in self._lines):
            if word == "child":
                threading.Thread(target=self._kill_beyond, args=(int(told),), daemon=True).start()
            elif word == "rows":
                self.rows = int(told)
            elif word == "row":
                self.row = tuple(json.loads(told))
            elif word == "part":
                first, last = map(int, told.split())
                part = (first, last)
            elif word == "through":
                through = True
            elif through or part is not None:
                return None if through else part
            else:
                break
        raise ProbeError

    def _send(self, words: bytes) -> None:
        if self._process.stdin is None:
            raise ProbeError
        try:
            self._process.stdin.write(words)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise ProbeError from error

    def _kill_beyond(self, child: int) -> None:
        """Nothing; the child has ended, by force where too much memory was taken."""
        family = [psutil.Process(), psutil.Process(self._process.pid)]
        try:
            family.append(psutil.Process(child))
            while self._memory_bytes and family[-1].is_running():
                if sum(process.memory_info().rss for process in family) > self._memory_bytes * _SHARE:
                    family[-1].kill()
                time.sleep(_LOOK_S)
        except psutil.NoSuchProcess:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        # Closes what goes in, also where it was never read.
        self._process.communicate()
        self._lines.close()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _clean(block: Block, work: BlockWork, start: int, stop: int, told: Any) -> None:
    """Nothing; the rows are cleaned part after part, each named before it begins."""
    table = without_crashes(read_block(block), Path(work.folder))
    _tell(told, f"rows {table.num_rows}")
    stop = table.num_rows if stop < 0 else stop
    if stop - start == 1:
        _tell(told, "row " + json.dumps([*table.select(frame.ROW_ID).slice(start, 1).to_pylist()[0].values()]))
    size = max(1, (stop - start) // _PARTS)
    for first in range(start, stop, size):
        last = min(first + size, stop)
        _tell(told, f"part {first} {last}")
        check(clean(table.slice(first, last - first), work.operations).table, work.checks)
    _tell(told, "through")


def _tell(told: Any, line: str) -> None:
    told.write(line + "\n")
    told.flush()


def _tasks(given: Any) -> Iterator[tuple[int, int]]:
    for line in given:
        start, stop = line.split()
        yield int(start), int(stop)


def main(words: Sequence[str]) -> None:
    """Nothing; answers until nobody asks any more."""
    faulthandler.enable()
    given, told = sys.stdin.buffer, open(int(words[0]), "w", encoding="ascii")  # noqa: SIM115 - to the end
    block, work = pickle.load(given)  # noqa: S301 - from our parent
    parent = os.getpid()
    for start, stop in _tasks(given):
        with warnings.catch_warnings():
            # Python warns of threads that libraries may have started; no child uses what they hold.
            warnings.simplefilter("ignore")
            child = os.fork()
        if not child:
            try:
                threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
                _tell(told, f"child {os.getpid()}")
                _clean(block, work, start, stop, told)
            except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
                traceback.print_exc()
            finally:
                os._exit(1)
        os.waitpid(child, 0)
        _tell(told, "over")


if __name__ == "__main__":
    main(sys.argv[1:])
