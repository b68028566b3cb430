"""Small files put together without touching the order of rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from storage.arranging.plan import Arrangement, groups_to_merge
from storage.edits.landing import Edit, Placed, place_of
from storage.fingerprint import Fingerprint
from storage.history import Head
from storage.parquet import StagedPart, write_batches
from storage.scan import iter_file
from storage.versions import DataFile, Snapshot


@dataclass(slots=True, kw_only=True)
class Merging:
    """Works out the edits that put files together; what was written once is used again.

    Attributes
    ----------
    arrangement
        How files are wanted; it does not reorder.
    at_least
        Files side by side that are worth it.
    staging
        Where files are written aside.
    """

    arrangement: Arrangement
    at_least: int
    staging: Path
    _done: dict[tuple[str, ...], StagedPart] = field(default_factory=dict)

    def work_out(self, base: Head, snapshot: Snapshot) -> Edit | None:
        """The edit of a version; None where its files are as wanted."""
        groups = groups_to_merge(snapshot.files, self.arrangement.target_bytes, at_least=self.at_least)
        if not groups:
            return None
        adds = []
        for group in groups:
            key = tuple(file.path for file in group)
            if key not in self._done:
                staged = self.staging / f"merged-{len(self._done):06d}.parquet"
                rows = _rows(group, snapshot.schema)
                self._done[key] = write_batches(rows, snapshot.schema, staged, shown=base.shown)
            adds.append(Placed(part=self._done[key], place=place_of(group[0])))
        return Edit(
            fingerprint=base.fingerprint or Fingerprint.empty(),
            schema=snapshot.schema,
            removes=tuple(file for group in groups for file in group),
            adds=tuple(adds),
            changes={"merged": sum(map(len, groups)), "rewritten": len(adds)},
            fates=base.fates,
            data_change=False,
            arranged={**base.arranged, "target_bytes": self.arrangement.target_bytes},
            shown=base.shown,
        )


def _rows(files: Sequence[DataFile], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for file in files:
        yield from iter_file(file, schema)
