"""Files that name rows to be taken out: written run by run by whoever looks for them, read back block by block."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.ingest.dedupe.key_files import KeyFile, read_sources
from pipeline.ingest.dedupe.sorted_runs import Run, places_of, read_run

#: One duplicate: where it is, and which row survives for it.
DUPLICATE_RECORD = np.dtype(
    [
        ("block", "<u4"),
        ("row", "<u4"),
        ("survivor_block", "<u4"),
        ("survivor_source", "<u4"),
        ("survivor_position", "<i8"),
    ]
)
#: In the place of `survivor_block`: no row survives for this one.
NO_SURVIVOR = 0xFFFFFFFF
#: Rows named as examples.
EXAMPLES = 3
#: Records of one file, and what is held of them before it is written.
_RUN_RECORDS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateFile:
    """Some of the duplicates that one task found.

    Attributes
    ----------
    path
        The file of `DUPLICATE_RECORD`, sorted by block and row.
    duplicates
        How many it names.
    first_block, last_block
        The blocks that they are from.
    conflicts
        How many of them have another label than the row that survives.
    examples
        The first few of those, as values of `DUPLICATE_RECORD` in its order.
    """

    path: str
    duplicates: int
    first_block: int
    last_block: int
    conflicts: int = 0
    examples: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """The duplicates within one block.

    Attributes
    ----------
    rows
        Their places in the block's frame, ascending, uint32.
    sources
        For each, the source file of the row that survives (text array); null where none does.
    positions
        For each, that row's position in its source, int64; 0 where no row survives.
    """

    rows: npt.NDArray[np.uint32]
    sources: pa.Array
    positions: npt.NDArray[np.int64]

    def mask(self, rows: int) -> npt.NDArray[np.bool_]:
        """Which of a block's `rows` rows are duplicates."""
        mask = np.zeros(rows, np.bool_)
        mask[self.rows] = True
        return mask


class DuplicateRuns:
    """Duplicates on their way to files of bounded size, however many they are.

    Parameters
    ----------
    path
        The files are called after it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[npt.NDArray[Any]] = []
        self._count = 0
        self._conflicts = 0
        self._examples: list[tuple[int, ...]] = []
        self._files: list[DuplicateFile] = []

    def add(self, found: npt.NDArray[Any], at_odds: npt.NDArray[np.bool_] | None = None) -> None:
        """Nothing; `found` will be in a file. `at_odds` tells which of them have another label than the survivor."""
        if not len(found):
            return
        self._waiting.append(found)
        self._count += len(found)
        if at_odds is not None and at_odds.any():
            self._conflicts += int(at_odds.sum())
            few = _in_order(found[at_odds])[:EXAMPLES]
            self._examples = sorted([*self._examples, *map(tuple, few.tolist())])[:EXAMPLES]
        if self._count >= _RUN_RECORDS:
            self._write()

    def finish(self) -> tuple[DuplicateFile, ...]:
        """All files, whole; none where nothing was found."""
        if self._count:
            self._write()
        return tuple(self._files)

    def _write(self) -> None:
        found = _in_order(np.concatenate(self._waiting))
        path = self._path.with_name(f"{self._path.name}-{len(self._files)}")
        write_whole(found, path)
        self._files.append(
            DuplicateFile(
                path=str(path),
                duplicates=len(found),
                first_block=int(found["block"][0]),
                last_block=int(found["block"][-1]),
                conflicts=self._conflicts,
                examples=tuple(self._examples),
            )
        )
        self._waiting, self._count, self._conflicts, self._examples = [], 0, 0, []


def _in_order(found: npt.NDArray[Any]) -> npt.NDArray[Any]:
    ordered: npt.NDArray[Any] = found.take(np.lexsort((found["row"], found["block"])))
    return ordered


def write_whole(records: npt.NDArray[Any], path: Path) -> None:
    """Write the records' bytes, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{uuid4().hex}")
    records.tofile(aside)
    aside.replace(path)


def without_survivor(rows: npt.NDArray[np.uint32], block: int | npt.NDArray[np.uint32]) -> npt.NDArray[Any]:
    """Rows that go without repeating another, as values of `DUPLICATE_RECORD`."""
    found = np.zeros(len(rows), DUPLICATE_RECORD)
    found["block"], found["row"], found["survivor_block"] = block, rows, NO_SURVIVOR
    return found


def read_duplicates(found: Sequence[DuplicateFile], files: Sequence[KeyFile], block: int) -> Duplicates:
    """All duplicates within one new block.

    Parameters
    ----------
    found
        All files of duplicates.
    files
        The key files that the survivors are known from, in their order.
    block
        Which new block, counted from 0.
    """
    records = np.concatenate(
        [np.empty(0, DUPLICATE_RECORD)]
        + [_of_block(file, block) for file in found if file.first_block <= block <= file.last_block]
    )
    records = records[np.argsort(records["row"], kind="stable")]
    return Duplicates(
        rows=records["row"].copy(),
        sources=_survivor_sources(records, files),
        positions=records["survivor_position"].copy(),
    )


def _of_block(file: DuplicateFile, block: int) -> npt.NDArray[Any]:
    run = Run(path=file.path, last=file.duplicates)
    first, last = places_of(run, DUPLICATE_RECORD, "block", (block, block + 1))
    return read_run(Run(path=file.path, first=first, last=last), DUPLICATE_RECORD)


def _survivor_sources(found: npt.NDArray[Any], files: Sequence[KeyFile]) -> pa.Array:
    blocks, inverse = np.unique(found["survivor_block"], return_inverse=True)
    names: list[str | None] = []
    starts = np.empty(len(blocks), np.int64)
    for at, block in enumerate(blocks):
        starts[at] = len(names)
        names += [None] if block == NO_SURVIVOR else read_sources(files[block].path)
    return pa.array(names, pa.string()).take(pa.array(starts[inverse] + found["survivor_source"]))
