"""SQL as text: names quoted, files listed, types spelled; pure functions."""

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.types as pt

from storage.versions import Snapshot

_TYPES = {
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
}

#: The columns of `rows_with_places`.
FILE, ROW = "_textmill_file", "_textmill_row"


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def literal(text: str) -> str:
    """The text as an SQL string."""
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def list_of(texts: Iterable[str]) -> str:
    """The texts as an SQL list of strings.

    It is one string that is split: DuckDB takes ten times as long over 10,000 strings as over one that holds them.
    """
    listed = list(texts)
    if not listed or any("\n" in text for text in listed):
        return f"[{', '.join(map(literal, listed))}]"
    joined = "\n".join(listed)
    return f"string_split({literal(joined)}, chr(10))"


def sql_type(kind: pa.DataType) -> str:
    """DuckDB's name of a stored type."""
    if pt.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if pt.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz is None else "TIMESTAMP WITH TIME ZONE"
    return _TYPES.get(kind, "VARCHAR")


def no_rows(schema: pa.Schema) -> str:
    """A query that gives the columns of `schema` and no row."""
    columns = (f"CAST(NULL AS {sql_type(field.type)}) AS {quoted(field.name)}" for field in schema)
    return f"SELECT {', '.join(columns)} WHERE false"


def rows_of_files(schema: pa.Schema, paths: Sequence[str], *, uniform: bool) -> str:
    """A query that gives the rows of these Parquet files in order, with exactly the columns of `schema`.

    Partitions are never guessed from the names of folders: a store below ``year=2024/`` has no column `year`.
    """
    if not paths:
        return no_rows(schema)
    columns = ", ".join(quoted(field.name) for field in schema)
    files = list_of(paths)
    if uniform:
        return f"SELECT {columns} FROM read_parquet({files}, hive_partitioning = false)"  # noqa: S608 - quoted
    return (
        f"SELECT {columns} FROM ({no_rows(schema)} UNION ALL BY NAME "  # noqa: S608 - quoted
        f"SELECT * FROM read_parquet({files}, hive_partitioning = false, union_by_name = true))"
    )


def rows_with_places(schema: pa.Schema, paths: Sequence[str]) -> str:
    """As `rows_of_files`, with each row's file under `FILE` and its number there under `ROW`."""
    places = pa.schema([*schema, (FILE, pa.string()), (ROW, pa.int64())])
    if not paths:
        return no_rows(places)
    columns = ", ".join(quoted(field.name) for field in schema)
    options = f"hive_partitioning = false, union_by_name = true, filename = {literal(FILE)}, file_row_number = true"
    return (
        f"SELECT {columns}, {quoted(FILE)}, file_row_number AS {quoted(ROW)} FROM ({no_rows(schema)} "  # noqa: S608
        f"UNION ALL BY NAME SELECT * FROM read_parquet({list_of(paths)}, {options}))"
    )


def rows_of_snapshot(snapshot: Snapshot) -> str:
    """A query that gives the rows of a version in order."""
    paths = [file.path for file in snapshot.files]
    return rows_of_files(snapshot.schema, paths, uniform=snapshot.uniform)
