"""A block that kills whoever cleans it, cleaned part after part by child processes, to find the records that do it.

An operation may bring down a whole process, most often in compiled code that a Python function of the user's calls.
A worker that dies so takes its block with it, and so does the next. Here a child process cleans the block and says
which part it is about to begin. When it dies, that part is cut into smaller ones for the next child, down to the
record. A record alone has to do it twice before it is blamed.
"""

from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import DataError
from pipeline.ingest.crashes import Crash, remember_crashes
from pipeline.ingest.probe import Probe, ProbeError
from pipeline.ingest.reading.source_plan import Block
from pipeline.ingest.stage_block import BlockWork

#: Beyond so many in one block it is not the records that are wrong.
MOST_CRASHES = 50


def examine_block(block: Block, work: BlockWork, memory_bytes: int) -> tuple[Crash, ...]:
    """The records of a block that kill the process that cleans them, remembered in the staging folder.

    Empty where all parts go through one by one, or where the block cannot even be read.

    Parameters
    ----------
    block
        The block.
    work
        What is done with it.
    memory_bytes
        What the worker may use; a child that takes more counts as dead. 0 for no limit.

    Raises
    ------
    DataError
        If there are more than `MOST_CRASHES`.
    """
    try:
        with Probe(block, work, memory_bytes) as probe:
            found = tuple(_crashes(probe))
    except ProbeError:
        return ()
    remember_crashes(found, Path(work.folder))
    return found


def _crashes(probe: Probe) -> Iterator[Crash]:
    found, suspect = 0, -1
    left: list[tuple[int, int | None]] = [(0, None)]
    while left:
        start, stop = left.pop()
        died = probe.died_at(start, stop)
        if died is None:
            continue
        first, last = died
        if last < (probe.rows if stop is None else stop):
            left.append((last, stop))
        if last - first > 1 or suspect != first:
            suspect = first if last - first == 1 else -1
            left.append((first, last))
            continue
        found += 1
        source, position = probe.row
        crash = Crash(source=source, position=position)
        if found > MOST_CRASHES:
            raise DataError(
                f"more than {MOST_CRASHES} records of one block kill the process that cleans them, lastly {crash}",
                "Correct the operations in [[clean]], above all those that call Python functions",
            )
        yield crash
