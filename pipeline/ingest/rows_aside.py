"""A block's kept rows, set aside until all passes over the whole dataset have looked at them.

They are written once, and read once or twice soon after: they are compressed fast rather than well, and one row is
read without the others.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from storage.files import written_aside
from storage.parquet import row_group_rows
from storage.schema import to_stored


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsAside:
    """The file of such rows.

    Attributes
    ----------
    path
        Where it lies.
    rows
        Rows in it.
    bytes
        Its size.
    """

    path: str
    rows: int
    bytes: int

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows, in order, with these columns; types are those of the store."""
        with _opened(self.path, columns) as reader:
            return _named(reader.read_all(), columns)

    def row(self, number: int, columns: Sequence[str]) -> pa.Table:
        """One row, with these columns."""
        with _opened(self.path, columns) as reader:
            for batch in map(reader.get_batch, range(reader.num_record_batches)):
                if number < batch.num_rows:
                    return _named(pa.Table.from_batches([batch.slice(number, 1)]), columns)
                number -= batch.num_rows
        raise IndexError(f"{self.path}: {self.rows} rows, and none has the number asked for")


def set_aside(table: pa.Table, path: Path) -> RowsAside:
    """The record of `table`, written to `path` whole and synced or not at all.

    Raises
    ------
    SchemaMismatchError
        If a column cannot be stored.
    DiskFullError, StoreNotWritableError
        If the file cannot be written; nothing is left behind.
    """
    stored = to_stored(table).combine_chunks()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with written_aside(path) as file, pa.ipc.new_file(file, stored.schema, options=options) as writer:
        writer.write_table(stored, max_chunksize=row_group_rows(stored))
    return RowsAside(path=str(path), rows=stored.num_rows, bytes=path.stat().st_size)


@contextmanager
def _opened(path: str, columns: Sequence[str] | None) -> Iterator[pa.ipc.RecordBatchFileReader]:
    with pa.memory_map(path) as file:
        if columns is None:
            yield pa.ipc.open_file(file)
            return
        schema = pa.ipc.open_file(file).schema
        wanted = [schema.get_field_index(name) for name in columns]
        yield pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(included_fields=wanted))


def _named(table: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    return table if columns is None else table.select(list(columns))
