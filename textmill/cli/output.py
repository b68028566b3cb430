"""Results on stdout: JSON for programs, tables and pairs for people."""

import base64
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TextIO, cast

import pyarrow as pa
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from textmill.report.units import visible

#: Wide enough never to fold a line of output that goes to a file or a pipe.
_UNFOLDED = 100_000
_LONGEST_CELL = 120


def console_for(stream: TextIO, *, width: int = _UNFOLDED) -> Console:
    """A console on `stream`: coloured and as wide as it is where it is a terminal, else plain and `width` wide."""
    if stream.isatty():
        return Console(file=stream, highlight=False)
    return Console(file=stream, width=width, highlight=False, force_terminal=False)


class _Trimmed:
    """A text stream that drops blanks at the ends of lines, which nobody sees but every program trips over."""

    def __init__(self, inner: TextIO) -> None:
        self._inner = inner
        self.encoding = inner.encoding or "utf-8"

    def write(self, text: str) -> int:
        lines = text.split("\n")
        self._inner.write("\n".join([*(line.rstrip(" ") for line in lines[:-1]), lines[-1]]))
        return len(text)

    def flush(self) -> None:
        self._inner.flush()


def results(*, width: int = _UNFOLDED) -> Console:
    """The console for results: stdout."""
    if sys.stdout.isatty():
        return console_for(sys.stdout)
    trimmed = cast(TextIO, _Trimmed(sys.stdout))
    return Console(file=trimmed, width=width, highlight=False, force_terminal=False)


def messages() -> Console:
    """The console for messages and progress: stderr."""
    return console_for(sys.stderr)


def plain(value: Any) -> Any:
    """`value` as JSON can say it: exact decimals and times as text, bytes in base64, no number as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value) if isinstance(value, (Decimal, timedelta)) else value


def json_line(value: Any) -> str:
    """`value` as JSON on one line."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, default=str)


def print_json(value: Any) -> None:
    """Nothing; `value` is a line of JSON on stdout."""
    sys.stdout.write(json_line(value) + "\n")


def cell(value: Any, *, cut: bool) -> Text:
    """`value` as a table shows it: on one line, null marked, and where `cut` no longer than a line."""
    if value is None:
        return Text("null", "dim")
    text = visible(json_line(value) if isinstance(value, (list, dict)) else plain(value))
    return Text(text[: _LONGEST_CELL - 1] + "…" if cut and len(text) > _LONGEST_CELL else text)


def plain_table(columns: Iterable[Column]) -> Table:
    """An empty table as the command line shows them: no lines, bold names."""
    return Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Nothing; a table is on stdout. A column whose name starts with ``>`` is set to the right."""
    console = results()
    table = plain_table(
        Column(visible(name.lstrip(">")), justify="right" if name.startswith(">") else "left") for name in columns
    )
    for row in rows:
        table.add_row(*(value if isinstance(value, Text) else cell(value, cut=console.is_terminal) for value in row))
    console.print(table)


def print_pairs(pairs: Iterable[tuple[str, Any]]) -> None:
    """Nothing; names and values are on stdout, a line each; pairs without a value ("" or None) are left out."""
    table = Table.grid(Column(style="dim"), Column(overflow="fold"), padding=(0, 2, 0, 0))
    for name, value in pairs:
        if value not in (None, ""):
            table.add_row(name, value if isinstance(value, Text) else Text(visible(value)))
    results().print(table)


def print_batches(schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, as_json: bool) -> None:
    """Nothing; all rows are on stdout, as a table or as lines of JSON that are printed as they come."""
    rows = _rows(batches)
    if as_json:
        for row in rows:
            print_json(dict(zip(schema.names, row, strict=True)))
    else:
        print_table([(">" if _is_number(field.type) else "") + field.name for field in schema], rows)


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[object, ...]]:
    # Columns, not dicts: a query may give two columns one name.
    for batch in batches:
        yield from zip(*map(_values, batch.columns), strict=True)


def _values(column: pa.Array) -> list[object]:
    try:
        return list(column.to_pylist())
    except (OverflowError, ValueError):
        return [_value(each) for each in column]


def _value(each: pa.Scalar) -> object:
    try:
        return each.as_py()
    except (OverflowError, ValueError):  # a day beyond the year 9999, or infinity
        try:
            return each.cast(pa.string()).as_py()
        except pa.ArrowException:
            return f"<{each.type} that Python has no value for>"


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
