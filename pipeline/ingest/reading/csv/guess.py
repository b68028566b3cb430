"""A careful look at the start of a delimited file: its dialect, and whether it begins with a header.

What the job file declares is taken as it is; the rest is decided by what the bytes show, and the decision is
recorded with the file. Whether it held for the rest of the file is checked after reading.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.ingest.reading.csv.dialect import CR, QUOTED, START, Dialect
from pipeline.ingest.reading.csv.tokenizer import Records, find_records, text_columns
from pipeline.ingest.reading.csv.transitions import transitions
from pipeline.ingest.reading.csv.verdicts import SOUND
from pipeline.ingest.reading.source_config import SourceConfig

DELIMITERS = (",", "\t", ";", "|", "\x01")
_ROWS_LOOKED_AT = 200
_LONGEST = 1 << 40
_TELLING_ROWS = 2
#: A cell of the first row that is a number, an amount or a date is no column name; a year may be one.
_VALUE = re.compile(r"(?!(?:19|20)\d\d$)[\s\d.,:/+\-%$¥￥€£()]*\d[\s\d.,:/+\-%$¥￥€£()TZ]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A dialect and how well it fits the start of a file.

    Attributes
    ----------
    dialect
        The dialect.
    rows
        Fields of the first records, malformed ones left out, at most 200.
    records
        How many records were seen.
    share
        Share of records with as many fields as the first, 0 to 1; 1 for no records.
    named
        How many of the wanted column names the first record holds.
    data_start, second_start
        Offsets of the first and of the second record; the number of bytes seen where there is none.
    """

    dialect: Dialect
    rows: tuple[tuple[str, ...], ...]
    records: int
    share: float
    named: int
    data_start: int
    second_start: int

    @property
    def width(self) -> int:
        """Fields of the first record, 0 for none."""
        return len(self.rows[0]) if self.rows else 0


def guess_dialect(
    head: npt.NDArray[np.uint8], config: SourceConfig, *, whole: bool, wanted: Collection[str], first: str = ","
) -> Guess:
    """The dialect that fits `head` best, and how well.

    Parameters
    ----------
    head
        The first bytes of the file, after a byte order mark, shape (bytes,).
    config
        What is declared.
    whole
        Whether `head` is all of the file; otherwise its last record is taken for cut off.
    wanted
        Column names that the job file uses.
    first
        The delimiter to prefer where several fit equally well.
    """
    declared = config.delimiter != "auto"
    # A character that is nowhere in sight would make one column of everything, as the preferred one does as well.
    others = [mark for mark in DELIMITERS if mark != first and _holds(head, mark)]
    delimiters = [config.delimiter] if declared else [first, *others]
    guesses = [_fit(head, _dialect(head, mark, config, whole), whole, wanted) for mark in delimiters]
    # With no delimiter in the first record every guess reads one column; the preferred one comes first.
    best = max(guesses, key=_merit)
    return replace(best, rows=_rows(head, best.dialect, min(best.records, _ROWS_LOOKED_AT)))


def header_verdict(rows: Sequence[Sequence[str]], config: SourceConfig, wanted: Collection[str]) -> str:
    """``"yes"``, ``"no"`` or ``"perhaps"``: whether the first of `rows` holds column names."""
    if config.header != "auto":
        return "yes" if config.header else "no"
    first = [_plain(cell) for cell in rows[0]] if rows else []
    if config.names is not None:
        return "yes" if first == list(config.names) else "no"
    if set(wanted) & set(first):
        return "yes"
    if any(re.fullmatch(r"column_\d+", name) for name in wanted):
        return "no"
    # A header that is repeated further down, as a whole, is no sign against it, unless it is one word.
    later = [row for row in rows[1:] if [_plain(cell) for cell in row] != first or len(row) == 1]
    for column, cell in enumerate(first):
        if cell and (_VALUE.fullmatch(cell) or any(len(row) > column and row[column].strip() == cell for row in later)):
            return "no"
    return "yes" if _looks_like_names(first) and _stands_out(first, rows[1:]) else "perhaps"


def nameless(columns: Sequence[object]) -> tuple[str, ...]:
    """What as many columns are called that have no names."""
    return column_names([""] * len(columns))


