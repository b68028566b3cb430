"""The types a column can be declared to have, from their spelling in a job file."""

import re
from dataclasses import dataclass

import pyarrow as pa

from pipeline.frame import SOURCE_TYPE

_SPELLING = re.compile(r"\s*([a-z]+)\s*(?:\((.*)\))?\s*", re.DOTALL)
_PLAIN: dict[str, pa.DataType] = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "category": SOURCE_TYPE,
}
_LARGEST_PRECISION = 38


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnType:
    """A declared type.

    Attributes
    ----------
    kind
        "text", "int", "float", "decimal", "bool", "date", "timestamp" or "category".
    arrow
        The Arrow type of the column.
    pattern
        For dates and timestamps, the declared `strptime` format; None for ISO 8601, year first.
    """

    kind: str
    arrow: pa.DataType
    pattern: str | None = None


def parse_type(spelling: str) -> ColumnType:
    """The type that `spelling` names.

    Raises
    ------
    ValueError
        If there is no such type.

    Examples
    --------
    >>> parse_type("decimal(18, 2)").arrow
    Decimal128Type(decimal128(18, 2))
    """
    match = _SPELLING.fullmatch(spelling)
    kind, detail = (match[1], match[2]) if match else ("", None)
    if kind == "decimal" and detail is not None:
        return _decimal(spelling, detail)
    if kind in {"date", "timestamp"} and detail:
        return ColumnType(kind=kind, arrow=_PLAIN[kind], pattern=detail)
    if kind in _PLAIN and detail is None:
        return ColumnType(kind=kind, arrow=_PLAIN[kind])
    raise ValueError(
        f"{spelling!r} is not a type; known: {', '.join(_PLAIN)}, decimal(18,2), timestamp(%d/%m/%Y %H:%M)"
    )


def _decimal(spelling: str, detail: str) -> ColumnType:
    numbers = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*", detail)
    precision, scale = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if not (1 <= precision <= _LARGEST_PRECISION and scale <= precision):
        raise ValueError(
            f"{spelling!r} is not a decimal type; write decimal(digits, digits after the point), "
            f"at most {_LARGEST_PRECISION} digits"
        )
    return ColumnType(kind="decimal", arrow=pa.decimal128(precision, scale))
