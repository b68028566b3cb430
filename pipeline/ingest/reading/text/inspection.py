"""How a text file is written: its format, its dialect, its header, decided from its start."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import orjson

from pipeline.errors import SourceError
from pipeline.ingest.reading.csv.dialect import CR, LF, LINES, START, Dialect
from pipeline.ingest.reading.csv.guess import Guess, column_names, guess_dialect, header_verdict
from pipeline.ingest.reading.csv.transitions import transitions
from pipeline.ingest.reading.files.bytes_in import read_range
from pipeline.ingest.reading.files.opening import OpenedFile
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.ingest.reading.text.transcoding import STAND_IN

_LOOK_BYTES = 1 << 20
_SHOWN_CHARACTERS = 300
_BLANKS = b" \t\r\n\0"
_JSON_SUFFIXES = {".jsonl", ".ndjson", ".json"}
_DELIMITED_SUFFIXES = {".csv", ".tsv", ".tab", ".psv"}
#: A file without a telling name is taken for delimited if nearly all of at least so many records are alike.
_TELLING_SHARE = 0.95
_TELLING_RECORDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What the start of a text file shows.

    Attributes
    ----------
    opened
        The file.
    format
        "csv", "jsonl" or "lines".
    dialect
        How records (and fields, for csv) are marked off.
    header
        "yes", "no" or "perhaps", for csv.
    first_row
        Fields of the first record, for csv.
    columns
        Its columns, in order; () for jsonl, whose records name them one by one.
    data_start
        Offset of the first record in the file's data.
    empty
        Whether there is no record.
    share
        Share of the records seen that have as many fields as the first.
    first_lines
        How it begins, for messages.
    named
        Whether the first record holds the names of the columns.
    doubted
        The dialect with quotes around fields, where its start rather says that quotes are text; None otherwise.
    """

    opened: OpenedFile
    format: str
    dialect: Dialect
    header: str
    first_row: tuple[str, ...]
    columns: tuple[str, ...]
    data_start: int
    empty: bool
    share: float
    first_lines: str
    named: bool = False
    doubted: Dialect | None = None


def inspect(opened: OpenedFile, config: SourceConfig, wanted: Collection[str]) -> Inspected:
    """What the first megabyte of a text file shows.

    Parameters
    ----------
    opened
        The file; UTF-8, or still undecided.
    config
        What is declared.
    wanted
        Source column names that the job file uses.
    """
    start = opened.mark_bytes
    head = read_range(opened.data_path, start, start + _LOOK_BYTES)
    whole = start + head.size >= opened.data_bytes
    head, start = _behind_lines(opened, head, start, config.skip_lines, whole)
    joined = config.delimiter if config.delimiter != "auto" and len(config.delimiter) > 1 else None
    if joined is not None:
        # Until the file is rewritten with one character for the delimiter, only its encoding matters.
        rewritten = {"delimiter": STAND_IN} if opened.lines is not None else {"format": "lines"}
        config = config.model_copy(update=rewritten)
    if _is_blank(head) and (whole or _blank_to_the_end(opened, start + head.size)):
        head, whole = head[:0], True
    kind = _format(opened, head, config)
    if kind not in {"jsonl", "lines"}:
        head, skipped, config = _separator_line(head, config)
        first = {".tsv": "\t", ".tab": "\t", ".psv": "|"}.get(opened.suffix, ",")
        guess = guess_dialect(head, config, whole=whole, wanted=wanted, first=first)
        if kind == "csv" or _is_delimited(guess):
            guess = replace(guess, dialect=replace(guess.dialect, joined=joined))
            return _delimited(opened, config, guess, start + skipped, head, whole, wanted)
        kind = "lines"
    empty = whole and not head.size
    ends = transitions(head, LINES).first[START]
    dialect = Dialect(delimiter=None, quote=None, cr_ends=ends < 0 and bool((head == CR).any()))
    return Inspected(
        opened=opened,
        format=kind,
        dialect=dialect,
        header="no",
        first_row=(),
        columns=() if kind == "jsonl" or empty else ((config.names or ("text",))[0],),
        data_start=start,
        empty=empty,
        share=1.0,
        first_lines=_shown(head),
    )


