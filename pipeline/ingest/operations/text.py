"""Operations that map texts to texts with compiled functions alone."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.operations.normal_forms import normalized
from pipeline.ingest.operations.operation import SplicingOperation, TextOperation
from pipeline.ingest.operations.splice import Rows
from pipeline.ingest.operations.white_space import collapsed, trimmed

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


class NormalizeUnicode(SplicingOperation):
    """Bring different spellings of one character to a single one (Unicode normalisation).

    ``NFKC`` also folds compatibility characters: full-width letters, digits and punctuation to ASCII, ligatures to
    letters, circled digits to digits. ``NFC`` only composes letters with their accents.

        op = "normalize_unicode"
        form = "NFKC"
    """

    op: Literal["normalize_unicode"] = "normalize_unicode"
    form: Literal["NFC", "NFKC"] = "NFKC"
    """The Unicode normal form."""

    def rewritten(self, texts: pa.Array, wanted: npt.NDArray[np.bool_]) -> Rows:
        """The normal forms of texts that are not normal."""
        return normalized(texts, wanted, self.form)


class Trim(SplicingOperation):
    """Remove white space (of any script) from both ends of the text.

    op = "trim"
    """

    op: Literal["trim"] = "trim"

    def rewritten(self, texts: pa.Array, wanted: npt.NDArray[np.bool_]) -> Rows:
        """The texts with white space at an end, without it."""
        return trimmed(texts, wanted)


class CollapseWhitespace(SplicingOperation):
    """Turn every run of white space (blanks, tabs, line breaks, ideographic spaces) into one blank.

    op = "collapse_whitespace"
    """

    op: Literal["collapse_whitespace"] = "collapse_whitespace"
    keep_lines: bool = False
    """Keep line breaks: a run that holds a line break becomes one line break."""

    def rewritten(self, texts: pa.Array, wanted: npt.NDArray[np.bool_]) -> Rows:
        """The texts with other white space than single blanks, with single blanks."""
        return collapsed(texts, wanted, keep_lines=self.keep_lines)


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
