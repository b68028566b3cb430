"""What all peers of the ingest benchmark read and write, and a look at what they wrote."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as pds

#: Columns of the files, all text.
COLUMNS = ("id", "text", "label")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(32)
_LONGEST = 1 << 20


def written(scratch: str, **_: Any) -> dict[str, Any]:
    """How many rows lie in the Parquet files of a folder, and a digest of them whatever their order."""
    return rows_and_digest([str(path) for path in sorted(Path(scratch).glob("*.parquet"))])


def rows_and_digest(paths: list[str]) -> dict[str, Any]:
    """The number of rows in these Parquet files, and a digest of `COLUMNS` whatever the order of the rows."""
    scanner = pds.dataset(paths, format="parquet").scanner(columns=list(COLUMNS), batch_size=1 << 16, batch_readahead=2)
    return digest_of(scanner.to_batches())


def digest_of(batches: Iterable[pa.RecordBatch]) -> dict[str, Any]:
    """The number of rows in these batches, and a digest of `COLUMNS` whatever the order of the rows.

    Rows are hashed (a weighted sum of the bytes of each cell, mixed) and the hashes added up: a changed byte, a lost
    row, a doubled one, or cells that changed places show with near certainty. No defence against malice.
    """
    weights = np.random.default_rng(1).integers(0, 1 << 63, _LONGEST, dtype=np.uint64) | np.uint64(1)
    rows = total = 0
    for batch in batches:
        hashes = np.zeros(batch.num_rows, np.uint64)
        for name in COLUMNS:
            hashes = _mixed(hashes * _MULTIPLIER + _cell_hashes(batch.column(name), weights))
        rows += batch.num_rows
        total = (total + int(_mixed(hashes).sum(dtype=np.uint64))) % (1 << 64)
    return {"rows": rows, "digest": f"{total:016x}"}


def _cell_hashes(column: Any, weights: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    texts = column.cast(pa.large_string())
    if texts.null_count or len(texts) == 0:
        # No contender keeps a row with a null: one that did would have another digest.
        texts = texts.fill_null("\0null")
    texts = pa.concat_arrays([texts, pa.array([], pa.large_string())])
    _, at, data = texts.buffers()
    offsets = np.frombuffer(at, np.int64, len(texts) + 1, texts.offset * 8)
    content = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]].astype(np.uint64) + np.uint64(1)
    starts = offsets[:-1] - offsets[0]
    lengths = np.diff(offsets)
    places = np.arange(len(content)) - np.repeat(starts, lengths)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(content * weights[places], dtype=np.uint64)])
    found: npt.NDArray[np.uint64] = sums[offsets[1:] - offsets[0]] - sums[starts]
    return found


def _mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    words = (words ^ (words >> _SHIFT)) * _MULTIPLIER
    words = (words ^ (words >> _SHIFT)) * _MULTIPLIER
    return words ^ (words >> _SHIFT)