def _delimited(
    opened: OpenedFile,
    config: SourceConfig,
    guess: Guess,
    start: int,
    head: npt.NDArray[np.uint8],
    whole: bool,
    wanted: Collection[str],
) -> Inspected:
    header = header_verdict(guess.rows, config, wanted)
    named = header in {"yes", "perhaps"} and guess.width > 0
    begins = guess.second_start if named else guess.data_start
    if not whole and named and begins >= head.size:
        raise SourceError(
            opened.told,
            f"its first record does not end within {_LOOK_BYTES} bytes; read as {guess.dialect.describe()}",
            "Declare [source] delimiter, quote and header as they are.",
        )
    if config.names is not None:
        _require_width(opened, guess, config.names)
        columns = config.names
    elif named:
        columns = column_names(guess.rows[0])
    else:
        columns = column_names([""] * guess.width)
    return Inspected(
        opened=opened,
        format="csv",
        dialect=guess.dialect,
        header=header,
        first_row=guess.rows[0] if guess.rows else (),
        columns=columns if guess.width or config.names is not None else (),
        data_start=start + begins,
        empty=whole and (guess.records == 0 or (named and guess.records == 1)),
        share=guess.share,
        first_lines=_shown(head),
        named=named,
        doubted=replace(guess.dialect, quote='"') if config.quote == "auto" and guess.dialect.quote is None else None,
    )


def _require_width(opened: OpenedFile, guess: Guess, names: tuple[str, ...]) -> None:
    if guess.width in {0, len(names)} or guess.share <= 0.5:
        return
    raise SourceError(
        opened.told,
        f"[source] names gives {len(names)} columns, but its records have {guess.width} fields "
        f"({guess.dialect.describe()}), such as {guess.rows[0]!r}",
        "Name every column, or declare [source] delimiter.",
    )


def _format(opened: OpenedFile, head: npt.NDArray[np.uint8], config: SourceConfig) -> str:
    """The format: csv, jsonl, lines, or nothing where only the records can tell."""
    if config.format != "auto":
        return config.format
    first = head[:4096].tobytes().lstrip()
    if opened.suffix in _JSON_SUFFIXES and first.startswith(b"["):
        raise SourceError(
            opened.told, "it holds one JSON array, expected one JSON object a line", "Convert it: jq -c '.[]' FILE."
        )
    if opened.suffix in _JSON_SUFFIXES or _is_json_object(head):
        return "jsonl"
    declared = config.delimiter != "auto" or config.header is True or len(config.names or ()) > 1
    return "csv" if declared or opened.suffix in _DELIMITED_SUFFIXES else ""


def _is_json_object(head: npt.NDArray[np.uint8]) -> bool:
    line = head.tobytes().lstrip().split(b"\n", 1)[0]
    if not line.startswith(b"{"):
        return False
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _is_delimited(guess: Guess) -> bool:
    if guess.named:
        return True
    enough = 1 if guess.dialect.delimiter == "\t" else _TELLING_RECORDS
    return guess.width > 1 and guess.share >= _TELLING_SHARE and guess.records >= enough


def _is_blank(data: npt.NDArray[np.uint8]) -> bool:
    return not data.tobytes().strip(_BLANKS)


def _blank_to_the_end(opened: OpenedFile, start: int) -> bool:
    """Whether nothing but white space comes from `start` on."""
    return all(
        _is_blank(read_range(opened.data_path, place, place + _LOOK_BYTES))
        for place in range(start, opened.data_bytes, _LOOK_BYTES)
    )


def _separator_line(
    head: npt.NDArray[np.uint8], config: SourceConfig
) -> tuple[npt.NDArray[np.uint8], int, SourceConfig]:
    """The head behind a first line like ``sep=;``, which spreadsheets write, and what it declares."""
    line = head[:16].tobytes().split(b"\n", 1)[0]
    mark = line.rstrip(b"\r")[4:]
    if not line.startswith(b"sep=") or len(mark) != 1 or config.delimiter not in {"auto", mark.decode("latin-1")}:
        return head, 0, config
    skipped = len(line) + 1
    return head[skipped:], skipped, config.model_copy(update={"delimiter": mark.decode("latin-1")})


def _behind_lines(
    opened: OpenedFile, head: npt.NDArray[np.uint8], start: int, lines: int, whole: bool
) -> tuple[npt.NDArray[np.uint8], int]:
    """The head behind so many lines, and where it starts in the file's data.

    Raises
    ------
    SourceError
        If the lines do not end within the head of a longer file.
    """
    if lines == 0:
        return head, start
    ends = np.flatnonzero(head == LF)
    if ends.size == 0:
        ends = np.flatnonzero(head == CR)
    if ends.size < lines and not whole:
        raise SourceError(
            opened.told,
            f"its first {lines} lines do not end within {_LOOK_BYTES} bytes",
            "Correct [source] skip_lines.",
        )
    skipped = int(ends[lines - 1]) + 1 if ends.size >= lines else head.size
    return head[skipped:], start + skipped


def _shown(head: npt.NDArray[np.uint8]) -> str:
    return head[:4096].tobytes().decode("utf-8", "replace")[:_SHOWN_CHARACTERS]
