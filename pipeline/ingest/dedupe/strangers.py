"""Which rows name a value that another dataset does not hold: by the keys of both, bucket by bucket."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import frame
from pipeline.execute import Execute
from pipeline.ingest.dedupe.duplicate_files import DuplicateFile, DuplicateRuns, without_survivor
from pipeline.ingest.dedupe.key_files import (
    RECORD,
    KeyFile,
    bucket_count,
    read_pieces,
    total_rows,
    write_keys,
    write_records,
)
from pipeline.ingest.dedupe.key_table import KeyTable
from pipeline.ingest.dedupe.keys import exact_keys
from pipeline.ingest.dedupe.resolve import Found, joined
from pipeline.ingest.operations.operation import is_text, plain_texts
from pipeline.ingest.reading.read import read_block
from pipeline.ingest.reading.source_plan import Block
from storage.scan import DataFile, Span, file_schema, read_span, spans_of

#: One value that may be referred to.
KNOWN_RECORD = np.dtype([("hi", "<u8"), ("lo", "<u8")])
#: Stored values that one task looks at, by what they take in their file.
KNOWN_BYTES = 64_000_000
#: What a row of a bucket takes in memory, of either side: its record, its key, its slots.
_ROW_BYTES = RECORD.itemsize + 2 * KNOWN_RECORD.itemsize + 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSpec:
    """A column whose values must be among those of a column of a stored version or of files.

    Attributes
    ----------
    column
        The column of the new rows; null refers to nothing and is left alone.
    known_column
        The column of the stored version or of the files.
    files, blocks
        The stored version's files; blocks of records of other files.
    reason
        What rejected rows carry.
    told
        What the version is called: dataset and number; or the files.
    """

    column: str
    known_column: str
    files: tuple[DataFile, ...] = ()
    blocks: tuple[Block, ...] = ()
    reason: str
    told: str


def spelled(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray:
    """The column's values as texts: what values of different types are compared by."""
    column = plain_texts(column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column]))
    return column if is_text(column.type) else pc.cast(column, pa.string())


def write_known(span: Span, column: str, path: Path) -> KeyFile:
    """The keys of the values of a stored column, each once."""
    # A version's older files may lack the column.
    held = [column] if column in file_schema(span.file).names else []
    return _write_values(read_span(span.file, span.start, span.stop, held), column, path)


def write_known_block(block: Block, column: str, path: Path) -> KeyFile:
    """The keys of the values of a column of a block of records, each once; those that cannot be read have none."""
    table = read_block(block)
    return _write_values(table.filter(pa.array(frame.alive(table))), column, path)


def _write_values(table: pa.Table, column: str, path: Path) -> KeyFile:
    values = spelled(frame.column_or_null(table, column))
    keys = exact_keys(pa.table({column: pc.unique(values.drop_null())}), [column])
    records = np.empty(len(keys), KNOWN_RECORD)
    records["hi"], records["lo"] = keys[:, 0], keys[:, 1]
    write_records(records, path)
    return KeyFile(path=str(path), rows=len(records))


def write_references(table: pa.Table, column: str, path: Path) -> KeyFile:
    """The keys of the values that a block's live rows refer to."""
    at = table.column_names.index(column)
    return write_keys(table.set_column(at, column, spelled(table[column])), [column], path, skip_null=True)


def find_strangers(
    files: Sequence[KeyFile], known: Sequence[KeyFile], bucket: int, buckets: int, path: Path
) -> tuple[DuplicateFile, ...]:
    """The rows of one bucket of `files` whose key is in none of `known`, in files called after `path`.

    Parameters
    ----------
    files
        What `write_references` answered, for all blocks in order.
    known
        What `write_known` answered.
    bucket, buckets
        Which share of the key space, of how many.
    path
        Where to write.
    """
    table, runs = KeyTable(), DuplicateRuns(path)
    for _, records in read_pieces([file.path for file in known], bucket, buckets, KNOWN_RECORD):
        table.add(records)
    for block, records in read_pieces([file.path for file in files], bucket, buckets):
        runs.add(without_survivor(records["row"][table.find(records) < 0], block))
    return runs.finish()


def resolve_references(
    tables: Sequence[Any], spec: ReferenceSpec, folder: Path, execute: Execute, memory_bytes: int
) -> Found:
    """All rows that refer to what is not there.

    Parameters
    ----------
    tables
        A `dask.delayed` a block, in row order, that gives its rows; those with a fate take no part.
    spec
        What refers to what.
    folder
        Scratch for files that all workers see.
    execute
        Runs the tasks.
    memory_bytes
        What one task may take.
    """
    stage = "references"
    spans = [span for file in spec.files for span in spans_of(file, KNOWN_BYTES)]
    tasks = [dask.delayed(write_known)(s, spec.known_column, folder / f"known-{i}") for i, s in enumerate(spans)]
    tasks += [
        dask.delayed(write_known_block)(b, spec.known_column, folder / f"known-block-{i}")
        for i, b in enumerate(spec.blocks)
    ]
    known = execute(stage, tasks)
    files = execute(
        stage, [dask.delayed(write_references)(t, spec.column, folder / f"keys-{i}") for i, t in enumerate(tables)]
    )
    buckets = bucket_count(total_rows([*known, *files]), memory_bytes, _ROW_BYTES)
    sides = dask.delayed(tuple(files), traverse=False), dask.delayed(tuple(known), traverse=False)
    tasks = [dask.delayed(find_strangers)(*sides, b, buckets, folder / f"found-{b}") for b in range(buckets)]
    return Found(kind="reference", files=joined(execute(stage, tasks)), keys=())
