"""A piece of JSON lines as a frame: one object a line, its members as text columns."""

import json
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.reading.csv.csv_blocks import record_text, source_positions
from pipeline.ingest.reading.csv.dialect import LINES, Dialect
from pipeline.ingest.reading.csv.tokenizer import Records, find_records
from pipeline.ingest.reading.csv.verdicts import REASONS, SOUND
from pipeline.ingest.reading.files.bytes_in import read_range
from pipeline.ingest.reading.framing import frame_of
from pipeline.ingest.reading.source_plan import Piece

BAD_JSON = "bad_json"
_LINE_END_BYTES = 2
_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"


def object_keys(path: str, start: int, stop: int, dialect: Dialect, longest: int) -> tuple[str, ...]:
    """The names of the members of all objects between two places, in order of first appearance."""
    data = read_range(path, start, stop)
    objects, _ = _objects(data, find_records(data, dialect, 1, longest=longest))
    return tuple(dict.fromkeys(key for value in objects if value is not None for key in value))


def read_json_lines(piece: Piece) -> pa.Table:
    """The frame of a piece of JSON lines: one row for each line that is not blank, in order.

    Text stays as it is, an empty one too. Numbers and nested values are given as they are spelled in the file, so
    that no digit is lost; true and false by name; a missing member and null as null.
    """
    stop = min(piece.stop, piece.start + piece.longest + _LINE_END_BYTES) if piece.too_long else piece.stop
    data = read_range(piece.file.data_path, piece.start, stop)
    records = _without_blanks(data, find_records(data, piece.file.dialect or LINES, 1, longest=piece.longest))
    objects, reasons = _objects(data, records)
    found = {name: _column(data, records, objects, name) for name in piece.file.columns}
    if b"\\u0000" in data.tobytes():
        # An empty text stays empty here, so that it does not matter whether the piece holds a NUL elsewhere.
        found = {name: pc.replace_substring(column, "\0", "") for name, column in found.items()}
    positions = source_positions(piece, records.starts)
    return frame_of(piece, found, positions, reasons, lambda row: record_text(data, records, row))


def _without_blanks(data: npt.NDArray[np.uint8], records: Records) -> Records:
    """The records without lines that hold nothing but spaces."""
    raw = data.tobytes()
    filled = np.array(
        [bool(raw[start:end].strip()) for start, end in zip(records.starts, records.ends, strict=True)], dtype=np.bool_
    )
    if filled.all():
        return records
    return Records(
        starts=records.starts[filled],
        ends=records.ends[filled],
        fields=records.fields[filled],
        verdicts=records.verdicts[filled],
        column_bytes=records.column_bytes,
        loose_quotes=records.loose_quotes[filled],
    )


def _objects(data: npt.NDArray[np.uint8], records: Records) -> tuple[list[dict[str, Any] | None], dict[int, str]]:
    """The object of each line, None for bad ones, and why those are bad, by row."""
    raw = data.tobytes()
    reasons: dict[int, str] = {}
    objects: list[dict[str, Any] | None] = []
    for row, (start, end, verdict) in enumerate(zip(records.starts, records.ends, records.verdicts, strict=True)):
        value = None
        if verdict != SOUND:
            reasons[row] = REASONS[verdict]
        else:
            try:
                value = orjson.loads(raw[start:end])
            except orjson.JSONDecodeError:
                value = None
            if not isinstance(value, dict):
                value = None
                reasons[row] = BAD_JSON
        objects.append(value)
    return objects, reasons


def _column(data: npt.NDArray[np.uint8], records: Records, objects: list[dict[str, Any] | None], name: str) -> pa.Array:
    values = [None if value is None else value.get(name) for value in objects]
    if set(map(type, values)) <= {str, type(None)}:
        return pa.array(values, pa.string())
    return pa.array(
        [
            value if value is None or type(value) is str else _spelled(data, records, row, name, value)
            for row, value in enumerate(values)
        ],
        pa.string(),
    )


def _spelled(data: npt.NDArray[np.uint8], records: Records, row: int, name: str, value: Any) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    line = data[records.starts[row] : records.ends[row]].tobytes().decode()
    return _members(line)[name]


def _members(line: str) -> dict[str, str]:
    """How the value of each member of a well-formed object is spelled."""
    spelled: dict[str, str] = {}
    at = _behind_space(line, line.index("{") + 1)
    while line[at] != "}":
        key, at = scanstring(line, at + 1)
        at = _behind_space(line, _behind_space(line, at) + 1)
        _, end = _DECODER.raw_decode(line, at)
        spelled[key] = line[at:end]
        at = _behind_space(line, end)
        if line[at] == ",":
            at = _behind_space(line, at + 1)
    return spelled


def _behind_space(line: str, at: int) -> int:
    while line[at] in _SPACE:
        at += 1
    return at
