"""Which rows repeat an earlier one, found bucket by bucket."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.ingest.dedupe.duplicate_files import DUPLICATE_RECORD, DuplicateFile, DuplicateRuns
from pipeline.ingest.dedupe.key_files import KeyFile, read_pieces
from pipeline.ingest.dedupe.key_table import KeyTable

#: What is remembered of the first row with a key.
_SURVIVOR = np.dtype([("position", "<i8"), ("block", "<u4"), ("source", "<u4"), ("label", "<u4")])


class _Survivors:
    """The first row with each key, by the key's number."""

    def __init__(self) -> None:
        self._rows = np.empty(0, _SURVIVOR)
        self._count = 0

    def add(self, records: npt.NDArray[Any], block: int) -> None:
        """Nothing; the records have the next numbers."""
        count = self._count + len(records)
        if count > len(self._rows):
            more = np.empty(max(count, 2 * len(self._rows)) - len(self._rows), _SURVIVOR)
            self._rows = np.concatenate([self._rows, more])
        rows = self._rows[self._count : count]
        for name in ("position", "source", "label"):
            rows[name] = records[name]
        rows["block"] = block
        self._count = count

    def of(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """The rows with these numbers."""
        return self._rows.take(numbers)


def find_duplicates(
    files: Sequence[KeyFile], bucket: int, buckets: int, path: Path, first_new: int = 0
) -> tuple[DuplicateFile, ...]:
    """The duplicates among the keys of one bucket, in files called after `path`.

    Of rows with one key the first survives: the one in the earliest file, and in it the earliest row. So the result
    does not depend on how many buckets there are or in which order they are worked on. The files are read as streams:
    memory grows with the different keys of the bucket, and not with how often one comes.

    Parameters
    ----------
    files
        All key files, in row order: those of stored versions first, then those of the new blocks.
    bucket, buckets
        Which share of the key space, of how many, see `bucket_count`.
    path
        Where to write.
    first_new
        How many of `files`, from the front, belong to stored versions: their rows survive, and are never named as
        duplicates. Blocks are counted from the first file after them.
    """
    table, survivors, runs = KeyTable(), _Survivors(), DuplicateRuns(path)
    for file, records in read_pieces([file.path for file in files], bucket, buckets):
        known = len(table)
        numbers = table.add(records)
        before = np.maximum.accumulate(np.concatenate([[known - 1], numbers[:-1]]))
        new = numbers > before
        survivors.add(records.compress(new), file)
        if file >= first_new:
            repeats = records.compress(~new)
            firsts = survivors.of(numbers[~new])
            at_odds = (repeats["label"] != firsts["label"]) & (repeats["label"] != 0) & (firsts["label"] != 0)
            runs.add(_duplicates(repeats, firsts, file - first_new), at_odds)
    return runs.finish()


def _duplicates(repeats: npt.NDArray[Any], firsts: npt.NDArray[Any], block: int) -> npt.NDArray[Any]:
    found = np.empty(len(repeats), DUPLICATE_RECORD)
    found["block"], found["row"] = block, repeats["row"]
    # Counted over all files, stored ones too: it leads to the file that knows the survivor's source.
    found["survivor_block"] = firsts["block"]
    found["survivor_source"] = firsts["source"]
    found["survivor_position"] = firsts["position"]
    return found
