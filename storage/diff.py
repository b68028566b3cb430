"""What tells two versions of a dataset apart: columns, counts, label shares, and the rows themselves by content.

Files that both versions have cannot make a difference, so only the others are read; rows are compared as multisets
(`EXCEPT ALL`), which spills to disk beyond the memory it is given.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from storage.errors import QueryError
from storage.query import QueryResult, Relations
from storage.sandbox import DEFAULT_MEMORY_BYTES
from storage.schema import content_schema, schema_changes
from storage.sql_text import quoted, rows_of_files, sql_type
from storage.versions import Snapshot, Version

_BEFORE, _AFTER = "before", "after"
CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDiff:
    """How a version differs from an earlier one of the same dataset.

    Attributes
    ----------
    left, right
        The two versions; what is "added" is in `right` only.
    added_columns, removed_columns, changed_columns
        As ``name: type`` texts.
    added_rows, removed_rows
        Rows by content, counted as often as they occur; a changed row is one removed and one added.
    labels
        Label -> rows in `left` and in `right`; empty where a version lacks the label column.
    """

    left: Version
    right: Version
    added_columns: tuple[str, ...]
    removed_columns: tuple[str, ...]
    changed_columns: tuple[str, ...]
    added_rows: int
    removed_rows: int
    labels: Mapping[str | None, tuple[int, int]]

    @property
    def same(self) -> bool:
        """Whether both have the same content."""
        columns = self.added_columns or self.removed_columns or self.changed_columns
        return not columns and not self.added_rows and not self.removed_rows


class Differ:
    """Compares two versions.

    Parameters
    ----------
    left, right
        Snapshots of the same dataset.
    cache
        Where what does not fit into memory is put.
    memory_bytes
        What a comparison may hold in memory.
    """

    def __init__(self, left: Snapshot, right: Snapshot, cache: Path, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> None:
        self._left, self._right = left, right
        self._cache, self._memory_bytes = cache, memory_bytes
        self._schema = _common(content_schema(left.schema), content_schema(right.schema))

    def rows(self, which: str, key: Sequence[str] = ()) -> QueryResult:
        """The rows that differ, streamed: ``"added"`` (in the right version), ``"removed"`` or ``"changed"``.

        Parameters
        ----------
        key
            Columns that tell rows apart. Without them rows are compared as a whole, and none counts as changed. With
            them a row is added or removed where its key is in one version only; a changed one has its key, then for
            every other column what it was and what it is.

        Raises
        ------
        QueryError
            If "changed" is asked for without a key, a key is no column of both versions, or occurs twice in one.
        """
        if not key and which != CHANGED:
            return self._ask(f"{_difference(which)} ORDER BY ALL")
        self._require_key(key)
        return self._ask(self._by_key(which, key))

    def _require_key(self, key: Sequence[str]) -> None:
        both = set(self._left.schema.names) & set(self._right.schema.names)
        missing = [name for name in key if name not in both]
        if missing or not key:
            told = ", ".join(map(repr, missing)) or "no column"
            raise QueryError("diff by key", f"{told} is a column of both versions", f"Name some of {_told(both)}.")
        columns = ", ".join(map(quoted, key))
        for side, snapshot in ((_BEFORE, self._left), (_AFTER, self._right)):
            query = f"SELECT {columns} FROM {side} GROUP BY ALL HAVING count(*) > 1 LIMIT 1"  # noqa: S608 - quoted
            # Over all files: a key that an unchanged file holds too would make the answer wrong.
            with self._run(query) as result:
                for row in result.read_all().to_pylist():
                    raise QueryError(
                        "diff by key",
                        f"version {snapshot.version.number} has {row} more than once",
                        "Name columns that tell rows apart, or compare without a key.",
                    )

    def _by_key(self, which: str, key: Sequence[str]) -> str:
        same = " AND ".join(f"b.{quoted(name)} IS NOT DISTINCT FROM a.{quoted(name)}" for name in key)
        if which != CHANGED:
            one, other = (_AFTER, _BEFORE) if which == "added" else (_BEFORE, _AFTER)
            return f"SELECT a.* FROM {one} a ANTI JOIN {other} b ON {same} ORDER BY ALL"  # noqa: S608 - quoted
        others = [field.name for field in self._schema if field.name not in key]
        shown = [f"a.{quoted(name)} AS {quoted(name)}" for name in key]
        for name in others:
            shown += [f"b.{quoted(name)} AS {quoted(f'{name} (was)')}", f"a.{quoted(name)} AS {quoted(name)}"]
        differs = " OR ".join(f"b.{quoted(name)} IS DISTINCT FROM a.{quoted(name)}" for name in others) or "false"
        order = ", ".join(f"a.{quoted(name)}" for name in key)
        return (
            f"SELECT {', '.join(shown)} FROM {_AFTER} a JOIN {_BEFORE} b ON {same} "  # noqa: S608 - quoted
            f"WHERE {differs} ORDER BY {order}"
        )

    def _ask(self, query: str) -> QueryResult:
        shared = {file.path for file in self._left.files} & {file.path for file in self._right.files}
        return self._run(query, shared)

    def _run(self, query: str, left_out: Set[str] = frozenset()) -> QueryResult:
        views, files = {}, []
        for name, snapshot in ((_BEFORE, self._left), (_AFTER, self._right)):
            paths = [file.path for file in snapshot.files if file.path not in left_out]
            rows = rows_of_files(content_schema(snapshot.schema), paths, uniform=snapshot.uniform)
            views[name] = f"SELECT {self._columns(snapshot)} FROM ({rows})"  # noqa: S608 - quoted
            files += paths
        relations = Relations(views=views, tables={}, files=files, names=[_BEFORE, _AFTER])
        return QueryResult(query, lambda: relations, self._cache, self._memory_bytes)

    def _columns(self, snapshot: Snapshot) -> str:
        # Both sides have the same columns: what one lacks is null there, what was retyped is compared as text.
        held = {field.name: field.type for field in content_schema(snapshot.schema)}
        texts = []
        for field in self._schema:
            source = quoted(field.name) if field.name in held else "NULL"
            if held.get(field.name) != field.type:
                source = f"CAST({source} AS {sql_type(field.type)})"
            texts.append(f"{source} AS {quoted(field.name)}")
        return ", ".join(texts)

    def labels(self, column: str) -> dict[str | None, tuple[int, int]]:
        """Label -> rows in the left and right version, sorted by label; empty where one lacks the column."""
        if any(column not in snapshot.schema.names for snapshot in (self._left, self._right)):
            return {}
        name = quoted(column)
        query = f"""
            SELECT CAST({name} AS VARCHAR) AS label, count(*) FILTER (side = 0), count(*) FILTER (side = 1)
            FROM (SELECT {name}, 0 AS side FROM {_BEFORE} UNION ALL SELECT {name}, 1 FROM {_AFTER})
            GROUP BY label ORDER BY label
        """  # noqa: S608 - the name is quoted
        with self._run(query) as result:
            columns = result.read_all().columns
        lines = zip(*(column.to_pylist() for column in columns), strict=True)
        return {label: (before, after) for label, before, after in lines}

    def summary(self, label: str = "label") -> VersionDiff:
        """The difference in short, with the shares of the column `label`."""
        added, removed, changed = schema_changes(content_schema(self._left.schema), content_schema(self._right.schema))
        return VersionDiff(
            left=self._left.version,
            right=self._right.version,
            added_columns=tuple(added),
            removed_columns=tuple(removed),
            changed_columns=tuple(changed),
            added_rows=self._count("added"),
            removed_rows=self._count("removed"),
            labels=self.labels(label),
        )

    def _count(self, which: str) -> int:
        with self._ask(f"SELECT count(*) FROM ({_difference(which)})") as result:  # noqa: S608 - own text
            return int(result.read_all().column(0)[0].as_py())


def _told(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _common(left: pa.Schema, right: pa.Schema) -> pa.Schema:
    """The columns of both; one with two types is text."""
    after = {field.name: field.type for field in right}
    kept = [
        field if after.get(field.name, field.type) == field.type else field.with_type(pa.string()) for field in left
    ]
    return pa.schema([*kept, *(field for field in right if field.name not in left.names)])


def _difference(which: str) -> str:
    one, other = (_AFTER, _BEFORE) if which == "added" else (_BEFORE, _AFTER)
    return f"SELECT * FROM {one} EXCEPT ALL SELECT * FROM {other}"  # noqa: S608 - own names