def mostly_text(delimiter: str | None, well: int, badly: int) -> bool:
    """Whether quotes are text, where so many quoted fields would close well and so many badly.

    Between tabs there is no need for quotes (IANA, text/tab-separated-values), so that a draw is decided for text.
    """
    return badly > well or (delimiter == "\t" and badly == well > 0)


def column_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Names for all columns: trimmed; an empty one is called by its place, a repeated one gets its place behind it.

    Examples
    --------
    >>> column_names(["id", "", "id"])
    ('id', 'column_2', 'id_3')
    """
    names: list[str] = []
    for place, cell in enumerate(cells, start=1):
        name = _plain(cell.replace("\0", "")) or f"column_{place}"
        while name in names:
            name = f"{name}_{place}"
        names.append(name)
    return tuple(names)


def _stands_out(first: Sequence[str], later: Sequence[Sequence[str]]) -> bool:
    """Whether a column holds values (numbers, dates) all the way down, but a word in the first row, as in all others.

    A first row with digits may be one of data: the ids in one column need not all be numbers.
    """
    if len(later) < _TELLING_ROWS or any(letter.isdigit() for cell in first for letter in cell):
        return False
    columns = [[row[place].strip() for row in later if len(row) > place] for place in range(len(first))]
    return any(all(_VALUE.fullmatch(cell) for cell in column) for column in columns if column)


def _plain(cell: str) -> str:
    """A name without white space around it.

    The byte order mark of a file that was put behind another goes too, with quotes that then no longer come first.
    """
    cell = cell.strip()
    return cell.strip('\ufeff"').strip() if cell.startswith("\ufeff") else cell


def _merit(guess: Guess) -> tuple[int, bool, float, int]:
    split = guess.width > 1
    fits = split and (guess.share >= 0.5 or _looks_like_names(guess.rows[0]))
    return guess.named, fits, guess.share if fits else 0.0, guess.width if fits else 0


def _looks_like_names(row: Sequence[str]) -> bool:
    cells = [cell.strip() for cell in row]
    return len(set(cells)) == len(cells) and all(0 < len(cell) <= 40 and len(cell.split()) <= 3 for cell in cells)


def _dialect(head: npt.NDArray[np.uint8], delimiter: str, config: SourceConfig, whole: bool) -> Dialect:
    quotes = ['"', None] if config.quote == "auto" else [None if config.quote == "none" else config.quote]
    escapes = [None, "\\"] if config.escape == "auto" else [None if config.escape == "none" else config.escape]
    if quotes[0] == delimiter:
        quotes = [None]
    skip_spaces = config.skip_spaces is True and delimiter != " "
    dialect = Dialect(delimiter=delimiter, quote=quotes[0], escape=escapes[0], skip_spaces=skip_spaces)
    if config.skip_spaces == "auto":
        dialect = _spaced(head, dialect, whole)
    well, badly = _closings(head, dialect, whole)
    if badly and len(escapes) > 1 and dialect.quote is not None:
        escaping = replace(dialect, escape=escapes[1])
        better = _closings(head, escaping, whole)
        # Backslashes before quotes mean something only if reading them so mends nearly everything.
        if better[1] * 10 <= badly and better[0]:
            dialect, (well, badly) = escaping, better
    if mostly_text(dialect.delimiter, well, badly) and len(quotes) > 1:
        dialect = replace(dialect, quote=None, escape=escapes[0])
    elif well == badly == 0 and len(quotes) > 1:
        dialect = _single_quoted(head, dialect, whole)
    return _with_line_ends(head, dialect)


def _spaced(head: npt.NDArray[np.uint8], dialect: Dialect, whole: bool) -> Dialect:
    """The dialect that skips spaces before fields, where quotes stand behind them and close well."""
    if dialect.quote is None or dialect.delimiter in {None, " "}:
        return dialect
    if f"{dialect.delimiter} {dialect.quote}".encode() not in head.tobytes():
        return dialect
    skipping = replace(dialect, skip_spaces=True)
    well, badly = _closings(head, dialect, whole)
    more_well, more_badly = _closings(head, skipping, whole)
    mends = more_well > well and (more_badly - badly) * 10 <= more_well - well
    return skipping if mends and _share(head, skipping, whole) >= _share(head, dialect, whole) else dialect


def _single_quoted(head: npt.NDArray[np.uint8], dialect: Dialect, whole: bool) -> Dialect:
    """The dialect with single quotes, where none close badly and they are meant as quotes.

    That is where the first record has them around all of its fields, or where they make more records alike.
    """
    single = replace(dialect, quote="'")
    well, badly = _closings(head, single, whole)
    if well == 0 or badly > 0:
        return dialect
    first = _rows(head, _with_line_ends(head, dialect), 1)
    around = bool(first) and all(len(cell) > 1 and cell[0] == cell[-1] == "'" for cell in first[0])
    mends = _share(head, single, whole) > _share(head, dialect, whole)
    return single if around or mends else dialect


def _holds(head: npt.NDArray[np.uint8], mark: str) -> bool:
    return bool((head == ord(mark)).any())


def _closings(head: npt.NDArray[np.uint8], dialect: Dialect, whole: bool) -> tuple[int, int]:
    """How many quoted fields of `head` close well and badly; one that never closes does so badly."""
    if dialect.quote is None or not _holds(head, dialect.quote):
        return 0, 0
    found = transitions(head, _with_line_ends(head, dialect))
    open_end = whole and found.exits[START] == QUOTED
    return found.well[START], found.badly[START] + int(open_end)


def _with_line_ends(head: npt.NDArray[np.uint8], dialect: Dialect) -> Dialect:
    """The dialect, with bare carriage returns ending records where no line feed does."""
    if bool((head == CR).any()) and transitions(head, dialect).first[START] < 0:
        return replace(dialect, cr_ends=True)
    return dialect


def _share(head: npt.NDArray[np.uint8], dialect: Dialect, whole: bool) -> float:
    """Share of the records that have as many fields as the first; 1 for no records."""
    fields = _found(head, _with_line_ends(head, dialect), whole).fields
    return float(np.mean(fields == fields[0])) if fields.size else 1.0


def _found(head: npt.NDArray[np.uint8], dialect: Dialect, whole: bool) -> Records:
    """The records of `head`; the last one is left out where it may be cut off, unless it is the only one."""
    records = find_records(head, dialect, 1, longest=_LONGEST, checked=True)
    seen = records.starts.size if whole else max(records.starts.size - 1, min(records.starts.size, 1))
    return records.part(0, seen)


def _fit(head: npt.NDArray[np.uint8], dialect: Dialect, whole: bool, wanted: Collection[str]) -> Guess:
    records = find_records(head, dialect, 1, longest=_LONGEST, checked=True)
    fields = _found(head, dialect, whole).fields
    rows = _rows(head, dialect, min(fields.size, 1))
    starts = [int(start) for start in records.starts[:2]] + [head.size, head.size]
    names = {cell.strip() for cell in rows[0]} if rows else set()
    return Guess(
        dialect=dialect,
        rows=rows,
        records=fields.size,
        share=float(np.mean(fields == fields[0])) if fields.size else 1.0,
        named=len(names & set(wanted)),
        data_start=starts[0],
        second_start=starts[1],
    )


def _rows(head: npt.NDArray[np.uint8], dialect: Dialect, most: int) -> tuple[tuple[str, ...], ...]:
    """Fields of the first `most` records; malformed ones are left out, unless they are the first."""
    records = find_records(head, dialect, 1, longest=_LONGEST, checked=True)
    most = min(most, records.starts.size)
    if most == 0:
        return ()
    stop = int(records.starts[most]) if most < records.starts.size else head.size
    piece = head[:stop]
    rows: dict[int, tuple[str, ...]] = {}
    for width in np.unique(records.fields[:most]):
        found = find_records(piece, dialect, int(width), longest=_LONGEST, checked=True)
        cells = [column.view("binary").to_pylist() for column in text_columns(piece, dialect, found)]
        for row in np.flatnonzero(found.verdicts == SOUND):
            rows[int(row)] = tuple((column[row] or b"").decode("utf-8", "replace") for column in cells)
    if 0 not in rows:
        first = head[records.starts[0] : records.ends[0]].tobytes().decode("utf-8", "replace")
        rows[0] = tuple(first.split(dialect.delimiter))
    return tuple(rows[row] for row in sorted(rows))
