"""The dialect of a delimited file, and the automaton that it defines.

The automaton follows Python's ``csv`` module (``doublequote``, not ``strict``): a quote opens a quoted field only as
its first character, elsewhere it is text; a quote inside a quoted field that is followed by anything but a quote, a
delimiter or a line end is malformed, and the rest of that field is read as unquoted.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: States of the automaton. A record begins wherever the state is START.
START, FIELD, UNQUOTED, QUOTED, CLOSING, ESCAPED, QUOTED_ESCAPED = range(7)
STATES = 7

#: What a transition tells beside the next state, which sits in the three lowest bits.
NEXT_STATE = 7
STARTS_RECORD = 8
CLOSES_WELL = 16
CLOSES_BADLY = 32

LF = 10
CR = 13
SPACE = 32
NO_MARK = -1
_MARK_NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar", " ": "space", ":": "colon"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How records and fields are marked off in a text file.

    Attributes
    ----------
    delimiter
        The ASCII character between fields; None where a whole line is one field.
    quote
        The ASCII character around fields; None where quotes are text.
    escape
        The ASCII character that makes the next one ordinary; None for none.
    cr_ends
        Whether a carriage return alone ends a record, as a line feed always does. Where it does not, it is text,
        except right before a line feed.
    skip_spaces
        Whether spaces at the start of a field are left out, so that a quote may stand behind them.
    joined
        What the raw file has for the delimiter, where that is more than one character; the readable copy has
        `delimiter` in its place.
    """

    delimiter: str | None = ","
    quote: str | None = '"'
    escape: str | None = None
    cr_ends: bool = False
    skip_spaces: bool = False
    joined: str | None = None

    @property
    def marks(self) -> npt.NDArray[np.int64]:
        """Delimiter, quote and escape as byte values (-1 for none), `cr_ends` and `skip_spaces` as 0 or 1, (5,)."""
        marks = [ord(mark) if mark is not None else NO_MARK for mark in (self.delimiter, self.quote, self.escape)]
        return np.array([*marks, int(self.cr_ends), int(self.skip_spaces)], dtype=np.int64)

    def describe(self) -> str:
        r"""The dialect in a few words, for people.

        Examples
        --------
        >>> Dialect().describe()
        'comma, quotes "'
        >>> Dialect(delimiter="\t", quote=None).describe()
        'tab, no quotes'
        """
        if self.delimiter is None:
            return "whole lines"
        words = [self.joined or _MARK_NAMES.get(self.delimiter, self.delimiter)]
        words.append("no quotes" if self.quote is None else f"quotes {self.quote}")
        if self.escape is not None:
            words.append(f"escape {self.escape}")
        if self.skip_spaces:
            words.append("spaces before fields skipped")
        if self.cr_ends:
            words.append("records end with carriage returns")
        return ", ".join(words)


#: Each line is one record of one field.
LINES = Dialect(delimiter=None, quote=None)


def transition_table(dialect: Dialect) -> npt.NDArray[np.uint8]:
    """The automaton of `dialect` as a table, shape (states, 256), uint8.

    Entry ``[state, byte]`` is the next state with `STARTS_RECORD`, `CLOSES_WELL` and `CLOSES_BADLY` added where the
    byte ends a record, or shows that the quote before it closed a field well or badly.
    """
    delimiter, quote, escape, cr_ends, skip_spaces = (int(mark) for mark in dialect.marks)
    ends = [LF, CR] if cr_ends else [LF]
    table = np.empty((STATES, 256), dtype=np.uint8)
    table[[START, FIELD, UNQUOTED]] = UNQUOTED
    table[QUOTED] = QUOTED
    table[CLOSING] = UNQUOTED | CLOSES_BADLY
    table[ESCAPED] = UNQUOTED
    table[QUOTED_ESCAPED] = QUOTED
    if skip_spaces:
        table[[START, FIELD], SPACE] = FIELD
    table[[START, FIELD, UNQUOTED], delimiter] = FIELD if delimiter >= 0 else UNQUOTED
    for end in ends:
        table[[START, FIELD, UNQUOTED], end] = START | STARTS_RECORD
        table[CLOSING, end] = START | STARTS_RECORD | CLOSES_WELL
    if not cr_ends:
        # Carriage returns between a closing quote and the line feed belong to the line end.
        table[CLOSING, CR] = UNQUOTED | CLOSES_WELL
    if escape >= 0:
        table[[START, FIELD, UNQUOTED], escape] = ESCAPED
        table[QUOTED, escape] = QUOTED_ESCAPED
    if quote >= 0:
        table[[START, FIELD], quote] = QUOTED
        table[QUOTED, quote] = CLOSING
        table[CLOSING, quote] = QUOTED
    if delimiter >= 0:
        table[CLOSING, delimiter] = FIELD | CLOSES_WELL
    return table
