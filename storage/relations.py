"""What a query may see of a store: pinned versions of the datasets it names, and the system tables.

``_system.runs``, ``models``, ``stages``, ``tags``, ``versions``, ``sources`` and ``fates`` are made for the query from
the store's own records; fates are read from their files through a join with whose they are.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage.fates import FATE_SCHEMA, FATES_SCHEMA, fates_files
from storage.history import entries, head_of
from storage.layout import SYSTEM, StoreLayout
from storage.query import Relations
from storage.registry import Models, Runs
from storage.searches import Searches
from storage.sources import version_sources
from storage.sql_text import list_of, no_rows, quoted, rows_of_snapshot
from storage.stages import Stages
from storage.system import SERIAL, SystemTable
from storage.tags import Tags
from storage.vacuumed import vacuumed_numbers
from storage.versions import Snapshot

SYSTEM_TABLES = ("fates", "models", "runs", "searches", "sources", "stages", "tags", "versions")
_VERSIONS = pa.schema(
    [(name, pa.string()) for name in ("dataset", "fingerprint", "run", "mode", "message", "author", "created_at")]
    + [(name, pa.int64()) for name in ("version", "rows", "bytes", "files", "origin")]
    + [("ledger", pa.string())]
)
_SOURCES = pa.schema([("dataset", pa.string()), ("version", pa.int64()), ("source", pa.string()), ("rows", pa.int64())])
_FATES_FILES = pa.schema([("filename", pa.string()), *FATES_SCHEMA][:4])


def mentioned(query: str, names: Iterable[str]) -> list[str]:
    """The names that occur somewhere in the query's text: all it can refer to, and perhaps a few more."""
    text = query.casefold()
    return [name for name in names if name.casefold() in text]


def relations_for(
    layout: StoreLayout, query: str, names: list[str], snapshots: Mapping[str, Snapshot], moment: int
) -> Relations:
    """The views that `query` can refer to.

    Parameters
    ----------
    names
        All datasets.
    snapshots
        Those it mentions, pinned.
    moment
        Nanoseconds since 1970; system tables show what was known by then.
    """
    views = {name: rows_of_snapshot(snapshot) for name, snapshot in snapshots.items()}
    files = [file.path for snapshot in snapshots.values() for file in snapshot.files]
    tables: dict[str, pa.Table] = {}
    if SYSTEM in query.casefold():
        for name in mentioned(query, SYSTEM_TABLES):
            table, view, more = _MAKERS[name](layout, names, moment)
            tables[_hidden(name)], views[f"{SYSTEM}.{name}"] = table, view
            files += more
    known = [*names, *(f"{SYSTEM}.{name}" for name in SYSTEM_TABLES)]
    return Relations(views=views, tables=tables, files=files, names=known)


_Made = tuple[pa.Table, str, list[str]]


def _hidden(name: str) -> str:
    return f"__system_{name}"


def _everything(name: str) -> str:
    return f"SELECT * FROM {quoted(_hidden(name))}"  # noqa: S608 - the name is quoted


def _newest_rows(table: SystemTable, key: list[str], moment: int) -> pa.Table:
    newest = {tuple(row[name] for name in key): row for row in table.read().to_pylist() if row[SERIAL] <= moment}
    return pa.Table.from_pylist(list(newest.values()), schema=table.schema)


def _runs(layout: StoreLayout, _names: list[str], moment: int) -> _Made:
    return _newest_rows(Runs(layout).table, ["run"], moment), _everything("runs"), []


def _models(layout: StoreLayout, _names: list[str], moment: int) -> _Made:
    models = Models(layout)
    rows = _newest_rows(models.table, ["model"], moment)
    held = models.folders()
    there = [model in held for model in rows["model"].to_pylist()]
    return rows.filter(pa.array(there, pa.bool_())), _everything("models"), []


def _searches(layout: StoreLayout, _names: list[str], moment: int) -> _Made:
    rows = Searches(layout).table.read()
    return rows.filter(pc.less_equal(rows[SERIAL], moment)), _everything("searches"), []


def _stages(layout: StoreLayout, _names: list[str], moment: int) -> _Made:
    rows = Stages(layout).table.read()
    return rows.filter(pc.less_equal(rows[SERIAL], moment)), _everything("stages"), []


def _tags(layout: StoreLayout, _names: list[str], moment: int) -> _Made:
    rows = _newest_rows(Tags(layout).table, ["dataset", "tag"], moment)
    return rows.filter(rows["version"].is_valid()), _everything("tags"), []


def _versions(layout: StoreLayout, names: list[str], moment: int) -> _Made:
    rows: list[dict[str, Any]] = []
    for name in names:
        dataset = layout.dataset(name)
        for entry in entries(dataset):
            if entry.timestamp * 1_000_000 <= moment:
                version = head_of(dataset, entry).version
                row = {field: getattr(version, field, None) for field in _VERSIONS.names}
                row["version"], row["ledger"] = version.number, json.dumps(dict(version.ledger))
                rows.append(row)
    return pa.Table.from_pylist(rows, schema=_VERSIONS), _everything("versions"), []


def _fates(layout: StoreLayout, names: list[str], moment: int) -> _Made:
    rows: list[dict[str, Any]] = []
    for name in names:
        dataset = layout.dataset(name)
        gone = vacuumed_numbers(dataset)
        for entry in entries(dataset):
            if entry.timestamp * 1_000_000 <= moment and entry.number not in gone:
                for file in fates_files(dataset, head_of(dataset, entry)):
                    whose = {"dataset": file.dataset, "version": file.version, "run": file.run}
                    rows.append({"filename": file.path, **whose})
    table = pa.Table.from_pylist(rows, schema=_FATES_FILES)
    paths = sorted({row["filename"] for row in rows})
    if not paths:
        return table, no_rows(FATES_SCHEMA), []
    own = ", ".join(quoted(name) for name in FATE_SCHEMA.names)
    parquet = f"read_parquet({list_of(paths)}, hive_partitioning = false, union_by_name = true, filename = true)"
    empty = no_rows(pa.schema([*FATE_SCHEMA, ("filename", pa.string())]))
    view = (
        f"SELECT dataset, version, run, {own} FROM ({empty} UNION ALL BY NAME SELECT * FROM {parquet}) "  # noqa: S608
        f"JOIN {quoted(_hidden('fates'))} USING (filename)"
    )
    return table, view, paths


def _sources(layout: StoreLayout, names: list[str], moment: int) -> _Made:
    rows: list[dict[str, Any]] = []
    for name in names:
        young = {e.number for e in entries(layout.dataset(name)) if e.timestamp * 1_000_000 > moment}
        for number, sources in version_sources(layout, name).items():
            if number not in young:
                whose = {"dataset": name, "version": number}
                rows += [{**whose, "source": source, "rows": count} for source, count in sources.items()]
    return pa.Table.from_pylist(rows, schema=_SOURCES), _everything("sources"), []


_MAKERS: dict[str, Callable[[StoreLayout, list[str], int], _Made]] = {
    "fates": _fates,
    "models": _models,
    "runs": _runs,
    "searches": _searches,
    "sources": _sources,
    "stages": _stages,
    "tags": _tags,
    "versions": _versions,
}
