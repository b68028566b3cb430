"""Taking rows out of a dataset: only the files that hold such rows are written anew.

Rows keep their order: a file takes the place of the one it was made of. The condition itself is not kept anywhere,
since it may name the very person who asked to be forgotten.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from storage.edits.landing import Edit, Placed, fates_name, place_of
from storage.edits.matching import Database, Matches
from storage.edits.rewriting import Rewriting
from storage.fates import FATE_SCHEMA
from storage.fingerprint import Fingerprint
from storage.history import Head
from storage.layout import DatasetLayout
from storage.parquet import StagedPart, open_parquet, write_batches
from storage.schema import fit
from storage.versions import Snapshot

#: Gives a database that sees a version, and the files named beside it.
Open = Callable[[Snapshot, Sequence[str]], Database]


@dataclass(slots=True, kw_only=True)
class Deletion:
    """Works out the edits that take rows out.

    Attributes
    ----------
    layout
        The dataset's paths.
    condition
        SQL that is true for the rows to take out.
    fates_condition
        The same for the rows of fates, over the columns of `storage.fates.FATE_SCHEMA`; empty for none.
    run
        The run's id.
    staging
        Where files are written aside.
    opened
        Gives a database.
    rewriting
        Rewrites files.
    """

    layout: DatasetLayout
    condition: str
    fates_condition: str
    run: str
    staging: Path
    opened: Open
    rewriting: Rewriting

    def work_out(self, base: Head, snapshot: Snapshot) -> Edit | None:
        """The edit of a version, or None where no row of it is to go."""
        fates = [str(self.layout.fates / line["name"]) for line in base.fates]
        with self.opened(snapshot, fates) as database:
            matches = self._matches(database, snapshot)
            taken = self.rewriting.without(matches, snapshot.files, snapshot.schema, base.shown)
            purged = self._purged(database, base.fates) if self.fates_condition else []
        if not taken and not purged:
            return None
        mark = base.fingerprint or Fingerprint.empty()
        for rewritten in taken:
            mark = mark.without(rewritten.removed)
        lines, parts, fates_rows = self._fates(base.fates, purged)
        return Edit(
            fingerprint=mark,
            schema=snapshot.schema,
            removes=tuple(rewritten.source for rewritten in taken),
            adds=tuple(
                Placed(part=rewritten.part, place=place_of(rewritten.source))
                for rewritten in taken
                if rewritten.part is not None
            ),
            changes={
                "deleted": sum(rewritten.removed.rows for rewritten in taken),
                "rewritten": sum(rewritten.part is not None for rewritten in taken),
                **({"deleted_fates": fates_rows} if self.fates_condition else {}),
            },
            fates=tuple(lines),
            fates_parts=tuple(parts),
            arranged=base.arranged,
            shown=base.shown,
        )

    def count(self, snapshot: Snapshot) -> dict[str, int]:
        """File -> how many of its rows would go."""
        with self.opened(snapshot, ()) as database:
            return self._matches(database, snapshot).counts([file.path for file in snapshot.files])

    def _matches(self, database: Database, snapshot: Snapshot) -> Matches:
        return Matches(database, snapshot.version.dataset, snapshot.schema, self.condition)

    def _purged(self, database: Database, lines: Sequence[Mapping[str, Any]]) -> list[tuple[int, StagedPart]]:
        """Fates files with matching rows, by their index among `lines`, and what takes their place."""
        matches = Matches(database, "fates", FATE_SCHEMA, self.fates_condition)
        purged = []
        for index, line in enumerate(lines):
            path = str(self.layout.fates / line["name"])
            rows = matches.rows(path)
            if len(rows):
                with open_parquet(path) as parquet:
                    table = fit(parquet.read(), FATE_SCHEMA)
                kept = np.ones(table.num_rows, np.bool_)
                kept[rows] = False
                left = table.filter(pa.array(kept)).to_batches()
                staged = self.staging / f"fates-{index:06d}.parquet"
                purged.append((index, write_batches(left, FATE_SCHEMA, staged)))
        return purged

    def _fates(
        self, lines: Sequence[Mapping[str, Any]], purged: Sequence[tuple[int, StagedPart]]
    ) -> tuple[list[Mapping[str, Any]], list[StagedPart], int]:
        """The new version's fates files, those to be moved among them, and how many rows they lack now."""
        kept, gone = list(lines), 0
        parts: list[StagedPart] = []
        for index, part in purged:
            gone += int(lines[index]["rows"]) - part.rows
            kept[index] = {"name": fates_name(part, len(parts), self.run), "rows": part.rows, "bytes": part.bytes}
            parts.append(part)
        return kept, parts, gone
