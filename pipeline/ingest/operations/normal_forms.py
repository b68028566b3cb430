"""Unicode normal forms: a compiled scan finds the texts that are not normal, and maps most of them itself.

By the quick check of UAX #15, a text is normal where each of its characters is inert: normal by itself, of combining
class 0, and never composed with what stands before it. A character with a normal form of inert characters alone is
simple: a text of inert and simple characters is normal once each simple one is exchanged. Everything else is hard, and
goes the long way.
"""

import unicodedata
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.dedupe.murmur import text_buffers
from pipeline.ingest.dedupe.tokens import point_at
from pipeline.ingest.operations.splice import Rows
from pipeline.ingest.reading.csv.runs import copied, stride_at
from storage.compiled import STRIDE, bytes_within, inlined, kernel, lowest_bit
from storage.memory import new_array

INERT, SIMPLE, HARD = 0, 1, 2
_POINTS = 0x110000
#: Normal forms are shorter than this many bytes.
_LENGTHS = 64
#: Where to ask for each character; what lies outside of these and of `_SURE` is hard.
_ASKED = ((0x80, 0x3400), (0xA000, 0xAC00), (0xD7A4, 0xD800), (0xE000, 0x20000), (0x2F800, 0x2FA20))
#: ASCII, Han and Hangul syllables: inert in every form.
_SURE = ((0x0, 0x80), (0x3400, 0xA000), (0xAC00, 0xD7A4), (0x20000, 0x2A6E0))
#: Hangul vowels and final consonants, which are composed with what stands before them.
_JAMO = ((0x1161, 0x1176), (0x11A8, 0x11C3))


class Form(NamedTuple):
    """A normal form as arrays.

    Attributes
    ----------
    kinds
        INERT, SIMPLE or HARD for each code point, shape (0x110000,), uint8.
    places
        For simple code points, the start of their normal form in `values`, times 64, plus its length in bytes.
    values
        Normal forms in UTF-8.
    """

    kinds: npt.NDArray[np.uint8]
    places: npt.NDArray[np.int32]
    values: npt.NDArray[np.uint8]


@cache
def normal_form(name: str) -> Form:
    """The tables of "NFC" or "NFKC", by Arrow's own normalisation and Python's character properties.

    The two may know different versions of Unicode: a character that Python does not know is hard, and what either knows
    of a character never changes in later versions.
    """
    points = np.concatenate([np.arange(first, last) for first, last in _ASKED])
    characters = "".join(map(chr, points.tolist()))
    asked = _one_by_one(characters, points)
    normal = pc.utf8_normalize(asked, name)
    own = np.asarray(pc.equal(asked, normal))
    composed = _composed_with_earlier(characters)
    bound = np.fromiter(
        (c in composed or unicodedata.combining(c) != 0 or not _is_known(c) for c in characters), np.bool_, len(points)
    )
    kinds = np.full(_POINTS, HARD, np.uint8)
    for first, last in _SURE:
        kinds[first:last] = INERT
    kinds[points[own & ~bound]] = INERT
    for first, last in _JAMO:
        kinds[first:last] = HARD
    places, values = np.zeros(_POINTS, np.int32), bytearray()
    for point, text in zip(
        points[~own & ~bound].tolist(), normal.filter(pa.array(~own & ~bound)).to_pylist(), strict=True
    ):
        if all(kinds[ord(c)] == INERT for c in text) and len(text.encode()) < _LENGTHS:
            kinds[point] = SIMPLE
            places[point] = len(values) * _LENGTHS + len(text.encode())
            values += text.encode()
    return Form(kinds, places, np.frombuffer(bytes(values), np.uint8))


def _one_by_one(characters: str, points: npt.NDArray[np.int64]) -> pa.Array:
    """Each character, beyond ASCII, as a text of its own, without an object of Python's for each."""
    widths = 2 + (points >= 0x800) + (points >= 0x10000)
    ends = pa.py_buffer(np.concatenate([[0], np.cumsum(widths)]).astype(np.int32))
    return pa.Array.from_buffers(pa.string(), len(points), [None, ends, pa.py_buffer(characters.encode())])


def _composed_with_earlier(characters: str) -> set[str]:
    pairs = (unicodedata.decomposition(c).split() for c in characters)
    return {chr(int(pair[1], 16)) for pair in pairs if len(pair) == 2 and not pair[0].startswith("<")}


