"""What the log tells of a file's columns: enough to leave files out, and nothing of anyone's text.

Whole numbers, dates and times have their least and greatest values. Text has bounds that every text lies within, unless
someone asked to sort or partition by it: real ones would repeat content in the clear. They cannot simply be left out:
readers that know some columns of a file take missing bounds for no matching row (deltalake 1.6 in `to_pyarrow_table`
with filters). Numbers of nulls are exact; those of columns without Parquet statistics are kept in the file's footer.
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

#: The key under which a file's footer holds its nulls by column.
NULLS = b"textmill.nulls"
#: No text is above this: eight times the last code point, which is no character.
_TOP = "\U0010ffff" * 8
_FLOATS = {32: 3.4028234663852886e38, 64: 1.7976931348623157e308}
#: Whole numbers up to this are the same in every JSON reader.
_EXACT = 1 << 53


def nulls_note(nulls: Mapping[str, int]) -> dict[str, str]:
    """What a writer puts into a file's footer so that `file_statistics` knows its nulls."""
    return {NULLS.decode(): json.dumps(dict(nulls), ensure_ascii=True)}


def file_statistics(footer: pq.FileMetaData, shown: Sequence[str]) -> str:
    """The statistics of a file as the Delta log has them, JSON.

    Parameters
    ----------
    footer
        The file's.
    shown
        Text columns whose real bounds may be told.
    """
    facts: dict[str, Any] = {"numRecords": footer.num_rows}
    noted = json.loads((footer.metadata or {}).get(NULLS, b"{}"))
    nulls, least, greatest = {}, {}, {}
    for index, field in enumerate(footer.schema.to_arrow_schema()):
        known = _nulls(footer, index)
        known = noted.get(field.name) if known is None else known
        if known is not None:
            nulls[field.name] = known
        if pt.is_binary(field.type):
            continue
        bounds = _bounds(field.type, _span(footer, index), shown=field.name in shown)
        if bounds is None:
            return json.dumps(facts)  # one column that cannot be told would make readers drop rows
        least[field.name], greatest[field.name] = bounds
    facts |= {"minValues": least, "maxValues": greatest, "nullCount": nulls}
    return json.dumps(facts)


def untrue(told: str, footer: pq.FileMetaData) -> str:
    """What statistics of a file say that its footer contradicts, in words; empty where all of it holds.

    Bounds may be wider than the values, never narrower: rows would be left out of answers.
    """
    try:
        facts = json.loads(told)
        true = json.loads(file_statistics(footer, footer.schema.to_arrow_schema().names))
        if facts["numRecords"] != true["numRecords"]:
            return f"the log tells of {facts['numRecords']} rows, the file has {true['numRecords']}"
        for column, low in facts.get("minValues", {}).items():
            least, greatest = (true.get(bound, {}).get(column) for bound in ("minValues", "maxValues"))
            high = facts["maxValues"][column]
            # Of a column without statistics the footer only knows what is always true.
            if least is not None and (type(low), type(high)) == (type(least), type(greatest)):
                known = (least, greatest) != ("", _TOP) and _some_values(footer, column)
                if known and not (_at_most(low, least) and _at_most(greatest, high)):
                    return f'values of "{column}" lie outside of what the log tells of them'
    except (ValueError, KeyError, TypeError) as error:
        return f"what the log tells of it cannot be understood ({error})"
    return ""


def _at_most(low: Any, high: Any) -> bool:
    try:
        # Some writers of logs round times to milliseconds.
        return datetime.fromisoformat(low) <= datetime.fromisoformat(high) + timedelta(milliseconds=1)
    except (TypeError, ValueError):
        return bool(low <= high)


def _some_values(footer: pq.FileMetaData, column: str) -> bool:
    return _span(footer, footer.schema.to_arrow_schema().get_field_index(column)) is not None


def _chunks(footer: pq.FileMetaData, column: int) -> list[Any]:
    return [footer.row_group(group).column(column).statistics for group in range(footer.num_row_groups)]


def _nulls(footer: pq.FileMetaData, column: int) -> int | None:
    chunks = _chunks(footer, column)
    if any(stats is None or not stats.has_null_count for stats in chunks):
        return None
    return sum(int(stats.null_count) for stats in chunks)


def _span(footer: pq.FileMetaData, column: int) -> tuple[Any, Any] | None:
    """The least and greatest value; None where not known, or where all are null."""
    chunks = [stats for stats in _chunks(footer, column) if stats is None or stats.num_values]
    if not chunks or any(stats is None or not stats.has_min_max for stats in chunks):
        return None
    return min(stats.min for stats in chunks), max(stats.max for stats in chunks)


def _bounds(kind: pa.DataType, span: tuple[Any, Any] | None, *, shown: bool) -> tuple[Any, Any] | None:
    """Bounds that hold for every value of a column; None where they cannot be written down."""
    if pt.is_string(kind):
        return span if span is not None and shown else ("", _TOP)
    if pt.is_boolean(kind):
        return False, True
    if pt.is_floating(kind):
        # Not the real ones: engines do not agree on where NaN lies.
        finite = span is None or all(map(math.isfinite, span))
        return (-_FLOATS[kind.bit_width], _FLOATS[kind.bit_width]) if finite else None
    if pt.is_decimal(kind):
        if span is None:
            return 0, 0
        low, high = math.floor(span[0]), math.ceil(span[1])
        return (low, high) if max(-low, high) < min(_EXACT, 10 ** (kind.precision - kind.scale)) else None
    if span is None:
        # All are null: any bounds hold.
        return _plain_pair(kind)
    low, high = span
    return (low, high) if isinstance(low, int) else (_iso(low), _iso(high))


def _plain_pair(kind: pa.DataType) -> tuple[Any, Any]:
    if pt.is_date32(kind):
        return "1970-01-01", "1970-01-01"
    if pt.is_timestamp(kind):
        moment = "1970-01-01T00:00:00.000000" + ("Z" if kind.tz is not None else "")
        return moment, moment
    return 0, 0


def _iso(moment: date) -> str:
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + ("Z" if moment.tzinfo else "")
    return moment.isoformat()
