"""Which columns the store can hold and as what: pure functions over Arrow schemas."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.types as pt

from storage.errors import SchemaMismatchError

#: The columns that say where a row came from; they are stored but are no part of a version's content.
ROW_ID_COLUMNS = ("_source", "_position")

_WIDENED = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.float16(): pa.float32()}
_KEPT = (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.bool_(), pa.date32())


def stored_type(kind: pa.DataType) -> pa.DataType | None:
    """The type a column of `kind` has in the store, or None where the store has no place for it.

    Text of every encoding becomes `string`, unsigned integers the next wider signed ones, times microseconds, an
    all-null column text.
    """
    if pt.is_dictionary(kind):
        return stored_type(kind.value_type)
    if pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind) or pt.is_null(kind):
        return pa.string()
    if pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind) or pt.is_binary_view(kind):
        return pa.binary()
    if pt.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz is not None else None)
    if pt.is_date64(kind):
        return pa.date32()
    if pt.is_uint64(kind):
        return pa.decimal128(20, 0)
    if pt.is_decimal(kind) and kind.precision <= 38:
        return pa.decimal128(kind.precision, kind.scale)
    return _WIDENED.get(kind, kind if kind in _KEPT else None)


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """The schema that a table of `schema` has once stored: every field nullable, no metadata.

    Raises
    ------
    SchemaMismatchError
        If a column has a type without a place in the store, or two names differ in case alone.
    """
    problems = []
    seen: dict[str, str] = {}
    fields = []
    for field in schema:
        kind = stored_type(field.type)
        if kind is None:
            problems.append(f"column {field.name!r} of type {field.type} cannot be stored")
        if (twin := seen.setdefault(field.name.casefold(), field.name)) != field.name or (
            schema.names.count(field.name) > 1
        ):
            problems.append(f"columns {twin!r} and {field.name!r} have the same name (case does not count)")
        fields.append(pa.field(field.name, kind or pa.string()))
    if problems:
        raise SchemaMismatchError(
            "schema", "; ".join(dict.fromkeys(problems)), "Rename, convert or leave out these columns."
        )
    return pa.schema(fields)


def content_schema(schema: pa.Schema) -> pa.Schema:
    """The schema without the row id columns."""
    return pa.schema([field for field in schema if field.name not in ROW_ID_COLUMNS])


def to_stored(table: pa.Table) -> pa.Table:
    """The same rows with the types they have in the store.

    Raises
    ------
    SchemaMismatchError
        If a column cannot be stored.
    """
    schema = stored_schema(table.schema)
    if table.schema.equals(schema, check_metadata=True):
        return table
    columns = [column.cast(field.type) for column, field in zip(table.columns, schema, strict=True)]
    return pa.table(columns, schema=schema)


def fit(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with exactly the columns of `schema`: missing ones are null, others are left out."""
    present = set(table.column_names)
    columns = [
        table[field.name].cast(field.type) if field.name in present else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def union_schema(dataset: str, earlier: pa.Schema, new: pa.Schema) -> pa.Schema:
    """Both schemas' columns by name: the earlier ones in their order, then what `new` adds.

    Raises
    ------
    SchemaMismatchError
        If a column has another type in each.
    """
    known = {field.name: field for field in earlier}
    lines = [
        f"  {field.name}: {known[field.name].type} in the dataset, {field.type} in the new rows"
        for field in new
        if field.name in known and known[field.name].type != field.type
    ]
    if lines:
        raise SchemaMismatchError(
            f"dataset {dataset}",
            "the new rows do not fit its columns:\n" + "\n".join(lines) + "\n",
            'Declare the types of the source to match, or commit with mode "replace".',
        )
    return stored_schema(pa.schema([*earlier, *(field for field in new if field.name not in known)]))


def schema_changes(left: pa.Schema, right: pa.Schema) -> tuple[list[str], list[str], list[str]]:
    """What `right` adds, lacks and types anew against `left`, as readable texts ``name: type``."""
    before = {field.name: field.type for field in left}
    after = {field.name: field.type for field in right}
    added = [f"{name}: {kind}" for name, kind in after.items() if name not in before]
    removed = [f"{name}: {kind}" for name, kind in before.items() if name not in after]
    changed = [
        f"{name}: {kind} -> {after[name]}" for name, kind in before.items() if name in after and after[name] != kind
    ]
    return added, removed, changed


def selected(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    """The schema of these columns in this order; all of them for None.

    Raises
    ------
    SchemaMismatchError
        If a name is not in `schema`.
    """
    if columns is None:
        return schema
    unknown = [name for name in columns if name not in schema.names]
    if unknown:
        raise SchemaMismatchError(
            "columns",
            f"{', '.join(map(repr, unknown))} not among {', '.join(schema.names)}",
            "Name existing columns.",
        )
    return pa.schema([schema.field(name) for name in columns])
