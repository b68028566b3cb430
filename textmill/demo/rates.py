"""How often what is planted: the shares of faults, copies and noise in the corpus."""

from dataclasses import dataclass, fields
from itertools import accumulate

#: What a row can be, at most one of these each; the names of planted faults are the reasons a job reports.
FATES = (
    "short_row",
    "long_row",
    "bad_encoding",
    "bad_quoting",
    "cast_amount",
    "cast_created_at",
    "label_one_of",
    "empty_text",
    "missing_label",
    "stock",
    "copy",
)
#: Faults that only text files can have.
STRUCTURAL = frozenset({"short_row", "long_row", "bad_encoding", "bad_quoting"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Shares of all rows, each between 0 and 1.

    Attributes
    ----------
    short_row, long_row
        Records with too few or too many fields (text files only).
    bad_encoding
        Records with a byte that is not UTF-8 (UTF-8 text files only).
    bad_quoting
        Records with text after a closing quote (text files only).
    cast_amount, cast_created_at
        Rows whose amount or time is no amount or time.
    label_one_of
        Rows with a label that stands for no class.
    empty_text
        Rows whose text is empty, blank, or nothing but markup.
    missing_label
        Rows with an empty label.
    stock
        Short texts that many customers send word for word.
    copy
        Rows that repeat the text of an earlier row, half of them dressed differently.
    mislabelled
        Rows with the label of another class.
    ambiguous
        Rows whose text fits any class.
    mixed
        Rows with a sentence of another class.
    html, zero_width, full_width, spaces, newlines
        Rows dressed with what cleaning takes off again.
    spelling
        Labels in another spelling or language.
    chinese
        Chinese rows; the rest is English.
    blank_lines
        Empty lines between records of text files; they are not records.
    """

    short_row: float = 0.004
    long_row: float = 0.003
    bad_encoding: float = 0.001
    bad_quoting: float = 0.001
    cast_amount: float = 0.002
    cast_created_at: float = 0.001
    label_one_of: float = 0.008
    empty_text: float = 0.01
    missing_label: float = 0.006
    stock: float = 0.04
    copy: float = 0.04
    mislabelled: float = 0.02
    ambiguous: float = 0.05
    mixed: float = 0.1
    html: float = 0.05
    zero_width: float = 0.03
    full_width: float = 0.04
    spaces: float = 0.05
    newlines: float = 0.06
    spelling: float = 0.3
    chinese: float = 0.5
    blank_lines: float = 0.001

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not 0 <= value <= 1:
                raise ValueError(f"rate {each.name}: {value} is not a share; write a number from 0 to 1")
        if (total := sum(getattr(self, fate) for fate in FATES)) > 1:
            raise ValueError(f"the rates of {', '.join(FATES)} add up to {total:.3f}; they must not exceed 1")

    def limits(self) -> tuple[tuple[str, int], ...]:
        """Each fate with the end of its range in draws of 32 bits; a draw beyond the last is a regular row."""
        ends = accumulate(getattr(self, fate) for fate in FATES)
        return tuple((fate, threshold(end)) for fate, end in zip(FATES, ends, strict=True))


def threshold(share: float) -> int:
    """The number that a uniform 32-bit draw stays below with probability `share`."""
    return round(share * 2**32)
