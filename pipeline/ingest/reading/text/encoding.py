"""Which text encoding a file is in: by its mark, by the shape of its bytes, or by what reads best."""

import codecs
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from charset_normalizer import from_bytes

#: Marks at the start of a file; the longer ones first, because one begins like another.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: What a file that is not UTF-8 may be, unless the job file says something else.
#: For Big5 and Shift JIS the forms that Windows writes, which hold a few more characters.
LEGACY_ENCODINGS = ("gb18030", "cp950", "cp932", "cp1252")
#: First bytes of punctuation, first bytes of the first level of ideographs, and the least second byte of both.
_EVERYDAY = {
    "gb18030": (range(0xA1, 0xA4), range(0xB0, 0xD8), 0xA1),
    "cp950": (range(0xA1, 0xA4), range(0xA4, 0xC7), 0x40),
    "cp932": (range(0x81, 0x84), range(0x88, 0x98), 0x40),
}
_CLEARLY = 0.1
#: With fewer different characters than this there is no telling by the language.
_FEW_LETTERS = 4
_WESTERN = re.compile(r"[A-Za-z][^\W\x00-\x7f]|[^\W\x00-\x7f][A-Za-z]|[\x80-\xbf€] ?\d|\d ?[\x80-\xbf€]")
#: First bytes of characters of seventeen strokes or more in Big5.
_MANY_STROKES = 0xC0
_MOSTLY = 0.8
#: Every other byte of ASCII text in UTF-16 is NUL; with fewer than one in so many, it may be another's text.
_BYTES_PER_NUL = 3
_SAMPLED_BYTES = 1 << 20
_WORD_BYTES = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
#: At least one in so many UTF-16 code units of running text is ASCII (a line end, a delimiter, a digit).
_UNITS_PER_ASCII = 200
#: Bytes below the blank that are no white space, and are not left out (NUL), written by old editors (0x1A), or marks
#: between fields and records (0x01, 0x1C to 0x1F).
_CONTROLS = bytes([*range(2, 9), *range(14, 26), 27])
#: Text that holds more of them than one in so many bytes is none.
_BYTES_PER_CONTROL = 50
_KANA = frozenset(map(chr, range(0x3041, 0x3100)))
_HANGUL = frozenset(map(chr, range(0xAC00, 0xD7A4)))
_SCRIPT_SHARES = {"euc_jp": 0.3, "cp949": 0.95}
#: Among so many different letters the rows they lie in are no chance.
_TELLING_LETTERS = 20
#: Names that people use for text which needs the superset.
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "ascii": "utf-8", "utf-8-sig": "utf-8"}


def marked_encoding(head: bytes) -> tuple[str, int]:
    """The encoding that a byte order mark at the start of `head` names and the mark's length; ("", 0) for no mark.

    Programs that add a mark to a file that has one make two of them: all count.
    """
    for mark, name in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            times = next(count for count in range(1, len(head) + 2) if not head.startswith(mark, count * len(mark)))
            return name, times * len(mark)
    return "", 0


def unit_bytes(encoding: str) -> int:
    """How many bytes a line feed takes in `encoding`."""
    return _WORD_BYTES.get(encoding, 1)


def declared_encoding(declared: str, head: bytes) -> str:
    """The exact encoding meant by a job file's name for it, for a file that starts with `head` and has no mark."""
    name = codecs.lookup(declared).name
    if name in {"utf-16", "utf-32"}:
        return unmarked_wide_encoding(head) or f"{name}-le"
    return _WIDER.get(name, name)


def mistaken_encoding(encoding: str, head: bytes) -> str:
    """What is wrong with reading a file that starts with `head`, without a mark, in `encoding`; "" for nothing.

    A line feed of UTF-16 and UTF-32 brings a NUL byte with it, which text in other encodings hardly ever has.
    """
    wide = unmarked_wide_encoding(head)
    if unit_bytes(encoding) == 1 and wide is not None:
        return f"its bytes are those of {wide}"
    if unit_bytes(encoding) > 1 and b"\n" in head and b"\0" not in head:
        return "it has line feeds of one byte"
    return ""


