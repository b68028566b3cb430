"""Operations on tables: values mapped to a declared set, nulls, and the columns themselves."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from pipeline import frame
from pipeline.errors import JobFileError
from pipeline.ingest.operations.operation import (
    ColumnOperation,
    FilterOperation,
    Operation,
    Outcome,
    condemned,
    differs,
    is_text,
    plain_texts,
    replace_column,
    require_columns,
)


class MapValues(Operation):
    """Map the spellings of a column to a declared set of values: ``"Complaint "``, ``"投诉"`` to ``"complaint"``.

    A value that the mapping maps to counts as known. Null and blank values are missing, not unknown: they stay as they
    are. The column becomes text.

        op = "map_values"
        column = "label"
        mapping = { "投诉" = "complaint", "COMPLAINT" = "complaint" }
        unknown = "reject"
    """

    op: Literal["map_values"] = "map_values"
    column: str
    """The column to map."""
    mapping: dict[str, str] = Field(min_length=1)
    """From each spelling to the value that it means."""
    ignore_case: bool = False
    """Let upper and lower case, and white space at both ends, make no difference to the spelling."""
    unknown: Literal["keep", "null", "reject"] = "keep"
    """What becomes of a value that is not in the mapping: kept, made null, or its row rejected."""

    @property
    def default_rule(self) -> str:
        """``label_unknown`` for a column ``label``."""
        return f"{self.column}_unknown"

    @model_validator(mode="after")
    def _no_two_meanings(self) -> "MapValues":
        meanings: dict[str, str] = {}
        for spelling, value in self.mapping.items():
            key = self._key(spelling)
            if meanings.setdefault(key, value) != value:
                raise ValueError(f'"{spelling}" has two meanings: "{meanings[key]}" and "{value}"')
        return self

    def _key(self, spelling: str) -> str:
        return _folded(pa.array([spelling]))[0].as_py() if self.ignore_case else spelling

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` with the column as text."""
        require_columns(schema, [self.column], self.rule)
        field = schema.field(self.column)
        if is_text(field.type):
            return schema
        return schema.set(schema.get_field_index(self.column), pa.field(self.column, pa.string()))

    def apply(self, table: pa.Table) -> Outcome:
        """The frame with the live rows' values mapped, and unknown ones dealt with as declared."""
        old, live = _as_text(table[self.column]), frame.alive(table)
        new, known = self._mapped(plain_texts(old))
        if self.unknown == "null":
            new = pc.if_else(known, new, pa.scalar(None, new.type))
        new = pc.if_else(live, new, plain_texts(old))
        changed = differs(old, new)
        table = replace_column(table, self.column, _typed(new, old.type))
        if self.unknown == "reject":
            strange = ~np.asarray(known) & live
            changed |= strange
            table = condemned(table, strange, "rejected", self.rule).table
        return Outcome(table=table, changed=int(changed.sum()))

    def _mapped(self, texts: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """The mapped texts, and which texts are known (null and blank are)."""
        meanings = {self._key(value): value for value in self.mapping.values()}
        meanings |= {self._key(spelling): value for spelling, value in self.mapping.items()}
        spellings = pa.array(list(meanings), texts.type)
        values = pa.array(list(meanings.values()), texts.type)
        index = pc.index_in(_folded(texts) if self.ignore_case else texts, spellings)
        mapped = pc.coalesce(values.take(pa.chunked_array(index).combine_chunks()), texts)
        known = pc.or_(pc.is_valid(index), is_blank(texts))
        return mapped, known


def _folded(texts: Any) -> Any:
    return pc.utf8_lower(pc.utf8_trim_whitespace(texts))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column if is_text(column.type) else pc.cast(column, pa.string())


def _typed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return pc.cast(pc.dictionary_encode(column), kind) if pa.types.is_dictionary(kind) else column


class FillNull(ColumnOperation):
    """Put a value where there is none.

    op = "fill_null"
    column = "channel"
    value = "unknown"
    """

    op: Literal["fill_null"] = "fill_null"
    value: str | int | float | bool
    """What to put in the place of null."""

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` itself, where the value fits all columns to fill."""
        require_columns(schema, self.targets, self.rule)
        problems = []
        for name in self.targets:
            try:
                self._scalar(schema.field(name).type)
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, ValueError, TypeError):
                problems.append(
                    f'{self.rule}: value {self.value!r} does not fit column "{name}" of type '
                    f"{schema.field(name).type}; give a value of that type"
                )
        if problems:
            raise JobFileError(tuple(problems))
        return schema

    def _scalar(self, kind: pa.DataType) -> pa.Scalar:
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        if is_text(inner) and not isinstance(self.value, str):
            raise TypeError(self.value)
        return pa.scalar(self.value).cast(inner)

    def apply(self, table: pa.Table) -> Outcome:
        """The frame with the live rows' nulls filled."""
        live = frame.alive(table)
        changed = np.zeros(table.num_rows, np.bool_)
        for name in self.targets:
            old = table[name]
            plain = pc.cast(old, old.type.value_type) if pa.types.is_dictionary(old.type) else old
            empty = np.asarray(pc.is_null(plain)) & live
            if empty.any():
                changed |= empty
                new = pc.if_else(empty, self._scalar(old.type), plain)
                table = replace_column(table, name, _typed(new, old.type))
        return Outcome(table=table, changed=int(changed.sum()))


class DropNull(FilterOperation):
    """Leave out rows that have no value in one of the columns.

    op = "drop_null"
    columns = ["text", "label"]
    """

    op: Literal["drop_null"] = "drop_null"

    def select(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Rows with a null in one of the columns."""
        empty = np.zeros(table.num_rows, np.bool_)
        for name in self.targets:
            if table[name].null_count:
                empty |= np.asarray(pc.is_null(table[name]))
        return empty


class DropColumns(Operation):
    """Leave out whole columns.

    op = "drop_columns"
    columns = ["phone", "note"]
    """

    op: Literal["drop_columns"] = "drop_columns"
    columns: tuple[str, ...] = Field(min_length=1)
    """The columns to leave out."""

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` without the columns."""
        require_columns(schema, self.columns, self.rule)
        return pa.schema([field for field in schema if field.name not in self.columns])

    def apply(self, table: pa.Table) -> Outcome:
        """The frame without the columns; all live rows count as changed."""
        return Outcome(table=table.drop_columns(list(self.columns)), changed=int(frame.alive(table).sum()))


class Rename(Operation):
    """Give columns other names, written as in ``[source] columns``: the new name first.

    op = "rename"
    columns = { text = "review" }
    """

    op: Literal["rename"] = "rename"
    columns: dict[str, str] = Field(min_length=1)
    """From each new name to the name that the column has had so far."""

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` with the new names."""
        require_columns(schema, list(self.columns.values()), self.rule)
        names = self._renamed(schema.names)
        problems = [
            f'{self.rule}: there would be two columns "{name}"; drop or rename the other one first'
            for name in self.columns
            if [other.casefold() for other in names].count(name.casefold()) > 1
        ]
        problems += [
            f'{self.rule}: "{name}" {why}; give the column another name'
            for name in self.columns
            if (why := frame.unfit_name(name))
        ]
        old = list(self.columns.values())
        problems += [
            f'{self.rule}: column "{name}" is given two new names; name it once'
            for name in sorted({name for name in old if old.count(name) > 1})
        ]
        if problems:
            raise JobFileError(tuple(problems))
        return pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])

    def _renamed(self, names: list[str]) -> list[str]:
        new = {old: new for new, old in self.columns.items()}
        return [new.get(name, name) for name in names]

    def apply(self, table: pa.Table) -> Outcome:
        """The frame with the new names; no row counts as changed."""
        return Outcome(table=table.rename_columns(self._renamed(table.column_names)), changed=0)


class MissingLabel(FilterOperation):
    """Leave out rows without a label: null, or nothing but white space. Part of every job that trains.

    op = "missing_label"
    column = "label"
    """

    op: Literal["missing_label"] = "missing_label"
    column: str | None = "label"
    """The column that holds the label."""

    def select(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Rows without a label."""
        label = table[self.targets[0]]
        return np.asarray(is_blank(plain_texts(label)) if is_text(label.type) else pc.is_null(label))


def is_blank(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which texts are null or nothing but white space."""
    return pc.fill_null(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0), True)
