"""What a plan is made of: the files as they were understood, and the blocks that cover their records."""

from dataclasses import dataclass

import pyarrow as pa

from pipeline.ingest.reading.csv.dialect import Dialect
from pipeline.ingest.reading.text.transcoding import LineMap


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One input file as it was understood.

    Attributes
    ----------
    index
        Its place in the order of reading.
    name
        What it is called in row ids: relative, with forward slashes.
    path
        Where it is.
    told
        What messages call it.
    format
        "csv", "jsonl", "parquet" or "lines".
    compression
        "gzip", "zstd", "bzip2", "xz" or None.
    encoding
        The text encoding it is in; "utf-8" for Parquet.
    dialect
        How its records and fields are marked off; None for Parquet.
    bytes
        Its size as it lies there.
    columns
        Its own columns, in order, before renaming.
    header
        Fields of its first record, where that holds the names of the columns; () otherwise.
    empty
        Whether it has no record.
    note
        What a person should know about how it was read; "" for nothing.
    data_path
        Where its UTF-8 (or Parquet) bytes are: `path`, or a rewritten copy.
    data_bytes
        How many there are.
    data_start
        Where the first record starts in them, after a byte order mark and a header.
    lines
        The way back to raw positions, where the copy is in another encoding than the file.
    hive
        Columns and values from its folders' names.
    guessed
        Whether part of the dialect was guessed instead of declared.
    first_lines
        How the file begins, for messages.
    """

    index: int
    name: str
    path: str
    told: str
    format: str
    compression: str | None
    encoding: str
    dialect: Dialect | None
    bytes: int
    columns: tuple[str, ...]
    header: tuple[str, ...]
    empty: bool
    note: str
    data_path: str
    data_bytes: int
    data_start: int
    lines: LineMap | None
    hive: tuple[tuple[str, str | None], ...]
    guessed: bool
    first_lines: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputColumn:
    """Where one content column of one file comes from.

    Attributes
    ----------
    name
        The column's name in the frame.
    source
        The file's column; None for one that the file lacks or that is constant.
    constant
        The value of every row where `source` is None.
    type
        The declared type's spelling; None to keep the file's own type.
    """

    name: str
    source: str | None
    constant: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of one file, with all that is needed to read it.

    Attributes
    ----------
    file
        The file.
    start, stop
        Bytes of `file.data_path` from the first record's start to the last one's end, or Parquet rows.
    size_bytes
        How much input it is.
    row_groups
        First and last (exclusive) Parquet row group; (0, 0) for text.
    columns
        The content columns, one for each field of `schema`.
    schema
        Schema of the content columns.
    null_words
        Whole values that mean null.
    longest
        Bytes a record may have.
    too_long
        Whether the piece is nothing but one record beyond that limit.
    """

    file: SourceFile
    start: int
    stop: int
    size_bytes: int
    row_groups: tuple[int, int] = (0, 0)
    columns: tuple[OutputColumn, ...]
    schema: pa.Schema
    null_words: tuple[str, ...]
    longest: int
    too_long: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What one task reads: a piece of a large file, or many small files.

    Attributes
    ----------
    index
        Its place in the order of reading, over all files.
    pieces
        At least one, in the order of reading.
    """

    index: int
    pieces: tuple[Piece, ...]

    @property
    def size_bytes(self) -> int:
        """How much input it is."""
        return sum(piece.size_bytes for piece in self.pieces)

    @property
    def schema(self) -> pa.Schema:
        """Schema of the content columns."""
        return self.pieces[0].schema


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlan:
    """All of a job's input, understood and cut into blocks.

    Attributes
    ----------
    files
        In the order of reading; files without records are there too.
    blocks
        In the order of reading; together they hold every record once.
    schema
        Schema of the content columns.
    notes
        What a person should know, one sentence each.
    """

    files: tuple[SourceFile, ...]
    blocks: tuple[Block, ...]
    schema: pa.Schema
    notes: tuple[str, ...]
