"""Columns added, widened, renamed and dropped, as one version.

A column that is only added costs nothing: earlier files lack it, and their rows are null there. For every other change
all files are written anew with exactly the columns that the version has, so that each version, old or new, can be
read file by file by any program, without a mapping of names or types.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from storage.edits.landing import Edit, Placed, place_of
from storage.errors import SchemaMismatchError
from storage.fingerprint import Fingerprint, fingerprint_of
from storage.history import Head
from storage.parquet import StagedPart, write_batches
from storage.scan import iter_file
from storage.schema import content_schema, stored_schema, stored_type
from storage.versions import DataFile, Snapshot

_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamp_utc": pa.timestamp("us", "UTC"),
    "bytes": pa.binary(),
}
_ALIASES = {"int": "int64", "float": "float64", "double": "float64", "string": "text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChanges:
    """What to do to columns; names are those of the version before.

    Attributes
    ----------
    add, widen
        Name -> type.
    rename
        Name -> new name.
    drop
        Names.
    """

    add: Mapping[str, pa.DataType] = field(default_factory=dict)
    widen: Mapping[str, pa.DataType] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: Sequence[str] = ()

    @property
    def rewrites(self) -> bool:
        """Whether files have to be written anew."""
        return bool(self.widen or self.rename or self.drop)

    def told(self) -> str:
        """The changes in words."""
        return ", ".join(
            [
                *(f"add {name}: {kind}" for name, kind in self.add.items()),
                *(f"widen {name} to {kind}" for name, kind in self.widen.items()),
                *(f"rename {name} to {new}" for name, new in self.rename.items()),
                *(f"drop {name}" for name in self.drop),
            ]
        )


def type_named(text: str) -> pa.DataType:
    """The stored type that a person calls `text`, such as text, int64, float32, date or decimal(12,2).

    Raises
    ------
    SchemaMismatchError
        If there is none of this name.
    """
    name = text.strip().casefold()
    if name.startswith("decimal(") and name.endswith(")"):
        digits = [each.strip() for each in name[8:-1].split(",")]
        if len(digits) == 2 and all(map(str.isdigit, digits)) and int(digits[1]) <= int(digits[0]) in range(1, 39):
            return pa.decimal128(int(digits[0]), int(digits[1]))
    kind = _TYPES.get(_ALIASES.get(name, name))
    if kind is None:
        raise SchemaMismatchError(repr(text), "not a type", f"Use one of {', '.join(_TYPES)}, decimal(p,s).")
    return kind


def can_widen(old: pa.DataType, new: pa.DataType) -> bool:
    """Whether every value of `old` is a value of `new`."""
    if (pt.is_integer(old) and pt.is_integer(new)) or (pt.is_floating(old) and pt.is_floating(new)):
        return bool(old.bit_width <= new.bit_width)
    if pt.is_integer(old) and pt.is_floating(new):
        return bool(old.bit_width <= (32 if new.bit_width == 64 else 16))
    if pt.is_decimal(old) and pt.is_decimal(new):
        return bool(new.scale >= old.scale and new.precision - new.scale >= old.precision - old.scale)
    if pt.is_integer(old) and pt.is_decimal(new):
        return bool(new.precision - new.scale >= {8: 3, 16: 5, 32: 10, 64: 19}[old.bit_width])
    if pt.is_date32(old) and pt.is_timestamp(new):
        return new.tz is None
    return bool(pt.is_string(new) and not pt.is_binary(old))


def changed_schema(dataset: str, schema: pa.Schema, changes: ColumnChanges) -> pa.Schema:
    """The columns after the changes, in their order, those added last.

    Raises
    ------
    SchemaMismatchError
        If a change cannot be made; all that is wrong is told.
    """
    fields = [
        pa.field(changes.rename.get(each.name, each.name), changes.widen.get(each.name, each.type))
        for each in schema
        if each.name not in changes.drop
    ]
    fields += [pa.field(name, kind) for name, kind in changes.add.items()]
    if problems := _problems(schema, changes, [each.name for each in fields]):
        raise SchemaMismatchError(
            f"dataset {dataset}", "; ".join(dict.fromkeys(problems)), f"Columns: {', '.join(schema.names)}."
        )
    return stored_schema(pa.schema(fields))


def _problems(schema: pa.Schema, changes: ColumnChanges, names: Sequence[str]) -> list[str]:
    named = [*changes.widen, *changes.rename, *changes.drop]
    problems = [f"there is no column {name!r}" for name in named if name not in schema.names]
    problems += [
        f"{name!r} cannot become {kind} (it is {schema.field(name).type}) without losing values"
        for name, kind in changes.widen.items()
        if name in schema.names and not can_widen(schema.field(name).type, kind)
    ]
    problems += [f"there is a column {name!r} already" for name in changes.add if name in schema.names]
    problems += [f"{kind} cannot be stored" for kind in changes.add.values() if stored_type(kind) != kind]
    problems += [f"two columns would be called {name!r}" for name in dict.fromkeys(names) if names.count(name) > 1]
    if not any(not name.startswith("_") for name in names):
        problems.append("no column would be left")
    return problems


@dataclass(slots=True, kw_only=True)
class Changing:
    """Works out the edits that change columns.

    Attributes
    ----------
    changes
        What to do.
    staging
        Where files are written aside.
    """

    changes: ColumnChanges
    staging: Path
    _done: dict[str, tuple[StagedPart, Fingerprint]] = field(default_factory=dict)

    def work_out(self, base: Head, snapshot: Snapshot) -> Edit | None:
        """The edit of a version; raises `SchemaMismatchError` where it cannot be made."""
        schema = changed_schema(snapshot.version.dataset, snapshot.schema, self.changes)
        if schema.equals(snapshot.schema):
            return None
        arranged = self._arranged(base.arranged)
        if not self.changes.rewrites:
            return Edit(
                fingerprint=base.fingerprint or Fingerprint.empty(),
                schema=schema,
                changes={"columns": len(self.changes.add)},
                fates=base.fates,
                arranged=arranged,
            )
        shown = tuple(arranged.get("shown", ()))
        mark, adds = Fingerprint.empty(), []
        for file in snapshot.files:
            if file.path not in self._done:
                self._done[file.path] = self._rewritten(file, snapshot.schema, schema, shown)
            part, own = self._done[file.path]
            mark = mark.merge(own)
            adds.append(Placed(part=part, place=place_of(file)))
        return Edit(
            fingerprint=mark,
            schema=schema,
            adds=tuple(adds),
            changes={"rewritten": len(adds)},
            replace=True,
            fates=base.fates,
            arranged=arranged,
            shown=shown,
        )

    def _arranged(self, arranged: Mapping[str, Any]) -> dict[str, Any]:
        """How files lie, in the new names; a dropped column arranges nothing."""
        return {
            what: [self.changes.rename.get(name, name) for name in value if name not in self.changes.drop]
            if isinstance(value, list)
            else value
            for what, value in arranged.items()
        }

    def _rewritten(
        self, file: DataFile, old: pa.Schema, new: pa.Schema, shown: Sequence[str]
    ) -> tuple[StagedPart, Fingerprint]:
        mark = Fingerprint.empty()
        content = content_schema(new).names
        back = {self.changes.rename.get(name, name): name for name in old.names if name not in self.changes.drop}

        def batches() -> Iterator[pa.RecordBatch]:
            nonlocal mark
            for batch in iter_file(file, old):
                columns = [
                    batch.column(back[each.name]).cast(each.type)
                    if each.name in back
                    else pa.nulls(batch.num_rows, each.type)
                    for each in new
                ]
                made = pa.RecordBatch.from_arrays(columns, schema=new)
                mark = mark.merge(fingerprint_of(pa.Table.from_batches([made]), content))
                yield made

        part = write_batches(batches(), new, self.staging / f"columns-{len(self._done):06d}.parquet", shown=shown)
        return part, mark
