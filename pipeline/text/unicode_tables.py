"""What Python knows of every code point, as arrays that compiled code can read.

Built from `str.lower`, `str.isalnum`, `str.isspace` and `unicodedata` themselves, so that compiled lower-casing and
tokens agree with Python's (and so with scikit-learn's) in every version of Unicode.
"""

import re
import sys
import unicodedata
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

#: Bits of `UnicodeTables.kinds`.
WORD, SPACE, IDEOGRAPH, CASED, CASE_IGNORABLE, PUNCTUATION = 1, 2, 4, 8, 16, 32

#: The one code point whose lower case is two: U+0069 U+0307.
DOTTED_CAPITAL_I = 0x130
#: The one code point whose lower case depends on its neighbours: U+03C2 at the end of a word, else U+03C3.
CAPITAL_SIGMA = 0x3A3
_FINAL_SIGMA = 0x3C2

#: Where cased and case-ignorable code points are: the first two planes, and the tags and variation selectors.
_CASE_MATTERS = ((0x0, 0x20000), (0xE0000, 0xE1000))

#: Where punctuation is: the first two planes.
_MARKS_END = 0x20000

#: Scripts written without spaces, whose characters the Chinese analyzer takes one by one: first, last code point.
IDEOGRAPHS = (
    (0x1100, 0x11FF),  # Hangul letters
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x30FF),  # iteration marks, kana
    (0x3100, 0xA4CF),  # Bopomofo, Hangul, Han, Yi
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),  # Hangul syllables
    (0xF900, 0xFAFF),  # compatibility ideographs
    (0xFF66, 0xFFDC),  # half-width kana and Hangul
    (0x16FE0, 0x18DFF),  # Tangut, Khitan
    (0x1AFF0, 0x1B2FF),  # kana supplements, Nüshu
    (0x20000, 0x3FFFF),  # supplementary ideographs
)


class UnicodeTables(NamedTuple):
    r"""Properties of all code points.

    Attributes
    ----------
    lower
        The lower case of each code point, shape (0x110000,), uint32. U+0130 and U+03A3 stand for themselves: their
        lower case is not one code point of its own.
    kinds
        Bits WORD (`\w`), SPACE (`\s`), IDEOGRAPH, CASED, CASE_IGNORABLE, PUNCTUATION (category P, but for what is
        WORD), shape (0x110000,), uint8.
    """

    lower: npt.NDArray[np.uint32]
    kinds: npt.NDArray[np.uint8]


def _points(characters: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(characters.encode("utf-32-le", "surrogatepass"), np.uint32)


def _characters(points: npt.NDArray[np.uint32]) -> str:
    return points.tobytes().decode("utf-32-le", "surrogatepass")


def _lower(characters: str) -> npt.NDArray[np.uint32]:
    special = (DOTTED_CAPITAL_I, CAPITAL_SIGMA)
    for point in special:
        characters = characters.replace(chr(point), " ")
    lower = _points(characters.lower()).copy()
    lower[list(special)] = special
    return lower


def _ends_in_final_sigma(points: range, before: str) -> npt.NDArray[np.bool_]:
    # A space is neither cased nor ignorable, so each piece is lower-cased as if it stood alone.
    pieces = np.empty((len(points), len(before) + 3), np.uint32)
    pieces[:, : len(before)] = _points(before)
    pieces[:, len(before)] = points
    pieces[:, len(before) + 1 :] = CAPITAL_SIGMA, ord(" ")
    characters = _characters(pieces).replace(chr(DOTTED_CAPITAL_I), "I")
    lowered = _points(characters.lower()).reshape(pieces.shape)
    return np.equal(lowered[:, -2], _FINAL_SIGMA)


def _matches(pattern: str, characters: str) -> npt.NDArray[np.uint8]:
    """1 where a character matches; regular expressions ask `str.isalnum` and `str.isspace` by these names."""
    found = np.zeros(len(characters), np.uint8)
    for match in re.finditer(f"{pattern}+", characters):
        found[match.start() : match.end()] = 1
    return found


def _are_marks(characters: str) -> npt.NDArray[np.bool_]:
    """Which characters are of category P: connectors, dashes, brackets, quotes, and what ends sentences."""
    categories = "".join(map(unicodedata.category, characters)).encode()
    return np.equal(np.frombuffer(categories, np.uint8)[::2], ord("P"))


@cache
def unicode_tables() -> UnicodeTables:
    """The tables of this Python's Unicode version, made on first use."""
    characters = _characters(np.arange(sys.maxunicode + 1, dtype=np.uint32))
    kinds = _matches(r"\w", characters) * np.uint8(WORD)
    kinds |= _matches(r"\s", characters) * np.uint8(SPACE)
    for first, last in IDEOGRAPHS:
        kinds[first : last + 1] |= (kinds[first : last + 1] & WORD) * np.uint8(IDEOGRAPH)
    kinds[:_MARKS_END] |= (_are_marks(characters[:_MARKS_END]) & (kinds[:_MARKS_END] & WORD == 0)) * np.uint8(
        PUNCTUATION
    )
    # str.lower looks past ignorable code points for a cased one before the sigma.
    for first, stop in _CASE_MATTERS:
        cased = _ends_in_final_sigma(range(first, stop), "")
        ignorable = _ends_in_final_sigma(range(first, stop), "A") & ~cased
        kinds[first:stop] |= cased * np.uint8(CASED) | ignorable * np.uint8(CASE_IGNORABLE)
    lower = _lower(characters)
    for table in (lower, kinds):
        table.setflags(write=False)
    return UnicodeTables(lower, kinds)
