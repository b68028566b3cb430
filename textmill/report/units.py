"""Numbers as people read them."""

import unicodedata

_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def count(number: float) -> str:
    """A whole number with its thousands set apart.

    Examples
    --------
    >>> count(1234567)
    '1,234,567'
    """
    return f"{number:,.0f}"


def counted(number: float, noun: str) -> str:
    """A number of things, the noun in its right form.

    Examples
    --------
    >>> counted(1, "file"), counted(2000, "file")
    ('1 file', '2,000 files')
    """
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def size(number_bytes: float) -> str:
    """Bytes in the largest decimal unit that leaves at least one.

    Examples
    --------
    >>> size(64_000_000), size(999), size(0)
    ('64.0 MB', '999 B', '0 B')
    """
    power = 0
    while abs(number_bytes) >= 999.95 and power < len(_BYTE_UNITS) - 1:
        number_bytes /= 1000
        power += 1
    return f"{number_bytes:.0f} B" if power == 0 else f"{number_bytes:.1f} {_BYTE_UNITS[power]}"


def duration(seconds: float) -> str:
    """A time span with as much precision as it deserves.

    Examples
    --------
    >>> duration(0.0123), duration(2.5), duration(125), duration(7265)
    ('0.01 s', '2.5 s', '2 min 05 s', '2 h 01 min')
    """
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def share(part: float, whole: float) -> str:
    """A part of a whole in per cent, never rounded to nothing or to everything.

    Examples
    --------
    >>> share(1, 8), share(1, 100_000), share(99_999, 100_000), share(0, 0)
    ('12.5 %', '<0.1 %', '>99.9 %', '0 %')
    """
    if not whole or not part:
        return "0 %"
    if part == whole:
        return "100 %"
    percent = 100 * part / whole
    if percent < 0.05:
        return "<0.1 %"
    return ">99.9 %" if percent >= 99.95 else f"{percent:.1f} %"


def score(number: float | None) -> str:
    """A quality between 0 and 1 with three digits after the point; a dash for none."""
    return "–" if number is None or number != number else f"{number:.3f}"


def visible(text: object) -> str:
    r"""`text` on one line, with every character that cannot be seen shown by a stand-in.

    Labels and n-grams come from anybody's data: line breaks, terminal escapes and direction marks must not act.

    Examples
    --------
    >>> visible("a\nb"), visible("\x1b[31m")
    ('a␊b', '␛[31m')
    """
    return "".join(_stand_in(character) for character in str(text))


def visible_lines(text: object) -> str:
    """`text` as `visible` shows it, with its line feeds kept."""
    return "\n".join(map(visible, str(text).split("\n")))


def _stand_in(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return "�" if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") else character
