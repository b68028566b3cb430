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
from pipeline.ingest.reading.csv.runs import copied, words_of
from storage.compiled import inlined, kernel

INERT, SIMPLE, HARD = 0, 1, 2
_POINTS = 0x110000
_STRIDE = 64
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
    characters = [chr(point) for point in points.tolist()]
    asked = pa.array(characters)
    normal = pc.utf8_normalize(asked, name)
    own = np.asarray(pc.equal(asked, normal))
    composed = _composed_with_earlier(characters)
    bound = np.array([c in composed or unicodedata.combining(c) != 0 or not _is_known(c) for c in characters])
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
        if all(kinds[ord(c)] == INERT for c in text) and len(text.encode()) < _STRIDE:
            kinds[point] = SIMPLE
            places[point] = len(values) * _STRIDE + len(text.encode())
            values += text.encode()
    return Form(kinds, places, np.frombuffer(bytes(values), np.uint8))


def _composed_with_earlier(characters: list[str]) -> set[str]:
    pairs = (unicodedata.decomposition(c).split() for c in characters)
    return {chr(int(pair[1], 16)) for pair in pairs if len(pair) == 2 and not pair[0].startswith("<")}


def _is_known(character: str) -> bool:
    return unicodedata.category(character) != "Cn"


#: Comparisons with constants of the bytes' own type become vector instructions; with others they would be widened.
_80, _C2, _E4, _E9 = np.uint8(0x80), np.uint8(0xC2), np.uint8(0xE4), np.uint8(0xE9)


@kernel
def _suspect(window: Any) -> Any:
    """Whether a stretch of bytes may hold a character that is not inert: any but ASCII and U+4000 to U+9FFF."""
    found = False
    for j in range(_STRIDE):
        a = window[j]
        found |= (a >= _C2) & ((a < _E4) | (a > _E9))
    return found


@inlined
def _inert_width(lead: Any) -> Any:
    """How many bytes the character takes that `lead` begins, if that is ASCII or U+4000 to U+9FFF; 0 otherwise."""
    return 1 if lead < _80 else (3 if lead >= _E4 and lead <= _E9 else 0)


@kernel
def _kind_of(data: Any, start: Any, stop: Any, kinds: Any, places: Any) -> Any:
    """The greatest kind of a text's characters, and how many bytes it takes with simple ones exchanged."""
    kind, size = INERT, stop - start
    i = start
    while i < stop:
        width = _inert_width(data[i])
        if width:
            i += width
            continue
        point, width = point_at(data, i)
        i += width
        if kinds[point] == HARD:
            return HARD, 0
        if kinds[point] == SIMPLE:
            kind = SIMPLE
            size += (places[point] & 63) - width
    return kind, size


@kernel
def _find(data: Any, offsets: Any, wanted: Any, kinds: Any, places: Any, simple: Any, hard: Any) -> Any:
    """How many rows are simple and hard, which is written to `simple` and `hard`, and the size of the simple ones."""
    simples = hards = size = row = 0
    first, last = offsets[0], offsets[len(offsets) - 1]
    i = first
    while i < last:
        if i + _STRIDE > len(data) or _suspect(data[i : i + _STRIDE]):
            end = min(i + _STRIDE, last)
            while row < len(wanted) and offsets[row + 1] <= i:
                row += 1
            while row < len(wanted) and offsets[row] < end:
                if wanted[row]:
                    kind, takes = _kind_of(data, offsets[row], offsets[row + 1], kinds, places)
                    if kind == SIMPLE:
                        simple[simples] = row
                        simples += 1
                        size += takes
                    elif kind == HARD:
                        hard[hards] = row
                        hards += 1
                row += 1
        i += _STRIDE
    return simples, hards, size


@kernel
def _exchange(
    data: Any,
    words: Any,
    offsets: Any,
    rows: Any,
    kinds: Any,
    places: Any,
    values: Any,
    out: Any,
    out_words: Any,
    starts: Any,
    stops: Any,
) -> None:
    used = 0
    for k in range(len(rows)):
        starts[k] = used
        i, stop = offsets[rows[k]], offsets[rows[k] + 1]
        done = i
        while i < stop:
            width = _inert_width(data[i])
            if width:
                i += width
                continue
            point, width = point_at(data, i)
            if kinds[point] == SIMPLE:
                used = copied(data, words, done, i, out, out_words, used)
                start, length = places[point] >> 6, places[point] & 63
                for j in range(length):
                    out[used + j] = values[start + j]
                used += length
                done = i + width
            i += width
        used = copied(data, words, done, stop, out, out_words, used)
        stops[k] = used


def normalized(texts: pa.Array, wanted: npt.NDArray[np.bool_], name: str) -> Rows:
    """The texts among those `wanted` that are not in the normal form `name`, brought into it."""
    form = normal_form(name)
    data, offsets, valid = text_buffers(texts)
    simple, hard = np.empty(len(valid), np.int64), np.empty(len(valid), np.int64)
    simples, hards, size = _find(data, offsets, valid & wanted, form.kinds, form.places, simple, hard)
    simple, hard = simple[:simples], hard[:hards]
    out = np.empty(size, np.uint8)
    starts, stops = np.empty(simples, np.int64), np.empty(simples, np.int64)
    _exchange(data, words_of(data), offsets, simple, *form, out, words_of(out), starts, stops)
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
