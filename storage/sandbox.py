"""A DuckDB of its own for one query: in memory, with views over exactly the files it may see, and nothing else.

Text from anyone can be run in it: it cannot write, open another file, reach the network, load an extension, see
Python's variables or change a setting. Only reading statements are let in at all.
"""

import difflib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from storage.buckets import file_system, is_object_uri
from storage.errors import QueryError
from storage.sql_text import list_of, literal, quoted

DEFAULT_MEMORY_BYTES = 2 << 30
_CLOSED = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
}
_EXPLAIN = re.compile(r"\s*explain\b\s*(?P<options>\([^)]*\))?", re.IGNORECASE)
_UNKNOWN_TABLE = re.compile(r"Table with name (\S+) does not exist")
_LINE = re.compile(r"LINE \d+:.*")


def open_database(spill: Path, memory_bytes: int, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """An empty in-memory DuckDB that loads nothing and spills to `spill`."""
    connection = duckdb.connect(":memory:")
    for setting, value in _CLOSED.items():
        connection.execute(f"SET {setting} = {str(value).lower()}")
    connection.execute(f"SET memory_limit = '{memory_bytes}B'")
    # Without a place of its own, the other would tell where the user's home is.
    for setting in ("temp_directory", "secret_directory"):
        connection.execute(f"SET {setting} = {literal(str(spill))}")
    connection.execute(f"SET threads = {threads or os.cpu_count() or 1}")
    connection.execute("SET enable_progress_bar = false")
    return connection


def close_files(connection: duckdb.DuckDBPyConnection, files: Iterable[str]) -> None:
    """Nothing; the connection can open these files only. Its settings can still be changed: see `close_off`."""
    connection.execute(f"SET allowed_paths = {list_of(files)}")
    connection.execute("SET enable_external_access = false")


def lock_settings(connection: duckdb.DuckDBPyConnection) -> None:
    """Nothing; the connection's settings are fixed."""
    connection.execute("SET lock_configuration = true")


def close_off(connection: duckdb.DuckDBPyConnection, files: Iterable[str]) -> None:
    """Nothing; the connection can open these files only, and its settings are fixed.

    Text of others is given to no connection that has its files open: planning alone reads files and tells of them.
    """
    close_files(connection, files)
    lock_settings(connection)


def add_views(
    connection: duckdb.DuckDBPyConnection,
    views: Mapping[str, str],
    tables: Mapping[str, pa.Table],
    files: Iterable[str] = (),
) -> None:
    """Nothing; the connection has these views, and Arrow tables by name. ``schema.name`` makes the schema too.

    Where `files`, which the views read, lie in a bucket, it can reach them: through the store's own client, so that no
    extension is needed. `close_off` takes all others from its sight.
    """
    for scheme in {file.partition("://")[0] for file in files if is_object_uri(file)}:
        connection.register_filesystem(file_system(scheme))
    for name, table in tables.items():
        connection.register(name, table)
    for name, query in views.items():
        *schema, view = name.split(".", 1)
        if schema:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema[0])}")
        target = ".".join(map(quoted, [*schema, view]))
        connection.execute(f"CREATE VIEW {target} AS {query}")


def require_reading(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """The one statement in `query`, which only reads.

    Raises
    ------
    QueryError
        If it cannot be parsed, is not one statement, or would do anything but read.
    """
    with told(query, ()):
        statements = connection.extract_statements(query)
        explained = _EXPLAIN.match(query)
        if len(statements) == 1 and explained and _kind(statements[0]) == duckdb.StatementType.EXPLAIN:
            inner = connection.extract_statements(query[explained.end() :])
            options = (explained["options"] or "").casefold()
            if [_kind(one) for one in inner] == [duckdb.StatementType.SELECT] and "analyze" not in options:
                return query
    if len(statements) != 1:
        raise QueryError(_short(query), f"{len(statements)} statements", "Write exactly one query.")
    if (kind := _kind(statements[0])) != duckdb.StatementType.SELECT:
        raise QueryError(
            _short(query),
            f"{'this' if kind is None else kind.name} is not allowed: queries read, and nothing else",
            "Write a SELECT; versions are made by jobs.",
        )
    return query.rstrip().rstrip(";")


def _kind(statement: duckdb.Statement) -> duckdb.StatementType | None:
    """None for a kind that DuckDB has, and its Python package has no name for."""
    try:
        return statement.type
    except ValueError:
        return None


@contextmanager
def told(query: str, names: Iterable[str]) -> Iterator[None]:
    """A block in which DuckDB's errors become `QueryError`; unknown tables come with the nearest of `names`."""
    try:
        yield
    except duckdb.Error as error:
        raise _told(query, list(names), error) from error


def _told(query: str, names: list[str], error: duckdb.Error) -> QueryError:
    text = str(error)
    unknown = _UNKNOWN_TABLE.search(text)
    if unknown:
        wanted = unknown[1].strip('"')
        close = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
        hint = f'Did you mean "{close[0]}"? ' if close else ""
        return QueryError(_short(query), f'there is no table "{wanted}"', f"{hint}Known: {', '.join(names) or 'none'}.")
    if isinstance(error, duckdb.PermissionException):
        return QueryError(
            _short(query),
            f"not allowed ({text.splitlines()[0]})",
            f"A query sees the store's tables alone: {', '.join(names) or 'none'}.",
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError(_short(query), "it needs more memory than allowed", "Select fewer rows or columns.")
    if isinstance(error, duckdb.IOException) or ".parquet" in text.splitlines()[0]:
        return QueryError(
            _short(query),
            f"a file of the version cannot be read ({text.splitlines()[0]})",
            "A vacuum may have removed it: run the query again, or `textmill verify`.",
        )
    where = _LINE.search(text)
    problem = text.splitlines()[0].rstrip(".!") + (f" ({where[0].strip()})" if where else "")
    candidates = next((line for line in text.splitlines() if line.startswith("Candidate")), "")
    return QueryError(_short(query), problem, f"{candidates + '. ' if candidates else ''}Correct the query.")


def _short(query: str) -> str:
    line = " ".join(query.split())
    return f"query {line[:80]!r}{'...' if len(line) > 80 else ''}"


def new_spill_folder(cache: Path) -> Path:
    """A fresh folder for what does not fit into memory; the caller removes it."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="spill-", dir=cache))
    except OSError:
        return Path(tempfile.mkdtemp(prefix="textmill-spill-"))
