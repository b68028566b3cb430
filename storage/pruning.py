"""Leaving out the files that a query cannot need, by the statistics in the log, before any file is opened.

DuckDB itself says which filters reach which table: the query is planned over empty tables of the same names and
columns. Where that cannot be told, all files stay: leaving out is a shortcut, never a change of meaning.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.types as pt

from storage.errors import QueryError
from storage.filters import ANY, Bounds, may_match
from storage.layout import SYSTEM, parse_part_name
from storage.sandbox import close_off, open_database, require_reading
from storage.sql_text import quoted, sql_type
from storage.versions import Snapshot

_MEMORY_BYTES = 256 << 20
#: They would plan an empty table away.
_DISABLED = "statistics_propagation,late_materialization,empty_result_pullup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What a query reads of a dataset.

    Attributes
    ----------
    version
        Which version.
    files, bytes
        What is opened at most.
    files_before, bytes_before
        What the version has.
    filters
        The conditions that reach the files, as DuckDB shows them.
    columns
        Those by which files were left out, or could have been.
    """

    version: int
    files: int
    bytes: int
    files_before: int
    bytes_before: int
    filters: tuple[str, ...]
    columns: frozenset[str]


def prune(
    query: str, versions: Mapping[str, tuple[Snapshot, pa.Table]], spill: Path, *, told: bool = False
) -> tuple[dict[str, Snapshot], dict[str, Scanned]]:
    """The snapshots without the files that the query cannot need, and what was told of each.

    Parameters
    ----------
    versions
        Dataset -> the version that the query sees, and a table with `path`, and ``min.c`` and ``max.c`` for columns c,
        a row for each file.
    told
        Whether the filters are wanted also where there is nothing to leave out: no version has a second file.
    """
    snapshots = {name: snapshot for name, (snapshot, _) in versions.items()}
    pays = told or any(len(snapshot.files) > 1 for snapshot in snapshots.values())
    filters = scan_filters(query, snapshots, spill) if pays and SYSTEM not in query.casefold() else {}
    kept, scanned = {}, {}
    for name, (snapshot, bounds) in versions.items():
        scans = filters.get(name.casefold(), [])
        files, columns = _needed(snapshot, bounds, scans)
        kept[name] = replace(snapshot, files=files)
        scanned[name] = Scanned(
            version=snapshot.version.number,
            files=len(files),
            bytes=sum(file.bytes for file in files),
            files_before=len(snapshot.files),
            bytes_before=sum(file.bytes for file in snapshot.files),
            filters=tuple(dict.fromkeys(text for scan in scans for text in scan)),
            columns=columns,
        )
    return kept, scanned


def scan_filters(query: str, snapshots: Mapping[str, Snapshot], spill: Path) -> dict[str, list[list[str]]]:
    """Dataset (in lower case) -> for each time the query scans it, the filters that reach the scan."""
    connection = open_database(spill, _MEMORY_BYTES, threads=1)
    try:
        for name, snapshot in snapshots.items():
            columns = ", ".join(f"{quoted(field.name)} {sql_type(field.type)}" for field in snapshot.schema)
            connection.execute(f"CREATE TABLE {quoted(name)} ({columns})")
        connection.execute(f"SET disabled_optimizers = '{_DISABLED}'")
        statement = require_reading(connection, query)
        close_off(connection, ())
        rows = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}").fetchall()
        found: dict[str, list[list[str]]] = {}
        for node in _nodes([plan for _, text in rows for plan in json.loads(text)]):
            if "SCAN" in node["name"] and "Table" in node["extra_info"]:
                told = node["extra_info"].get("Filters") or []
                name = str(node["extra_info"]["Table"]).split(".", 2)[-1].strip('"').casefold()
                found.setdefault(name, []).append([told] if isinstance(told, str) else list(told))
    except (duckdb.Error, QueryError, ValueError, KeyError):
        return {}  # the query itself will say what is wrong, if anything is
    else:
        return found
    finally:
        connection.close()


def _nodes(plans: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    waiting = list(plans)
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.get("children", ()))


def _needed(snapshot: Snapshot, bounds: pa.Table, scans: list[list[str]]) -> tuple[tuple[Any, ...], frozenset[str]]:
    """The files that some scan may need, in order, and the columns of the filters that say so."""
    columns = _known_columns(snapshot, bounds)
    conditions, used = [], set[str]()
    for scan in scans:
        # An optional filter is one that the query implies: it is there to leave things out.
        told = [may_match(text.removeprefix("optional:"), columns) for text in scan]
        used |= {name for _, names in told for name in names}
        conditions.append(" AND ".join(f"coalesce({condition}, true)" for condition, _ in told) or ANY)
    if not used or any(condition == ANY for condition in conditions):
        return snapshot.files, frozenset(used)
    connection = duckdb.connect(":memory:")
    try:
        connection.register("files", bounds)
        query = f"SELECT path FROM files WHERE {' OR '.join(f'({each})' for each in conditions)}"  # noqa: S608
        needed = {row[0] for row in connection.execute(query).fetchall()}
    except duckdb.Error:
        return snapshot.files, frozenset(used)
    finally:
        connection.close()
    # Only what the store itself wrote is left out: others may round the bounds of times.
    files = tuple(
        file for file in snapshot.files if (name := Path(file.path).name) in needed or parse_part_name(name) is None
    )
    return files, frozenset(used)


def _known_columns(snapshot: Snapshot, bounds: pa.Table) -> dict[str, Bounds]:
    # Floating numbers have no order that all agree on: NaN.
    return {
        field.name: Bounds(quoted(f"min.{field.name}"), quoted(f"max.{field.name}"))
        for field in snapshot.schema
        if f"min.{field.name}" in bounds.column_names
        and f"max.{field.name}" in bounds.column_names
        and not pt.is_floating(field.type)
    }
