"""Files written anew with some of their rows left out, one row group in memory at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from storage.edits.matching import Matches, Rows
from storage.fingerprint import Fingerprint, fingerprint_of
from storage.parquet import StagedPart, write_batches
from storage.scan import iter_file
from storage.schema import content_schema
from storage.versions import DataFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A file and what takes its place.

    Attributes
    ----------
    source
        The file.
    part
        The file with the rows that are left, staged; None where none is.
    removed
        The fingerprint of the rows that were left out.
    """

    source: DataFile
    part: StagedPart | None
    removed: Fingerprint


class _Leaving:
    """A stream of a file's rows without some of them, adding up what is left out."""

    def __init__(self, file: DataFile, schema: pa.Schema, rows: Rows) -> None:
        self._file, self._schema, self._rows = file, schema, rows
        self._content = content_schema(schema).names
        self.removed = Fingerprint.empty()

    def batches(self) -> Iterator[pa.RecordBatch]:
        at = 0
        for batch in iter_file(self._file, self._schema):
            first, last = np.searchsorted(self._rows, (at, at + batch.num_rows))
            keep = np.ones(batch.num_rows, np.bool_)
            keep[self._rows[first:last] - at] = False
            at += batch.num_rows
            if first < last:
                gone = pa.Table.from_batches([batch.filter(pa.array(~keep))])
                self.removed = self.removed.merge(fingerprint_of(gone, self._content))
                batch = batch.filter(pa.array(keep))
            if batch.num_rows:
                yield batch


class Rewriting:
    """Rewrites files without the rows that match; what was rewritten once is used again.

    Parameters
    ----------
    staging
        Where files are written aside.
    """

    def __init__(self, staging: Path) -> None:
        self._staging = staging
        self._done: dict[str, Rewritten] = {}

    def without(
        self, matches: Matches, files: Sequence[DataFile], schema: pa.Schema, shown: Sequence[str]
    ) -> list[Rewritten]:
        """The files that hold matching rows, in order, each with what takes its place.

        Parameters
        ----------
        schema
            All columns of the version: the new files have them all.
        shown
            Text columns whose least and greatest values may be told.
        """
        affected = matches.counts([file.path for file in files])
        return [self._rewritten(matches, file, schema, shown) for file in files if file.path in affected]

    def _rewritten(self, matches: Matches, file: DataFile, schema: pa.Schema, shown: Sequence[str]) -> Rewritten:
        if file.path not in self._done:
            rows = matches.rows(file.path)
            leaving, part = _Leaving(file, schema, rows), None
            if len(rows) == file.rows:
                for _ in leaving.batches():
                    pass
            else:
                staged = self._staging / f"left-{len(self._done):06d}.parquet"
                part = write_batches(leaving.batches(), schema, staged, shown=shown)
            self._done[file.path] = Rewritten(source=file, part=part, removed=leaving.removed)
        return self._done[file.path]
