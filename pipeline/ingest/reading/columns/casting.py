"""Text to declared types, value by value: what fits is cast, what does not is marked."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation, Rounded
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.reading.columns.column_types import ColumnType

_WORDS = {
    True: ("true", "t", "yes", "y", "1", "on", "是", "真"),
    False: ("false", "f", "no", "n", "0", "off", "否", "假"),
}
_INTEGER = r"^[+-]?[0-9]{1,18}$"
_FLOAT = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_ISO = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?"
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+(\.\d*)?|\d+(\.\d*)?|\.\d+")
_CURRENCY = "¥￥$€£"
_FULL_WIDTH = str.maketrans("０１２３４５６７８９．，－＋（）", "0123456789.,-+()")
_YEAR_FIRST = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|z|UTC|[+-]\d{2}:?\d{2})?"
)


def cast_text(column: pa.Array, target: ColumnType) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """The column as `target`, and which rows hold a value that does not fit (null in the column).

    Parameters
    ----------
    column
        Text, shape (rows,); nulls stay null and fit everything.
    target
        The declared type. Spaces around a value never matter, except in text. Times with a zone are turned into UTC,
        times without one are taken as UTC. Decimals may have thousands separators, a currency sign and brackets for
        minus; a value that needs more digits than declared does not fit, it is never rounded.
    """
    if target.kind == "text":
        return column, np.zeros(len(column), dtype=np.bool_)
    if target.kind == "category":
        return pc.dictionary_encode(column).cast(target.arrow), np.zeros(len(column), dtype=np.bool_)
    trimmed = pc.utf8_trim_whitespace(column)
    fast = _FAST.get(target.kind)
    values = fast(trimmed, target) if fast else pa.nulls(len(column), target.arrow)
    left = np.asarray(pc.and_(pc.is_valid(trimmed), pc.is_null(values)).fill_null(False))
    if left.any() and target.kind in _SLOW:
        values = _fill_in(values, trimmed, left, target)
    bad = np.asarray(pc.and_(pc.is_valid(column), pc.is_null(values)))
    return values, bad


def _fill_in(values: pa.Array, text: pa.Array, left: npt.NDArray[np.bool_], target: ColumnType) -> pa.Array:
    """`values` with the rows of `left` read one distinct value at a time."""
    encoded = pc.dictionary_encode(text.filter(pa.array(left)))
    parse = _SLOW[target.kind]
    known = pa.array([parse(word, target) for word in encoded.dictionary.to_pylist()], type=target.arrow)
    return pc.replace_with_mask(values, pa.array(left), known.take(encoded.indices))


def _matching(text: pa.Array, pattern: str) -> pa.Array:
    return pc.if_else(pc.match_substring_regex(text, pattern).fill_null(False), text, pa.scalar(None, pa.string()))


def _fast_int(text: pa.Array, target: ColumnType) -> pa.Array:
    return pc.cast(pc.replace_substring_regex(_matching(text, _INTEGER), r"^\+", ""), target.arrow)


def _fast_float(text: pa.Array, target: ColumnType) -> pa.Array:
    return pc.cast(pc.replace_substring_regex(_matching(text, _FLOAT), r"^\+", ""), target.arrow)


def _fast_decimal(text: pa.Array, target: ColumnType) -> pa.Array:
    scale = target.arrow.scale
    whole = target.arrow.precision - scale
    if whole == 0:
        return pa.nulls(len(text), target.arrow)
    pattern = rf"^-?[0-9]{{1,{whole}}}(\.[0-9]{{1,{scale}}})?$" if scale else rf"^-?[0-9]{{1,{whole}}}$"
    return pc.cast(_matching(text, pattern), target.arrow)


def _fast_bool(text: pa.Array, target: ColumnType) -> pa.Array:
    lower = pc.utf8_lower(text)
    yes = pc.is_in(lower, pa.array(_WORDS[True]))
    no = pc.is_in(lower, pa.array(_WORDS[False]))
    return pc.if_else(pc.or_(yes, no), yes, pa.scalar(None, target.arrow))


def _fast_timestamp(text: pa.Array, target: ColumnType) -> pa.Array:
    """Well-formed ISO times, or nothing where one of them is no real time."""
    nothing = pa.nulls(len(text), target.arrow)
    if target.pattern is not None:
        return nothing
    zoned, naive = _matching(text, rf"{_ISO}(Z|[+-]\d\d:?\d\d)$"), _matching(text, rf"{_ISO}$")
    try:
        moments = pc.cast(zoned, target.arrow)
        return pc.coalesce(moments, pc.assume_timezone(pc.cast(naive, pa.timestamp("us")), "UTC"))
    except pa.ArrowInvalid:
        return nothing


def _slow_int(word: str, target: ColumnType) -> int | None:
    del target
    if not re.fullmatch(r"[+-]?[0-9]+", word):
        return None
    value = int(word)
    return value if -(2**63) <= value < 2**63 else None


def _slow_decimal(word: str, target: ColumnType) -> Decimal | None:
    text = word.translate(_FULL_WIDTH).replace(" ", "")
    negative = text.startswith("(") and text.endswith(")")
    text = text[1:-1] if negative else text
    sign = ""
    for _ in range(2):
        if text[:1] in {"-", "+"} and not sign:
            sign, text = text[0], text[1:]
        text = text.strip(_CURRENCY)
    if not _GROUPED.fullmatch(text) or (negative and sign):
        return None
    value = Decimal(text.replace(",", ""))
    if negative or sign == "-":
        value = value.copy_negate()
    exact = Context(prec=target.arrow.precision, traps=[Inexact, InvalidOperation, Rounded])
    try:
        return value.quantize(Decimal(1).scaleb(-target.arrow.scale), context=exact)
    except (Inexact, InvalidOperation, Rounded):
        return _unpadded(value, target)


def _unpadded(value: Decimal, target: ColumnType) -> Decimal | None:
    """The value without zeros that it does not need, if it fits then."""
    _, digits, exponent = value.as_tuple()
    digits_after = max(0, -int(exponent))
    text = format(abs(value), "f")
    if "." in text:
        text = text.rstrip("0")
        digits_after = len(text.partition(".")[2])
    whole = len(text.partition(".")[0].lstrip("0"))
    fits = digits_after <= target.arrow.scale and whole <= target.arrow.precision - target.arrow.scale
    return Decimal(("-" if value.is_signed() and any(digits) else "") + text.rstrip(".")) if fits else None


def _slow_timestamp(word: str, target: ColumnType) -> datetime | None:
    if target.pattern is not None:
        return _by_pattern(word, target.pattern)
    match = _YEAR_FIRST.fullmatch(word)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if zone and hour is None:
        return None
    micros = (fraction or "0").ljust(9, "0")
    if micros[6:] != "000":
        return None
    offset = "+00:00" if zone in {None, "Z", "z", "UTC"} else f"{zone[:3]}:{zone[-2:]}"
    spelled = f"{year}-{month:0>2}-{day:0>2}T{hour or '0':0>2}:{minute or '00'}:{second or '00'}.{micros[:6]}{offset}"
    try:
        return datetime.fromisoformat(spelled).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _by_pattern(word: str, pattern: str) -> datetime | None:
    try:
        moment = datetime.strptime(word, pattern)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _slow_date(word: str, target: ColumnType) -> date | None:
    if target.pattern is not None:
        moment = _by_pattern(word, target.pattern)
        return moment.date() if moment else None
    match = re.fullmatch(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", word)
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


_FAST: dict[str, Callable[[pa.Array, ColumnType], pa.Array]] = {
    "int": _fast_int,
    "float": _fast_float,
    "decimal": _fast_decimal,
    "bool": _fast_bool,
    "timestamp": _fast_timestamp,
}
_SLOW: dict[str, Callable[[str, ColumnType], Any]] = {
    "int": _slow_int,
    "decimal": _slow_decimal,
    "timestamp": _slow_timestamp,
    "date": _slow_date,
}
