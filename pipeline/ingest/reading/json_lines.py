"""A piece of JSON lines as a frame: one object a line, its members as text columns."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from pipeline.ingest.reading.csv.csv_blocks import record_text, source_positions
from pipeline.ingest.reading.csv.dialect import LINES, Dialect
from pipeline.ingest.reading.csv.runs import WORD, words_of
from pipeline.ingest.reading.csv.tokenizer import Records, find_records
from pipeline.ingest.reading.csv.verdicts import REASONS, SOUND
from pipeline.ingest.reading.files.bytes_in import read_range
from pipeline.ingest.reading.framing import frame_of
from pipeline.ingest.reading.json_loops import ESCAPES, fill_texts, find_members, first_strange
from pipeline.ingest.reading.source_plan import Piece
from storage.memory import new_array

BAD_JSON = "bad_json"
_LINE_END_BYTES = 2
_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"
_BLANK = 32
#: Values whose places are remembered at a time.
_MOST_VALUES = 1 << 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """What the objects between two places hold.

    Attributes
    ----------
    names
        The names of their members, in order of first appearance.
    nuls
        NUL characters in their texts, which are left out when they are read.
    """

    names: tuple[str, ...]
    nuls: int


class _Lines:
    """The lines of a stretch of data that are not blank, and the keys that are known so far."""

    def __init__(self, data: npt.NDArray[np.uint8], dialect: Dialect, longest: int) -> None:
        self.data = data
        self.words = words_of(data)
        self.records = _without_blanks(data, find_records(data, dialect, 1, longest=longest))
        self.sound = self.records.verdicts == SOUND

    def line(self, row: int) -> bytes:
        """One line without its end."""
        return self.data[self.records.starts[row] : self.records.ends[row]].tobytes()

    def value(self, row: int) -> dict[str, Any] | None:
        """The object of one line; None where it is none."""
        try:
            value = orjson.loads(self.line(row))
        except orjson.JSONDecodeError:
            return None
        return value if isinstance(value, dict) else None


def object_keys(path: str, start: int, stop: int, dialect: Dialect, longest: int) -> Members:
    """What the objects between two places hold: the names of all members, and NUL characters."""
    lines = _Lines(read_range(path, start, stop), dialect, longest)
    names: dict[str, None] = {}
    nuls = row = 0
    count = len(lines.sound)
    while row < count:
        keys, key_ends = _as_bytes(list(names))
        records = lines.records
        row = first_strange(
            lines.data, lines.words, records.starts, records.ends, lines.sound, keys, key_ends, ESCAPES, row
        )
        value = lines.value(row) if row < count else None
        if value is not None:
            names |= dict.fromkeys(value)
            nuls += sum(text.count("\0") for text in value.values() if isinstance(text, str))
        row += 1
    return Members(names=tuple(names), nuls=nuls)


def _as_bytes(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The texts in UTF-8, one behind the other, and where each begins and the last one ends."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return np.frombuffer(b"".join(encoded) or b"\0", np.uint8), ends


def read_json_lines(piece: Piece) -> pa.Table:
    """The frame of a piece of JSON lines: one row for each line that is not blank, in order.

    Text stays as it is, an empty one too; NUL characters are left out of it. Numbers and nested values are given as
    they are spelled in the file, so that no digit is lost; true and false by name; a missing member and null as null.
    """
    stop = min(piece.stop, piece.start + piece.longest + _LINE_END_BYTES) if piece.too_long else piece.stop
    data = read_range(piece.file.data_path, piece.start, stop)
    lines = _Lines(data, piece.file.dialect or LINES, piece.longest)
    records = lines.records
    reasons = {int(row): REASONS[records.verdicts[row]] for row in np.flatnonzero(~lines.sound)}
    names = list(piece.file.columns)
    step = max(1, _MOST_VALUES // max(1, len(names)))
    parts = [_columns(lines, names, start, start + step, reasons) for start in range(0, len(lines.sound), step)]
    found = {
        name: pa.concat_arrays([part[at] for part in parts]) if parts else pa.array([], pa.string())
        for at, name in enumerate(names)
    }
    positions = source_positions(piece, records.starts)
    return frame_of(piece, found, positions, reasons, lambda row: record_text(data, records, row))


def _columns(lines: _Lines, names: list[str], start: int, stop: int, reasons: dict[int, str]) -> list[pa.Array]:
    """The columns of some lines; why lines are no objects is added to `reasons`."""
    records, sound = lines.records, lines.sound[start:stop]
    rows = len(sound)
    spans = np.empty((rows, len(names), 2), np.int64)
    plain = np.empty(rows, np.bool_)
    keys, key_ends = _as_bytes(names)
    starts, ends = records.starts[start:stop], records.ends[start:stop]
    find_members(lines.data, lines.words, starts, ends, sound, keys, key_ends, ESCAPES, spans, plain)
    places = {name: at for at, name in enumerate(names)}
    extra = bytearray()
    for row in np.flatnonzero(sound & ~plain).tolist():
        value = lines.value(start + row)
        if value is None:
            reasons[start + row] = BAD_JSON
            continue
        for name, member in value.items():
            if member is not None and name in places:
                text = (member if type(member) is str else _spelled(lines.line(start + row), name, member)).encode()
                begin = lines.data.size + len(extra)
                extra += text.replace(b"\0", b"")
                spans[row, places[name]] = begin, lines.data.size + len(extra)
    return [_column(lines, np.frombuffer(bytes(extra) or b"\0", np.uint8), spans[:, at]) for at in range(len(names))]


def _column(lines: _Lines, extra: npt.NDArray[np.uint8], spans: npt.NDArray[np.int64]) -> pa.Array:
    rows = len(spans)
    # Escapes only ever take more room than what they mean. Copying goes by words.
    room = int((spans[:, 1] - spans[:, 0]).sum())
    text = new_array(room + 2 * WORD, np.uint8)
    offsets, valid = np.zeros(rows + 1, np.int32), np.empty(rows, np.bool_)
    fill_texts(lines.data, lines.words, extra, spans, ESCAPES, text, words_of(text), offsets, valid)
    nulls = int(rows - np.count_nonzero(valid))
    validity = pa.py_buffer(np.packbits(valid, bitorder="little")) if nulls else None
    content = pa.py_buffer(text[: int(offsets[-1])])
    return pa.Array.from_buffers(pa.string(), rows, [validity, pa.py_buffer(offsets), content], nulls)


def _without_blanks(data: npt.NDArray[np.uint8], records: Records) -> Records:
    """The records without lines that hold nothing but spaces."""
    # Few lines begin with a space: the others are filled for certain.
    filled = np.ones(records.starts.size, np.bool_)
    for row in np.flatnonzero(data[np.minimum(records.starts, max(data.size - 1, 0))] <= _BLANK).tolist():
        filled[row] = bool(data[records.starts[row] : records.ends[row]].tobytes().strip())
    if filled.all():
        return records
    return Records(
        starts=records.starts[filled],
        ends=records.ends[filled],
        fields=records.fields[filled],
        verdicts=records.verdicts[filled],
        column_bytes=records.column_bytes,
        loose_quotes=records.loose_quotes[filled],
        lengths=records.lengths[:, filled],
    )


def _spelled(line: bytes, name: str, value: Any) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return _members(line.decode())[name]


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
