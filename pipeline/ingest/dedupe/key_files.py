"""Files of keys, one a block, sorted so that any share of the key space is one stretch of each file.

A bucket is a share of the key space: all rows with one key are in one bucket. Since every file is sorted by key and
says where each 4096th of the key space starts, a bucket reads one stretch of each file, and how many buckets there are
can be decided after all files are written, by the memory that one bucket may take.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import frame
from pipeline.hash_order import in_order, order_of
from pipeline.ingest.dedupe.keys import exact_keys
from pipeline.ingest.dedupe.sorted_runs import Run, pieces, read_run
from storage.memory import new_array

#: One row: its key, the row id it has in the input and in its block, and a hash of its label (0 for none).
RECORD = np.dtype(
    [("hi", "<u8"), ("lo", "<u8"), ("position", "<i8"), ("row", "<u4"), ("source", "<u4"), ("label", "<u4")]
)
_MAGIC = b"TMKEYS02"
_INDEX_BITS = 12
_INDEX_ENTRIES = (1 << _INDEX_BITS) + 1
# A file is: the magic word, the length of the names, the index, the names (JSON), the records.
_INDEX_START = 16
_NAMES_START = _INDEX_START + 8 * _INDEX_ENTRIES
#: What a row of a bucket takes in memory at most while duplicates are found, where each has a key of its own: the key
#: and the survivor in tables that grow by doubling, their slots, and both sizes of a table at once while it grows.
_ROW_BYTES = 256
MAX_BUCKETS = 1 << _INDEX_BITS
#: Records of a bucket that are looked at together.
_PIECE_RECORDS = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A file of keys: what a task that wrote one answers with.

    Attributes
    ----------
    path
        Where it is.
    rows
        Rows that take part: live ones.
    """

    path: str
    rows: int


def write_keys(
    table: pa.Table,
    columns: Sequence[str],
    path: Path,
    normalize: Sequence[str] = (),
    *,
    skip_null: bool = False,
    label: str | None = None,
) -> KeyFile:
    """The file of one block's keys, written whole or not at all.

    Parameters
    ----------
    table
        A frame, or rows of a stored version (which have no fates: all are alive). Only live rows take part.
    columns, normalize
        What makes rows equal, see `exact_keys`.
    path
        Where to write; an earlier file is replaced.
    skip_null
        Leave out rows with a null in one of the columns: for the check `unique`.
    label
        A column in which equal rows should be equal too: `find_duplicates` counts those that are not.
    """
    rows = np.flatnonzero(_taking_part(table, columns, skip_null))
    if len(rows) < table.num_rows:
        table = table.take(pa.array(rows))
    keys = exact_keys(table, columns, normalize)
    names = source_names(table)
    records = new_array(len(rows), RECORD)
    records["hi"], records["lo"] = keys[:, 0], keys[:, 1]
    records["position"], records["row"] = np.asarray(table[frame.POSITION]), rows
    records["source"] = np.asarray(pc.index_in(table[frame.SOURCE].cast(pa.string()), pa.array(names, pa.string())))
    records["label"] = _label_hashes(table, label)
    write_records(records, path, names)
    return KeyFile(path=str(path), rows=len(records))