def unmarked_wide_encoding(head: bytes) -> str | None:
    """UTF-16 of one byte order or the other, if `head` looks like it; else None.

    In UTF-16 text each line feed is a whole code unit, and some units are ASCII, so that NUL bytes are common on one
    side of the units and rare on the other. Stray NUL bytes in other text do neither.
    """
    units = np.frombuffer(head[: len(head) // 2 * 2], dtype=np.uint8).reshape(-1, 2)
    if units.shape[0] == 0:
        return None
    for name, low, high in (("utf-16-le", 0, 1), ("utf-16-be", 1, 0)):
        ascii_units = (units[:, high] == 0) & (units[:, low] != 0) & (units[:, low] < 0x80)
        backwards = (units[:, low] == 0) & (units[:, high] != 0) & (units[:, high] < 0x80)
        line_feeds = np.count_nonzero((units[:, high] == 0) & (units[:, low] == 10))
        common = np.count_nonzero(ascii_units) * _UNITS_PER_ASCII >= units.shape[0]
        if common and line_feeds and np.count_nonzero(backwards) * 10 <= np.count_nonzero(ascii_units):
            return None if _is_narrow_with_nuls(head) else name
    return None


def _is_narrow_with_nuls(head: bytes) -> bool:
    """Whether `head`, which could be UTF-16, reads well as other text with a few NUL bytes in it."""
    plain = head.replace(b"\0", b"")
    if (len(head) - len(plain)) * _BYTES_PER_NUL > len(head):
        return False
    plain = plain[: plain.rfind(b"\n") + 1]
    return _reads(plain, "utf-8") or (_reads(plain, "gb18030") and _everyday_share([plain], "gb18030") >= _MOSTLY)


def detected_encoding(sample: Sequence[bytes]) -> str | None:
    """The legacy encoding that reads the lines of `sample` best; None if none of them does.

    Parameters
    ----------
    sample
        Lines that hold bytes beyond ASCII. A stray line that an encoding cannot read does not count against it.
    """
    lines = [line for line in sample if line]
    if _is_binary(lines):
        return None
    if (other := _other_script(lines)) is not None:
        return other
    able = [name for name in LEGACY_ENCODINGS if reads_nearly_all(lines, name)]
    chosen = _best_of(able, lines)
    return None if chosen == "cp1252" and _another_alphabet(lines) else chosen


def _is_binary(lines: Sequence[bytes]) -> bool:
    """Whether control characters that no text needs are common."""
    controls = sum(len(line) - len(line.translate(None, _CONTROLS)) for line in lines)
    return controls * _BYTES_PER_CONTROL > sum(map(len, lines))


def _another_alphabet(lines: Sequence[bytes]) -> bool:
    """Whether whole words are beyond ASCII: nearly every byte is a letter of cp1252, and Cyrillic would be nonsense."""
    text = b"\n".join(lines).decode("cp1252", "replace")
    words = sum(len(run) for run in re.findall(r"[^\x00-\x7f]{4,}", text))
    return words * 2 > sum(letter > "\x7f" for letter in text)


def _other_script(lines: Sequence[bytes]) -> str | None:
    """The encoding of Japanese or Korean text whose bytes could as well be Chinese; None for other text.

    EUC-JP and EUC-KR share their byte ranges with GB 2312. Text in the first is full of kana, which lie in two rows;
    text in the second stays within the rows of Hangul, the first half of those that Chinese text is spread over.
    """
    for name, script in (("euc_jp", _KANA), ("cp949", _HANGUL)):
        if reads_nearly_all(lines, name):
            letters = [letter for line in lines for letter in line.decode(name, "replace") if letter >= "\u3041"]
            share = sum(letter in script for letter in letters) / max(1, len(letters))
            if share >= _SCRIPT_SHARES[name] and len(set(letters)) >= _TELLING_LETTERS:
                return name
    return None


def _best_of(able: list[str], lines: Sequence[bytes]) -> str | None:
    """Which of the encodings that can read `lines` is meant."""
    if len(able) < 2:
        return able[0] if able else None
    clean = [line for line in lines if all(_reads(line, name) for name in able)]
    best = from_bytes(b"\n".join(clean), cp_isolation=able).best() if clean else None
    shares = {name: _everyday_share(clean or lines, name) for name in able}
    likely = max(able, key=lambda name: shares[name])
    close = [name for name in able if shares[name] > shares[likely] - _CLEARLY]
    if len(close) > 1 and len(_letters(clean or lines, likely)) < _FEW_LETTERS:
        # The detector knows languages, and so few characters are none.
        return _of_few_letters(close, clean or lines)
    chosen = best.encoding if best is not None and best.encoding in able else likely
    # On a few short lines the detector can take rare characters for text: then everyday ones decide.
    return likely if shares[likely] > shares[chosen] + _CLEARLY else chosen


def _of_few_letters(close: list[str], lines: Sequence[bytes]) -> str | None:
    """Which of these encodings is meant where two or three characters come again and again; None if that is open.

    Big5 sorts by strokes: a few characters that all have very many of them are hardly what a column holds. Text in
    cp1252 has letters beside letters, and signs beside figures.
    """
    western = any(_WESTERN.search(line.decode("cp1252", "replace")) for line in lines)
    letters = _letters(lines, "cp950") if "cp950" in close else set()
    many_strokes = len(letters) > 1 and all(letter.encode("cp950")[0] >= _MANY_STROKES for letter in letters)
    out = {"cp950": many_strokes, "cp1252": not western}
    left = [name for name in close if not out.get(name, False)]
    return left[0] if len(left) == 1 else None


def _letters(lines: Sequence[bytes], encoding: str) -> set[str]:
    """The different characters beyond ASCII."""
    return {letter for line in lines for letter in line.decode(encoding, "ignore") if letter > "\x7f"}


def _everyday_share(lines: Sequence[bytes], encoding: str) -> float:
    """Share of the characters beyond ASCII that are everyday ones in the languages written in `encoding`."""
    text = b"\n".join(lines).decode(encoding, "replace")
    beyond = [place for place, letter in enumerate(text) if letter > "\x7f"]
    if encoding == "cp1252":
        # Accented letters and typographic marks stand alone between ASCII ones.
        everyday = sum(_stands_alone(text, place) for place in beyond)
    else:
        everyday = sum(is_everyday(text[place], encoding) for place in beyond)
    return everyday / len(beyond) if beyond else 0.0


def _stands_alone(text: str, place: int) -> bool:
    around = text[max(0, place - 1) : place] + text[place + 1 : place + 2]
    return around.isascii()


def is_everyday(letter: str, encoding: str) -> bool:
    """Whether the character is an everyday one in the languages written in `encoding`, one of several bytes each."""
    punctuation, ideographs, least = _EVERYDAY[encoding]
    raw = letter.encode(encoding, "replace")
    return len(raw) == 2 and (raw[0] in punctuation or raw[0] in ideographs) and raw[1] >= least


def lines_beyond_ascii(data: npt.NDArray[np.uint8], most_bytes: int) -> tuple[bytes, ...]:
    """Lines of `data` that hold bytes beyond ASCII, from the first on, up to `most_bytes` in all."""
    found: list[bytes] = []
    left = most_bytes
    first = int(np.argmax(data >= 0x80)) if data.size else 0
    places = np.flatnonzero(data[first : first + _SAMPLED_BYTES] >= 0x80) + first
    raw = memoryview(data)  # type: ignore[arg-type]
    done = -1
    for place in map(int, places):
        if left <= 0:
            break
        if place < done:
            continue
        before = bytes(raw[max(0, place - 4096) : place])
        after = bytes(raw[place : place + 4096])
        line = before[before.rfind(b"\n") + 1 :] + after.split(b"\n", 1)[0]
        done = place + len(after.split(b"\n", 1)[0])
        found.append(line[:left])
        left -= len(line)
    return tuple(found)


def _reads(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def reads_nearly_all(lines: Sequence[bytes], encoding: str) -> bool:
    """Whether `encoding` can decode `lines`, but for a stray one; false for a lone line that it cannot."""
    bad = sum(not _reads(line, encoding) for line in lines)
    return bad <= max(1, len(lines) // 10) and bad * 2 < len(lines)
