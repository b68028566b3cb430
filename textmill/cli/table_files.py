"""Files that rows are written to, batch by batch, in the format that the name's suffix says."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.json
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


def read_table_file(path: Path, known: pa.Schema) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The columns of a file and its rows in a stream; the suffix says its format.

    Parameters
    ----------
    path
        Its suffix is one of `SUFFIXES`. A CSV file has a line of names first, and empty fields are null.
    known
        Columns whose types are certain: they are read as these, others as they look.

    Raises
    ------
    click.ClickException
        If the file cannot be understood, or a value cannot be of its column's type.
    """
    try:
        schema, batches = _OPENED[path.suffix](path, known)
        types = {field.name: field.type for field in known}
        schema = pa.schema([field.with_type(types.get(field.name, field.type)) for field in schema])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _unreadable(path, error) from error
    return schema, _casted(path, schema, batches)


def _casted(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    try:
        for batch in batches:
            yield batch.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> click.ClickException:
    return click.ClickException(f"{path}: cannot be read: {error}. Nothing was committed.")


def _csv_rows(path: Path, known: pa.Schema) -> tuple[pa.Schema, Iterable[pa.RecordBatch]]:
    convert = pyarrow.csv.ConvertOptions(
        column_types=known, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True
    )
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    reader = pyarrow.csv.open_csv(path, convert_options=convert, parse_options=parse)
    return reader.schema, reader


def _json_rows(path: Path, known: pa.Schema) -> tuple[pa.Schema, Iterable[pa.RecordBatch]]:
    reader = pyarrow.json.open_json(path, parse_options=pyarrow.json.ParseOptions(explicit_schema=known))
    return reader.schema, reader


def _parquet_rows(path: Path, _known: pa.Schema) -> tuple[pa.Schema, Iterable[pa.RecordBatch]]:
    file = pq.ParquetFile(path)
    return file.schema_arrow, file.iter_batches()


def _arrow_rows(path: Path, _known: pa.Schema) -> tuple[pa.Schema, Iterable[pa.RecordBatch]]:
    reader = pa.ipc.open_file(path)
    return reader.schema, (reader.get_batch(number) for number in range(reader.num_record_batches))


_OPENED: dict[str, Callable[[Path, pa.Schema], tuple[pa.Schema, Iterable[pa.RecordBatch]]]] = {
    ".csv": _csv_rows,
    ".jsonl": _json_rows,
    ".parquet": _parquet_rows,
    ".arrow": _arrow_rows,
}