def _label_hashes(table: pa.Table, label: str | None) -> npt.NDArray[np.uint32] | int:
    if label is None or label not in table.column_names:
        return 0
    hashes = (exact_keys(table, [label])[:, 0] >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
    return np.where(np.asarray(table[label].is_valid()), hashes, np.uint32(0))


def _taking_part(table: pa.Table, columns: Sequence[str], skip_null: bool) -> npt.NDArray[np.bool_]:
    taking = frame.alive(table) if frame.FATE in table.column_names else np.ones(table.num_rows, np.bool_)
    if skip_null:
        for name in columns:
            taking = taking & np.asarray(frame.column_or_null(table, name).is_valid())
    return taking


def source_names(table: pa.Table) -> tuple[str, ...]:
    """The names of the sources that the table's rows come from, each once."""
    return tuple(pc.unique(table[frame.SOURCE].cast(pa.string())).to_pylist())


def write_records(records: npt.NDArray[Any], path: Path, sources: tuple[str, ...] = ()) -> None:
    """Sort `records` (in row order) by key and write them with their index; same key: row order stays."""
    records = in_order(records, order_of(records["hi"]))
    bounds = np.arange(_INDEX_ENTRIES, dtype=np.uint64) << np.uint64(64 - _INDEX_BITS)
    index = np.searchsorted(records["hi"], bounds[:-1]).astype("<i8")
    index = np.append(index, np.int64(len(records)))
    names = json.dumps(sources).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{uuid4().hex}")
    with aside.open("wb") as file:
        file.write(_MAGIC + len(names).to_bytes(8, "little") + index.astype("<i8").tobytes() + names)
        file.write(records.view(np.uint8).data)
    aside.replace(path)


def _names_length(file: BinaryIO) -> int:
    """Bytes of the source names, once the file is known to be a file of keys."""
    fixed = file.read(_INDEX_START)
    if fixed[:8] != _MAGIC or len(fixed) < _INDEX_START:
        raise OSError(f"{file.name}: not a file of keys; the scratch folder was changed while the job ran")
    return int.from_bytes(fixed[8:16], "little")


def _read_entry(file: BinaryIO, entry: int) -> int:
    file.seek(_INDEX_START + 8 * entry)
    return int.from_bytes(file.read(8), "little")


def read_sources(path: str) -> tuple[str, ...]:
    """The source names that the `source` codes of the file's records stand for."""
    with Path(path).open("rb") as file:
        length = _names_length(file)
        file.seek(_NAMES_START)
        return tuple(json.loads(file.read(length)))


def bucket_run(path: str, bucket: int, buckets: int) -> Run:
    """Where the records of one file in one bucket lie, sorted by ``hi``, then row."""
    with Path(path).open("rb") as file:
        length = _names_length(file)
        first, last = (_read_entry(file, edge * MAX_BUCKETS // buckets) for edge in (bucket, bucket + 1))
        return Run(path=path, offset=_NAMES_START + length, first=first, last=last)


def read_bucket(path: str, bucket: int, buckets: int, record: np.dtype[Any] = RECORD) -> npt.NDArray[Any]:
    """The records of one file in one bucket, sorted by ``hi``, then row."""
    return read_run(bucket_run(path, bucket, buckets), record)


def read_pieces(
    files: Sequence[str], bucket: int, buckets: int, record: np.dtype[Any] = RECORD
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """The records of several files in one bucket, piece by piece, each with the number of its file."""
    for number, path in enumerate(files):
        for piece in pieces(bucket_run(path, bucket, buckets), _PIECE_RECORDS):
            yield number, read_run(piece, record)


def bucket_count(rows: int, memory_bytes: int, row_bytes: int = _ROW_BYTES) -> int:
    """How many buckets keep each within `memory_bytes`, and as large as that lets them be.

    So the memory of a pass is the same however many rows there are, once there are enough for it. The result of
    deduplication does not depend on it.

    Examples
    --------
    >>> bucket_count(900_000, 256_000_000)
    1
    >>> bucket_count(1_000_000_000, 256_000_000)
    1366
    """
    # A tenth more than the even share: hashed keys spread evenly, within a few standard deviations.
    entry_bytes = rows * row_bytes * 1.1 / MAX_BUCKETS
    if entry_bytes * MAX_BUCKETS <= memory_bytes:
        return 1
    # Buckets are whole entries of the index, and of some the largest has one more.
    entries = max(1, int(memory_bytes / entry_bytes))
    return -(-MAX_BUCKETS // entries)


def total_rows(files: Iterable[KeyFile]) -> int:
    """Rows in all files together."""
    return sum(file.rows for file in files)
