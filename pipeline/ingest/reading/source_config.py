"""What a job says about its input: the ``[source]`` table of the job file."""

import codecs
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeInt, model_validator

from pipeline.ingest.reading.columns.column_types import parse_type
from pipeline.ingest.reading.files.remote import literal_secrets
from pipeline.settings import Settings, Size

#: Blocks beyond this would not fit the 32-bit offsets of one text column.
LARGEST_BLOCK_BYTES = 1_000_000_000
_LONGEST_DELIMITER = 8


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _known_encoding(value: str) -> str:
    if value == "auto":
        return value
    try:
        return codecs.lookup(value).name
    except LookupError:
        raise ValueError(
            f'{value!r} is not an encoding; write "auto" or a name such as "utf-8", "utf-16", "gb18030", '
            '"big5", "shift_jis", "cp1252"'
        ) from None


def _one_character(value: str) -> str:
    value = {"tab": "\t", "\\t": "\t", "space": " "}.get(value, value)
    if value in {"auto", "none"} or (len(value) == 1 and value.isascii() and value not in "\r\n\0"):
        return value
    raise ValueError(f'{value!r} is not one ASCII character; write one, or "auto" to look at the files')


def _few_characters(value: str) -> str:
    marks = all(mark.isascii() and (mark.isprintable() or mark == "\t") and not mark.isalnum() for mark in value)
    if 2 <= len(value) <= _LONGEST_DELIMITER and marks and '"' not in value and value != "\\t":
        return value
    return _one_character(value)


def _block_size(value: int) -> int:
    if value > LARGEST_BLOCK_BYTES:
        raise ValueError(f'{value} bytes is too large a block; at most {LARGEST_BLOCK_BYTES} ("1GB")')
    return value


def _known_type(value: str) -> str:
    parse_type(value)
    return value


Character = Annotated[str, AfterValidator(_one_character)]
Delimiter = Annotated[str, AfterValidator(_few_characters)]
Patterns = Annotated[tuple[str, ...], BeforeValidator(_one_or_more), Field(min_length=1)]
TypeName = Annotated[str, AfterValidator(_known_type)]
BlockSize = Annotated[Size, AfterValidator(_block_size)]


class ConstantColumn(Settings):
    """A column whose value is known from the file's name."""

    files: str
    """Pattern of the files it holds for, matched against their names and paths: `"*neg.txt"`."""

    column: str
    """The column to fill; a column of that name inside the file is replaced."""

    value: str | None
    """The text that every row of these files gets."""


class SourceConfig(Settings):
    """Where the rows come from and how they are written there."""

    files: Patterns
    """One path or pattern, or a list of them: `"raw/*.csv"`, `"raw/**/*.parquet"`, a folder, a URI. Relative
    paths start at the job file."""

    format: Literal["auto", "csv", "jsonl", "parquet", "lines"] = "auto"
    """How records are written. `csv` covers every delimiter; `lines` makes each line one record in a column
    `text`; `auto` decides for each file by its first bytes and its name."""

    block: BlockSize = 64_000_000
    """How much input one task takes, such as `"64MB"`. Memory follows it; the rows do not depend on it."""

    encoding: Annotated[str, AfterValidator(_known_encoding)] = "auto"
    """Text encoding of the files, such as `"utf-8"`, `"gb18030"`, `"cp1252"`; `auto` decides for each file
    and records what it found. A byte order mark always wins."""

    delimiter: Delimiter = "auto"
    """The character between two fields; `"tab"` may be spelled out. Several characters such as `"||"` cost a
    rewritten copy of each file."""

    quote: Character = "auto"
    """The character around fields, or `"none"` where quotes are ordinary text."""

    escape: Character = "auto"
    """The character that makes the next one ordinary, such as a backslash, or `"none"`. A doubled quote
    inside quotes always means one quote."""

    skip_spaces: Literal["auto"] | bool = "auto"
    """Whether spaces at the start of a field are left out, as in `1, "x, y"`; `auto` does so where quotes stand
    behind them."""

    skip_lines: NonNegativeInt = 0
    """How many lines to leave out at the start of each file, before its header."""

    header: Literal["auto"] | bool = "auto"
    """Whether the first record of each file holds the column names."""

    names: tuple[str, ...] | None = None
    """Column names for files without a header, in order; with a header they replace it. Without either,
    columns are called `column_1`, `column_2` ..."""

    columns: dict[str, str] = Field(default_factory=dict)
    """New name = name in the files, such as `{ text = "review", label = "stars" }`. Other columns keep their
    own names. Where files spell a name differently in case alone, it is one column; two such names in one file need
    another name for one of them."""

    types: dict[str, TypeName] = Field(default_factory=dict)
    """Column = `"text"`, `"int"`, `"float"`, `"decimal(18,2)"`, `"bool"`, `"date"`, `"timestamp"`,
    `"timestamp(%d/%m/%Y %H:%M)"` or `"category"`, by new name. What is not listed stays as it is: text
    from CSV and JSON lines. A value that does not fit rejects its row as `cast_<column>`."""

    null_words: tuple[str, ...] = ()
    """Whole values that mean "missing", such as `["NA", "null"]`. Without them such words are text."""

    hive: bool = True
    """Whether folders named `key=value` right above a file give it a column `key`; values stay text."""

    set: tuple[ConstantColumn, ...] = ()
    """Columns filled by file name, such as a label for `pos.txt` and `neg.txt`; later entries win."""

    max_record: Size = 64_000_000
    """The longest record that is read; a longer one is rejected as `record_too_long`."""

    storage_options: dict[str, Any] = Field(default_factory=dict)
    """How URIs are opened, as the package for their protocol names it: `{ endpoint_url = "http://minio:9000", key =
    "${S3_KEY}", secret = "${S3_SECRET}" }`. Secrets are given by the names of environment variables, which driver and
    workers have; what the package reads from the environment by itself (`AWS_ACCESS_KEY_ID` ...) needs no option."""

    root: str | None = None
    """The folder that files' names in row ids are relative to; the job file's own where not given. Files outside
    it are named from the folder their pattern starts in."""

    @model_validator(mode="after")
    def _consistent(self) -> "SourceConfig":
        if self.names is not None and len(set(self.names)) != len(self.names):
            raise ValueError(f"names: {list(self.names)} holds a name twice; each column needs its own")
        sources = list(self.columns.values())
        twice = sorted({name for name in sources if sources.count(name) > 1})
        if twice:
            raise ValueError(f"columns: {twice} is given two new names; a column can have one")
        marks = [mark for mark in (self.delimiter, self.quote, self.escape) if mark not in {"auto", "none"}]
        if len(set(marks)) != len(marks):
            raise ValueError("delimiter, quote and escape must be three different characters")
        secrets = literal_secrets(self.storage_options)
        if secrets:
            raise ValueError(
                f"storage_options: {', '.join(secrets)} would be kept in the store as it is written; write "
                '"${NAME}" and set the environment variable NAME'
            )
        if self.delimiter == "none":
            raise ValueError('delimiter: "none" is not a character; use format = "lines" for whole lines')
        return self
