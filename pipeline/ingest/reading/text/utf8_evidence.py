"""What a little text beyond ASCII shows of UTF-8: some Chinese characters of GBK have the bytes of other letters there.

The character that GBK writes as C5 AE, a woman, is a Latin letter with a ring in UTF-8. Where a file holds nothing
else beyond ASCII, its bytes alone are valid in both, and only what stands beside them can tell.
"""

import re
import unicodedata
from collections.abc import Sequence

from pipeline.ingest.reading.text.encoding import is_everyday

#: What a text shows: words or signs as UTF-8 has them, nothing either way, or letters that no words have side by side.
SHOWN, LITTLE, AGAINST = "shown", "little", "against"
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_BROKEN = "\ufffd"


def utf8_evidence(lines: Sequence[bytes]) -> str:
    """`SHOWN`, `LITTLE` or `AGAINST`, for lines in which no sequence of UTF-8 is longer than two bytes.

    Parameters
    ----------
    lines
        Lines that hold bytes beyond ASCII; not all of them need be UTF-8.
    """
    against = False
    for line in lines:
        text = line.decode("utf-8", "replace")
        for run in _BEYOND_ASCII.finditer(text):
            letters = run[0]
            if _BROKEN in letters:
                continue
            before = text[max(0, run.start() - 2) : run.start()].removesuffix("-")
            beside = before[-1:] + text[run.end() : run.end() + 1]
            if _is_in_a_word(letters, beside) or not _is_chinese(letters):
                return SHOWN
            against |= len(letters) > 1
    return AGAINST if against else LITTLE


def _is_in_a_word(letters: str, beside: str) -> bool:
    """Whether they stand as letters and signs do: beside ASCII letters, one sign anywhere, or letters as a word."""
    if any(letter.isalpha() for letter in beside):
        return True
    if not any(letter.isalpha() for letter in letters):
        return len(letters) == 1 or any(letter.isdigit() or letter == " " for letter in beside)
    scripts = {unicodedata.name(letter, "none").partition(" ")[0] for letter in letters}
    return len(letters) > 1 and len(scripts) == 1


def _is_chinese(letters: str) -> bool:
    """Whether the same bytes are everyday characters in GBK."""
    read = letters.encode().decode("gb18030", "replace")
    return all(is_everyday(letter, "gb18030") for letter in read)
