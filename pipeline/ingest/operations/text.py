"""Operations that map texts to texts with compiled Arrow functions alone."""

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.operations.operation import TextOperation
from pipeline.ingest.operations.rows import on_rows

#: Characters of the Unicode property White_Space.
WHITESPACE = r"\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
#: Control characters that are not white space: they mean nothing in a text.
CONTROLS = r"\x{0}-\x{8}\x{e}-\x{1f}\x{7f}-\x{84}\x{86}-\x{9f}"
#: Characters that take no room: soft hyphen, zero-width spaces, direction marks, byte order marks, fillers.
ZERO_WIDTH = (
    r"\x{ad}\x{34f}\x{61c}\x{180e}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2064}\x{2066}-\x{206f}"
    r"\x{feff}\x{fff9}-\x{fffb}"
)
#: Zero-width characters that change how their neighbours look (emoji sequences, Persian, Indic scripts).
JOINERS = r"\x{200c}\x{200d}"


class NormalizeUnicode(TextOperation):
    """Bring different spellings of one character to a single one (Unicode normalisation).

    ``NFKC`` also folds compatibility characters: full-width letters, digits and punctuation to ASCII, ligatures to
    letters, circled digits to digits. ``NFC`` only composes letters with their accents.

        op = "normalize_unicode"
        form = "NFKC"
    """

    op: Literal["normalize_unicode"] = "normalize_unicode"
    form: Literal["NFC", "NFKC"] = "NFKC"
    """The Unicode normal form."""

    def transform(self, texts: pa.Array) -> pa.Array:
        """The texts in the normal form; texts of ASCII alone are in it already."""
        return on_rows(texts, pc.invert(pc.string_is_ascii(texts)), lambda some: pc.utf8_normalize(some, self.form))


class Trim(TextOperation):
    """Remove white space (of any script) from both ends of the text.

    op = "trim"
    """

    op: Literal["trim"] = "trim"

    def transform(self, texts: pa.Array) -> pa.Array:
        """The texts without white space at their ends."""
        edges = pc.match_substring_regex(texts, f"^[{WHITESPACE}]|[{WHITESPACE}]$")
        return on_rows(
            texts,
            edges,
            lambda some: pc.replace_substring_regex(some, f"^[{WHITESPACE}]+|[{WHITESPACE}]+$", ""),
        )


class CollapseWhitespace(TextOperation):
    """Turn every run of white space (blanks, tabs, line breaks, ideographic spaces) into one blank.

    op = "collapse_whitespace"
    """

    op: Literal["collapse_whitespace"] = "collapse_whitespace"
    keep_lines: bool = False
    """Keep line breaks: a run that holds a line break becomes one line break."""

    def transform(self, texts: pa.Array) -> pa.Array:
        """The texts with single blanks."""
        # The patterns match only what must change: most texts pass without being written anew.
        if self.keep_lines:
            broken = r"[\x{a}-\x{d}\x{85}\x{2028}\x{2029}]"
            lines = f"[{WHITESPACE}]*{broken}[{WHITESPACE}]*"
            texts = pc.replace_substring_regex(texts, lines, "\n")
            blank = WHITESPACE.replace(r"\x{9}-\x{d}", r"\x{9}").replace(r"\x{85}", "")
        else:
            blank = WHITESPACE
        other = blank.replace(r"\x{20}", "")
        return pc.replace_substring_regex(texts, f"[{other}][{blank}]*|\\x{{20}}[{blank}]+", " ")


class Lowercase(TextOperation):
    """Turn letters into lower case, one character to one character (Unicode simple case mapping).

    op = "lowercase"
    """

    op: Literal["lowercase"] = "lowercase"

    def transform(self, texts: pa.Array) -> pa.Array:
        """The texts in lower case."""
        return pc.utf8_lower(texts)


class StripControl(TextOperation):
    """Remove control characters and characters of no width (zero-width spaces, direction marks, soft hyphens).

    Tabs and line breaks stay: they are white space, see `collapse_whitespace`.

        op = "strip_control"
    """

    op: Literal["strip_control"] = "strip_control"
    keep_joiners: bool = False
    """Keep the zero-width joiner and non-joiner, which emoji sequences, Persian and Indic scripts are written with."""

    def transform(self, texts: pa.Array) -> pa.Array:
        """The texts without these characters."""
        unseen = CONTROLS + ZERO_WIDTH + ("" if self.keep_joiners else JOINERS)
        return pc.replace_substring_regex(texts, f"[{unseen}]+", "")