def _is_known(character: str) -> bool:
    return unicodedata.category(character) != "Cn"


_C2, _E3, _EA, _FF = np.uint8(0xC2), np.uint8(0xE3), np.uint8(0xEA), np.uint8(0xFF)
_ONE = np.uint64(1)


@inlined
def _suspects(at: Any) -> Any:
    """Which bytes of a stride begin a character that may not be inert: any but ASCII and U+4000 to U+9FFF."""
    return bytes_within(at, _C2, _E3) | bytes_within(at, _EA, _FF)


@kernel
def _find(data: Any, offsets: Any, wanted: Any, kinds: Any, places: Any, simple: Any, hard: Any) -> Any:
    """How many rows are simple and hard, which is written to `simple` and `hard`, and what the simple ones may take."""
    edge = np.empty(STRIDE, np.uint8)
    simples = hards = size = row = 0
    last = offsets[len(offsets) - 1]
    for i in range(offsets[0], last, STRIDE):
        bits = _suspects(stride_at(data, i, edge))
        while bits:
            at = i + np.int64(lowest_bit(bits))
            bits &= bits - _ONE
            if at >= last:
                break
            while offsets[row + 1] <= at:
                row += 1
            if not wanted[row] or (hards and hard[hards - 1] == row):
                continue
            point, width = point_at(data, at)
            known = simples > 0 and simple[simples - 1] == row
            if kinds[point] == HARD:
                hard[hards] = row
                hards += 1
                simples -= known
            elif kinds[point] == SIMPLE:
                if not known:
                    simple[simples] = row
                    simples += 1
                    size += offsets[row + 1] - offsets[row]
                size += (places[point] & 63) - width
    return simples, hards, size


@kernel
def _exchange(
    data: Any,
    offsets: Any,
    rows: Any,
    kinds: Any,
    places: Any,
    values: Any,
    out: Any,
    starts: Any,
    stops: Any,
) -> None:
    edge = np.empty(STRIDE, np.uint8)
    used = 0
    for k in range(len(rows)):
        starts[k] = used
        done, stop = np.int64(offsets[rows[k]]), np.int64(offsets[rows[k] + 1])
        for i in range(done, stop, STRIDE):
            bits = _suspects(stride_at(data, i, edge))
            while bits:
                at = i + np.int64(lowest_bit(bits))
                bits &= bits - _ONE
                if at >= stop:
                    break
                point, width = point_at(data, at)
                if kinds[point] == SIMPLE:
                    used = copied(data, done, at, out, used)
                    start, length = places[point] >> 6, places[point] & 63
                    for j in range(length):
                        out[used + j] = values[start + j]
                    used += length
                    done = at + width
        used = copied(data, done, stop, out, used)
        stops[k] = used


def normalized(texts: pa.Array, wanted: npt.NDArray[np.bool_], name: str) -> Rows:
    """The texts among those `wanted` that are not in the normal form `name`, brought into it."""
    form = normal_form(name)
    data, offsets, valid = text_buffers(texts)
    simple, hard = new_array(len(valid), np.int64), new_array(len(valid), np.int64)
    simples, hards, size = _find(data, offsets, valid & wanted, form.kinds, form.places, simple, hard)
    simple, hard = simple[:simples], hard[:hards]
    out = new_array(size, np.uint8)
    starts, stops = np.empty(simples, np.int64), np.empty(simples, np.int64)
    _exchange(data, offsets, simple, *form, out, starts, stops)
    return _joined(Rows(simple, out, starts, stops), _the_long_way(texts, hard, name))


def _the_long_way(texts: pa.Array, rows: npt.NDArray[np.int64], name: str) -> Rows:
    old = texts.take(pa.array(rows))
    new = pc.utf8_normalize(old, name)
    changed = np.asarray(pc.not_equal(old, new), np.bool_)
    data, offsets, _ = text_buffers(new)
    offsets = offsets.astype(np.int64)
    return Rows(rows[changed], data, offsets[:-1][changed], offsets[1:][changed])


def _joined(left: Rows, right: Rows) -> Rows:
    if not len(right.rows):
        return left
    rows = np.concatenate([left.rows, right.rows])
    order = np.argsort(rows, kind="stable")
    shift = len(left.data)
    return Rows(
        rows[order],
        np.concatenate([left.data, right.data]),
        np.concatenate([left.starts, right.starts + shift])[order],
        np.concatenate([left.stops, right.stops + shift])[order],
    )
