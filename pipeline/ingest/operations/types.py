"""Operations on what values are: casting a column to a type, and the window of time that rows lie in."""

from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator, model_validator

from pipeline.errors import JobFileError
from pipeline.ingest.operations.operation import (
    FilterOperation,
    Operation,
    Outcome,
    condemned,
    plain_texts,
    replace_column,
    require_columns,
)
from pipeline.ingest.reading.columns.casting import cast_text
from pipeline.ingest.reading.columns.column_types import ColumnType, parse_type
from pipeline.ingest.row_records import remembered

_NO_CAST = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError)


class Cast(Operation):
    """Give a column another type, by the text of its values; a value that does not fit rejects its row.

    The types are those of ``[source] types``: text, int, float, decimal(18,2), bool, date, timestamp, category. Unlike
    there, the column may be cleaned first. Null fits every type.

        op = "cast"
        column = "amount"
        type = "decimal(18,2)"
    """

    op: Literal["cast"] = "cast"
    column: str
    """The column to cast."""
    type: str
    """The type's name."""

    @property
    def default_rule(self) -> str:
        """``cast_amount`` for a column ``amount``."""
        return f"cast_{self.column}"

    @field_validator("type")
    @classmethod
    def _is_known(cls, spelling: str) -> str:
        parse_type(spelling)
        return spelling

    @property
    def _target(self) -> ColumnType:
        return parse_type(self.type)

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` with the column's new type."""
        require_columns(schema, [self.column], self.rule)
        field = schema.field(self.column)
        try:
            _as_texts(pa.chunked_array([], field.type))
        except _NO_CAST as error:
            raise JobFileError(
                (f'{self.rule}: column "{self.column}" is {field.type}, whose values have no text to cast by',)
            ) from error
        return schema.set(schema.get_field_index(self.column), pa.field(self.column, self._target.arrow))

    def apply(self, table: pa.Table) -> Outcome:
        """The frame with the column cast; live rows that do not fit are rejected, and only they count as changed."""
        texts = _as_texts(table[self.column])
        kind = self._target
        pieces = [cast_text(chunk, kind) for chunk in texts.chunks]
        bad = np.concatenate([np.zeros(0, np.bool_), *(piece[1] for piece in pieces)])
        table = remembered(table, bad)
        values = pa.chunked_array([piece[0] for piece in pieces], kind.arrow)
        return condemned(replace_column(table, self.column, values), bad, "rejected", self.rule)


def _as_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    column = plain_texts(column)
    return column if column.type == pa.string() else pc.cast(column, pa.string())


class FilterTime(FilterOperation):
    """Leave out rows outside a window of time, and rows without a time.

    op = "filter_time"
    column = "created_at"
    from = 2024-01-01T00:00:00Z
    to = 2025-01-01T00:00:00Z
    """

    op: Literal["filter_time"] = "filter_time"
    start: datetime | None = Field(default=None, alias="from")
    """The first moment of the window; a time without a zone is UTC, a day is its first moment."""
    stop: datetime | None = Field(default=None, alias="to")
    """The first moment after the window."""

    @model_validator(mode="after")
    def _is_a_window(self) -> "FilterTime":
        if self.start is None and self.stop is None:
            raise ValueError("give `from`, `to` or both")
        if self.start is not None and self.stop is not None and _moment(self.start) >= _moment(self.stop):
            raise ValueError(f"`from` ({self.start}) is not before `to` ({self.stop})")
        return self

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` itself, where the columns hold times or days."""
        require_columns(schema, self.targets, self.rule)
        problems = tuple(
            f'{self.rule}: column "{name}" is {schema.field(name).type}, not a time; declare it as timestamp or date '
            "in [source] types, or cast it first"
            for name in self.targets
            if not (pa.types.is_timestamp(schema.field(name).type) or pa.types.is_date(schema.field(name).type))
        )
        if problems:
            raise JobFileError(problems)
        return schema

    def select(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Rows outside the window."""
        outside = np.zeros(table.num_rows, np.bool_)
        for name in self.targets:
            inside: Any = pc.is_valid(table[name])
            moments = pc.cast(table[name], pa.timestamp("us", tz="UTC"))
            if self.start is not None:
                inside = pc.and_(inside, pc.greater_equal(moments, _scalar(self.start)))
            if self.stop is not None:
                inside = pc.and_(inside, pc.less(moments, _scalar(self.stop)))
            outside |= ~np.asarray(pc.fill_null(inside, False))
        return outside


def _moment(value: datetime) -> datetime:
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _scalar(value: datetime) -> pa.Scalar:
    return pa.scalar(_moment(value).astimezone(UTC), pa.timestamp("us", tz="UTC"))
