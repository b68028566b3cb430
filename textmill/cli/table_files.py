"""Files that rows are written to, batch by batch, in the format that the name's suffix says."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from storage.files import written_aside
from textmill.cli.output import json_line

Write = Callable[[pa.RecordBatch], Any]


@contextmanager
def _csv(file: IO[bytes], schema: pa.Schema) -> Iterator[Write]:
    # A blank text is quoted and a null is not, so that both can be told apart.
    with pyarrow.csv.CSVWriter(file, schema) as writer:
        yield writer.write_batch


@contextmanager
def _json_lines(file: IO[bytes], _schema: pa.Schema) -> Iterator[Write]:
    def write(batch: pa.RecordBatch) -> None:
        file.write("".join(json_line(row) + "\n" for row in batch.to_pylist()).encode())

    yield write


@contextmanager
def _parquet(file: IO[bytes], schema: pa.Schema) -> Iterator[Write]:
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        yield writer.write_batch


@contextmanager
def _arrow(file: IO[bytes], schema: pa.Schema) -> Iterator[Write]:
    with pa.ipc.new_file(file, schema) as writer:
        yield writer.write_batch


_FORMATS = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet, ".arrow": _arrow}
#: The suffixes that name a format.
SUFFIXES = tuple(_FORMATS)


def require_suffix(path: Path) -> None:
    """Nothing where the suffix names a format; a `click.BadParameter` otherwise."""
    if path.suffix not in SUFFIXES:
        raise click.BadParameter(f"'{path}' has none of the known suffixes: {', '.join(SUFFIXES)}")


def write_table_file(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """How many rows are in the file at `path`, which is there only once it is whole.

    Parameters
    ----------
    path
        Its suffix is one of `SUFFIXES`.
    schema
        Of the batches.
    batches
        Taken one after the other; memory use does not depend on how many there are.

    Raises
    ------
    click.ClickException
        If the format cannot hold a column.
    OSError
        If the file cannot be written; an earlier one stays as it was.
    """
    rows = 0
    try:
        with written_aside(path) as file, _FORMATS[path.suffix](file, schema) as write:
            for batch in batches:
                write(batch)
                rows += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise click.ClickException(
            f"{path}: a {path.suffix} file cannot hold these rows: {error}. Cast the column in the query, "
            "or choose another format."
        ) from error
    return rows
