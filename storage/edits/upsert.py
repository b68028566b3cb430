"""Rows by key: those that are there already are exchanged, the others are added.

Exchanged rows leave their places, and all given rows come after those that stay, in the order in which they were
given. Only files that hold exchanged rows are written anew.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from storage.edits.landing import Edit, Placed, place_of
from storage.edits.matching import Database, Matches
from storage.edits.rewriting import Rewriting
from storage.errors import SchemaMismatchError
from storage.fingerprint import Fingerprint, fingerprint_of
from storage.history import Head
from storage.parquet import StagedPart, batch_bytes, write_batches
from storage.schema import content_schema, fit, stored_schema, union_schema
from storage.sql_text import quoted, rows_of_files
from storage.versions import Snapshot

#: Decoded size of the files that given rows are written to.
PART_BYTES = 256 << 20
_GIVEN = "_textmill_given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Rows to be put in, staged.

    Attributes
    ----------
    parts
        Files in order.
    schema
        Their columns.
    fingerprint
        Of their content.
    """

    parts: tuple[StagedPart, ...]
    schema: pa.Schema
    fingerprint: Fingerprint


def stage_rows(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, staging: Path, *, part_bytes: int = PART_BYTES
) -> Given:
    """The rows written aside in files of about `part_bytes` decoded, one row group in memory at a time.

    Raises
    ------
    SchemaMismatchError
        If a column cannot be stored.
    DiskFullError, StoreNotWritableError
        If they cannot be written.
    """
    stored = stored_schema(schema)
    content = content_schema(stored).names
    counted = _Counted(batches, stored, content, part_bytes)
    parts: list[StagedPart] = []
    while counted.more():
        parts.append(write_batches(counted.part(), stored, staging / f"given-{len(parts):06d}.parquet"))
    return Given(parts=tuple(parts), schema=stored, fingerprint=counted.fingerprint)


class _Counted:
    """A stream of batches cut into parts, with the fingerprint of what has passed."""

    def __init__(
        self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, content: Sequence[str], part_bytes: int
    ) -> None:
        self._batches, self._schema, self._content, self._part_bytes = iter(batches), schema, content, part_bytes
        self._ahead: pa.RecordBatch | None = None
        self.fingerprint = Fingerprint.empty()

    def more(self) -> bool:
        while self._ahead is None or not self._ahead.num_rows:
            batch = next(self._batches, None)
            if batch is None:
                return False
            self._ahead = batch
        return True

    def part(self) -> Iterator[pa.RecordBatch]:
        size = 0
        while size < self._part_bytes and self.more():
            table = fit(pa.Table.from_batches([self._ahead]), self._schema).combine_chunks()
            self._ahead = None
            self.fingerprint = self.fingerprint.merge(fingerprint_of(table, self._content))
            for batch in table.to_batches():
                size += batch_bytes(batch)
                yield batch


@dataclass(slots=True, kw_only=True)
class Upserting:
    """Works out the edits that put rows in by key.

    Attributes
    ----------
    key
        The columns that tell rows apart.
    given
        The rows.
    opened
        Gives a database that sees a version, and the files named beside it.
    rewriting
        Rewrites files.
    """

    key: Sequence[str]
    given: Given
    opened: Callable[[Snapshot, Sequence[str]], Database]
    rewriting: Rewriting

    def work_out(self, base: Head, snapshot: Snapshot) -> Edit | None:
        """The edit of a version; None where no row is given.

        Raises
        ------
        SchemaMismatchError
            If the given rows do not fit the columns, lack a key, or repeat one.
        """
        if not self.given.parts:
            return None
        schema = union_schema(snapshot.version.dataset, snapshot.schema, self.given.schema)
        with self.opened(snapshot, [part.path for part in self.given.parts]) as database:
            self._require_keys(database, snapshot)
            matches = Matches(database, snapshot.version.dataset, snapshot.schema, self._condition(snapshot))
            taken = self.rewriting.without(matches, snapshot.files, schema, base.shown)
            updated = self._known(database, snapshot) if taken else 0
        mark = (base.fingerprint or Fingerprint.empty()).merge(self.given.fingerprint)
        for rewritten in taken:
            mark = mark.without(rewritten.removed)
        return Edit(
            fingerprint=mark,
            schema=schema,
            removes=tuple(rewritten.source for rewritten in taken),
            adds=(
                *(
                    Placed(part=rewritten.part, place=place_of(rewritten.source))
                    for rewritten in taken
                    if rewritten.part is not None
                ),
                *(Placed(part=part) for part in self.given.parts),
            ),
            changes={
                "updated": updated,
                "inserted": self.given.fingerprint.rows - updated,
                "rewritten": sum(rewritten.part is not None for rewritten in taken),
            },
            fates=base.fates,
            arranged=base.arranged,
            shown=base.shown,
            whole=set(self.given.schema.names) == set(schema.names),
        )

    def _rows_given(self) -> str:
        return rows_of_files(self.given.schema, [part.path for part in self.given.parts], uniform=True)

    def _same(self, snapshot: Snapshot) -> str:
        name = quoted(snapshot.version.dataset)
        return " AND ".join(f"{_GIVEN}.{quoted(column)} = {name}.{quoted(column)}" for column in self.key)

    def _condition(self, snapshot: Snapshot) -> str:
        given = self._rows_given()
        return f"EXISTS (SELECT 1 FROM ({given}) AS {_GIVEN} WHERE {self._same(snapshot)})"  # noqa: S608 - quoted

    def _known(self, database: Database, snapshot: Snapshot) -> int:
        """How many given rows have a key that the version has."""
        query = (
            f"SELECT count(*) FROM ({self._rows_given()}) AS {_GIVEN} WHERE EXISTS "  # noqa: S608 - quoted
            f"(SELECT 1 FROM {quoted(snapshot.version.dataset)} WHERE {self._same(snapshot)})"
        )
        return int(database.table(query).column(0)[0].as_py())

    def _require_keys(self, database: Database, snapshot: Snapshot) -> None:
        subject = f"dataset {snapshot.version.dataset}"
        for names in (snapshot.schema.names, self.given.schema.names):
            missing = [name for name in self.key if name not in names]
            if missing or not self.key:
                raise SchemaMismatchError(
                    subject,
                    f"the key {', '.join(map(repr, missing)) or '(none)'} is not among the columns {', '.join(names)}",
                    "Name columns that the dataset and the given rows both have.",
                )
        columns = ", ".join(map(quoted, self.key))
        empty = " OR ".join(f"{quoted(name)} IS NULL" for name in self.key)
        rows = self._rows_given()
        query = (
            f"SELECT {columns}, count(*) AS rows_of_it FROM ({rows}) GROUP BY ALL "  # noqa: S608 - quoted
            f"HAVING count(*) > 1 OR {empty} LIMIT 1"
        )
        for row in database.table(query).to_pylist():
            *values, count = row.values()
            told = ", ".join(f"{name} = {value!r}" for name, value in zip(self.key, values, strict=True))
            problem = f"{told} comes {count} times" if None not in values else f"a row without a key ({told})"
            raise SchemaMismatchError(subject, f"the given rows: {problem}", "Give one row for each key.")
