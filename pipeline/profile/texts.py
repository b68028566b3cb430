"""What texts are written in, and which words they hold: compiled passes over Arrow text."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.ingest.dedupe.tokens import AUTO, CHARACTERS, CLASSES, OUTSIDE, decided
from pipeline.ingest.dedupe.tokens import point_at as point_and_width
from pipeline.text.grams import CHINESE_CODE, WORD_CODE, scratch, units_of
from pipeline.text.hashing import read_only, text_buffers
from pipeline.text.unicode_tables import IDEOGRAPH, WORD, unicode_tables
from pipeline.text.utf8 import point_at, width_at
from storage.compiled import kernel
from storage.murmur import mixed

#: What a text is written in: nine of ten of its letters, or else it is mixed. Han beside kana counts as kana.
SCRIPTS = ("none", "Latin", "Han", "Kana", "Hangul", "Cyrillic", "other", "mixed")
_LATIN, _HAN, _KANA, _HANGUL, _CYRILLIC, _OTHER, _MIXED = range(1, 8)

#: First and last code point, by fixed ranges: the same in every version of Unicode.
_RANGES = (
    (0x0030, 0x0039, 0),
    (0x0300, 0x036F, 0),  # combining marks
    (0x2600, 0x28FF, 0),  # symbols
    (0xFF10, 0xFF19, 0),
    (0x1F000, 0x1FAFF, 0),  # emoji
    (0x0041, 0x024F, _LATIN),
    (0x1E00, 0x1EFF, _LATIN),
    (0xFF21, 0xFF5A, _LATIN),
    (0x2E80, 0x2FDF, _HAN),
    (0x3005, 0x3007, _HAN),
    (0x3400, 0x4DBF, _HAN),
    (0x4E00, 0x9FFF, _HAN),
    (0xF900, 0xFAFF, _HAN),
    (0x20000, 0x3FFFF, _HAN),
    (0x3040, 0x30FF, _KANA),
    (0x31F0, 0x31FF, _KANA),
    (0xFF66, 0xFF9F, _KANA),
    (0x1100, 0x11FF, _HANGUL),
    (0x3130, 0x318F, _HANGUL),
    (0xA960, 0xA97F, _HANGUL),
    (0xAC00, 0xD7FF, _HANGUL),
    (0x0400, 0x052F, _CYRILLIC),
    (0x1C80, 0x1C8F, _CYRILLIC),
    (0x2DE0, 0x2DFF, _CYRILLIC),
    (0xA640, 0xA69F, _CYRILLIC),
)


def _scripts() -> npt.NDArray[np.uint8]:
    scripts = np.full(len(CLASSES), _OTHER, np.uint8)
    for first, last, script in _RANGES:
        scripts[first : last + 1] = script
    scripts[CLASSES == OUTSIDE] = 0
    return scripts


_SCRIPT_OF = _scripts()


@kernel
def _written_in(data: Any, offsets: Any, script_of: Any, out: Any) -> None:
    counts = np.empty(_OTHER + 1, np.int64)
    for row in range(len(out)):
        counts[:] = 0
        i = offsets[row]
        while i < offsets[row + 1]:
            point, width = point_and_width(data, i)
            counts[script_of[point]] += 1
            i += width
        if counts[_KANA] * 10 >= counts[_HAN] + counts[_KANA]:
            counts[_KANA] += counts[_HAN]
            counts[_HAN] = 0
        letters = counts[1:].sum()
        best = 1 + np.argmax(counts[1:])
        if letters == 0:
            out[row] = 0
        elif counts[best] * 10 >= letters * 9:
            out[row] = best
        else:
            out[row] = _MIXED


def script_counts(texts: pa.Array) -> dict[str, int]:
    """How many texts are written in each of `SCRIPTS`, those without a text left out; nulls count as "none".

    Examples
    --------
    >>> script_counts(pa.array(["late again", "包裹还没到", "遅れています", "42!", "ja, 包裹还没到"]))
    {'none': 1, 'Latin': 1, 'Han': 1, 'Kana': 1, 'mixed': 1}
    """
    offsets, data = text_buffers(texts)
    out = np.zeros(len(texts), np.uint8)
    _written_in(read_only(data), read_only(offsets), _SCRIPT_OF, out)
    counts = np.bincount(out, minlength=len(SCRIPTS)).tolist()
    return {script: count for script, count in zip(SCRIPTS, counts, strict=True) if count}


@kernel
def _is_pair(buffer: Any, starts: Any, ends: Any, unit: Any, kinds: Any) -> Any:
    """Whether a unit and the next one are both characters of a script without blanks."""
    for one in range(unit, unit + 2):
        kind = kinds[point_at(buffer, starts[one], width_at(buffer, starts[one], ends[one]))]
        if not (kind & IDEOGRAPH and kind & WORD):
            return False
    return True


@kernel
def _hashed(buffer: Any, first: Any, last: Any) -> Any:
    value = np.uint64(0xCBF29CE484222325)
    for i in range(first, last):
        value = (value ^ np.uint64(buffer[i])) * np.uint64(0x100000001B3)
    return mixed(value)


@kernel
def _slot_of(slots: Any, hashes: Any, value: Any) -> Any:
    """Where the token with this hash is, or is to be put."""
    slot = np.int64(value & np.uint64(len(slots) - 1))
    while slots[slot] >= 0 and hashes[slots[slot]] != value:
        slot = (slot + 1) & (len(slots) - 1)
    return slot


@kernel
def _wider(slots: Any, hashes: Any, found: Any) -> Any:
    """Twice as many slots for the same tokens."""
    more = np.full(2 * len(slots), -1, np.int64)
    for number in range(found):
        more[_slot_of(more, hashes, hashes[number])] = number
    return more


@kernel
def _counted(offsets: Any, text: Any, lower: Any, kinds: Any, classes: Any) -> Any:
    """Counts of different tokens, where each ends in their joined bytes, and those bytes."""
    lowered, flags, buffer, starts, ends, runs = scratch(offsets)
    slots = np.full(1 << 12, -1, np.int64)
    # Half as many tokens as slots at most: what is looked for is soon found.
    hashes, counts, stops = np.empty(1 << 11, np.uint64), np.zeros(1 << 11, np.int64), np.zeros(1 << 11, np.int64)
    letters = np.empty(1 << 14, np.uint8)
    found = used = 0
    for row in range(len(offsets) - 1):
        chinese = decided(text, offsets[row], offsets[row + 1], AUTO, classes) == CHARACTERS
        run_count = units_of(
            offsets[row],
            offsets[row + 1],
            text,
            CHINESE_CODE if chinese else WORD_CODE,
            True,
            lower,
            kinds,
            lowered,
            flags,
            buffer,
            starts,
            ends,
            runs,
        )
        for run in range(run_count):
            further = 1 if chinese and runs[run + 1] - runs[run] > 1 else 0
            for unit in range(runs[run], runs[run + 1] - further):
                if further and not _is_pair(buffer, starts, ends, unit, kinds):
                    continue
                first, last = starts[unit], ends[unit + further]
                value = _hashed(buffer, first, last)
                slot = _slot_of(slots, hashes, value)
                if slots[slot] >= 0:
                    counts[slots[slot]] += 1
                    continue
                if used + last - first > len(letters):
                    letters = np.append(letters, np.empty(len(letters) + last - first, np.uint8))
                letters[used : used + last - first] = buffer[first:last]
                used += last - first
                slots[slot] = found
                hashes[found], counts[found], stops[found] = value, 1, used
                found += 1
                if found == len(hashes):
                    slots = _wider(slots, hashes, found)
                    hashes = np.append(hashes, np.empty_like(hashes))
                    counts, stops = np.append(counts, counts), np.append(stops, stops)
    return counts[:found].copy(), stops[:found].copy(), letters[:used].copy()


def token_counts(texts: pa.Array) -> dict[str, int]:
    """How often each token comes in the texts, in lower case.

    Words of two or more letters or digits, as the analyzer ``word`` has them. In a text half of whose characters or
    more are of scripts without blanks between words: pairs of those that stand side by side, and words of three or more
    letters of other scripts, as the analyzer ``chinese`` has them.

    Examples
    --------
    >>> sorted(token_counts(pa.array(["Late, late again!", "包裹没到 app", None])).items())
    [('again', 1), ('app', 1), ('late', 2), ('包裹', 1), ('没到', 1), ('裹没', 1)]
    """
    offsets, data = text_buffers(texts)
    tables = unicode_tables()
    counts, stops, letters = _counted(read_only(offsets), read_only(data), tables.lower, tables.kinds, CLASSES)
    joined, start = letters.tobytes(), 0
    tokens: dict[str, int] = {}
    for count, stop in zip(counts.tolist(), stops.tolist(), strict=True):
        tokens[joined[start:stop].decode("utf-8", "replace")] = count
        start = stop
    return tokens
