"""What became of the rows that a version did not keep.

The fates files belong to the version that they explain: they lie in its dataset's ``_fates`` folder and are named by
its log entry, so that a version and its fates become visible in the same instant.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.errors import StagedPartError
from storage.history import Head
from storage.layout import DatasetLayout
from storage.parquet import StagedPart, open_parquet
from storage.schema import fit

#: The columns of a staged fates file.
FATE_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("position", pa.int64()),
        ("fate", pa.string()),
        ("reason", pa.string()),
        ("survivor_source", pa.string()),
        ("survivor_position", pa.int64()),
        ("record", pa.string()),
    ]
)
#: The columns of fates as they are read: whose they are comes first.
FATES_SCHEMA = pa.schema([("dataset", pa.string()), ("version", pa.int64()), ("run", pa.string()), *FATE_SCHEMA])
_REQUIRED = ("source", "position", "fate", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class FatesFile:
    """One fates file and whose it is."""

    path: str
    rows: int
    dataset: str
    version: int
    run: str


def check_fates(parts: Sequence[StagedPart], footers: Sequence[pq.FileMetaData]) -> None:
    """Nothing where the staged files have the columns of `FATE_SCHEMA`; those after `reason` may be missing.

    Raises
    ------
    StagedPartError
        If a column is missing, unknown or of another type.
    """
    known = {field.name: field.type for field in FATE_SCHEMA}
    for part, footer in zip(parts, footers, strict=True):
        found = {field.name: field.type for field in footer.schema.to_arrow_schema()}
        wrong = [f"{name}: {kind}" for name, kind in found.items() if known.get(name) != kind]
        missing = [name for name in _REQUIRED if name not in found]
        if wrong or missing:
            raise StagedPartError(
                part.path,
                f"not a fates file (wrong: {', '.join(wrong) or 'none'}; missing: {', '.join(missing) or 'none'})",
                f"Write the columns {', '.join(FATE_SCHEMA.names)}.",
            )


def fates_files(layout: DatasetLayout, head: Head) -> list[FatesFile]:
    """The fates files of a version, in the order of their parts."""
    version = head.version
    return [
        FatesFile(
            path=str(layout.fates / line["name"]),
            rows=int(line["rows"]),
            dataset=version.dataset,
            version=version.number,
            run=version.run,
        )
        for line in head.fates
    ]


def iter_fates(files: Sequence[FatesFile], *, reason: str | None = None) -> Iterator[pa.Table]:
    """Tables of `FATES_SCHEMA`, one row group each, in the order of the files; without empty ones."""
    for file in files:
        with open_parquet(file.path) as parquet:
            for group in range(parquet.num_row_groups):
                rows = fit(parquet.read_row_group(group), FATE_SCHEMA)
                if reason is not None:
                    rows = rows.filter(pc.equal(rows["reason"], reason))
                if rows.num_rows:
                    yield _signed(file, rows)


def _signed(file: FatesFile, rows: pa.Table) -> pa.Table:
    whose = [
        pa.repeat(pa.scalar(value, field.type), rows.num_rows)
        for value, field in zip((file.dataset, file.version, file.run), FATES_SCHEMA, strict=False)
    ]
    return pa.table([*whose, *rows.columns], schema=FATES_SCHEMA)


def read_fates(files: Sequence[FatesFile], *, reason: str | None = None, limit: int | None = None) -> pa.Table:
    """A table of `FATES_SCHEMA` with the first `limit` rows; with all of them for None."""
    tables, rows = [FATES_SCHEMA.empty_table()], 0
    for table in iter_fates(files, reason=reason):
        if limit is not None and rows >= limit:
            break
        tables.append(table if limit is None else table.slice(0, limit - rows))
        rows += table.num_rows
    return pa.concat_tables(tables)
