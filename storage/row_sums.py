"""The hashes of rows, added up: what a fingerprint is made of, by compiled loops."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from storage.cell_hash import Words, add_cell_hashes, column_seeds
from storage.compiled import kernel
from storage.memory import zeros
from storage.murmur import mixed

_LANES = 4
_BATCH_ROWS = 1 << 18
_K = tuple(np.uint64(key) for key in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93))
_K0, _K1, _K2, _K3 = _K


@kernel
def _add_rows(cells: Any, lanes: Any) -> None:
    for row in range(cells.shape[0]):
        first, second = cells[row, 0], cells[row, 1]
        a = mixed(first ^ _K0)
        b = mixed(second ^ _K1 ^ a)
        c = mixed((b + _K2) ^ first)
        d = mixed((c + _K3) ^ second)
        lanes[0] += a
        lanes[1] += b
        lanes[2] += c
        lanes[3] += d


def row_sums(table: pa.Table, columns: Sequence[str], known: Mapping[str, Words]) -> tuple[int, int, int, int]:
    """The four sums of `storage.fingerprint.Fingerprint` over the table's rows and these columns.

    Of some columns the hashes may be `known`, as `storage.cell_hash.column_hashes` gives them.

    Raises
    ------
    SchemaMismatchError
        If a column has a type that cannot be stored.
    """
    lanes = np.zeros(_LANES, np.uint64)
    seeds = {name: column_seeds(name) for name in columns}
    start = 0
    for batch in table.select(list(columns)).to_batches(max_chunksize=_BATCH_ROWS):
        cells = zeros((batch.num_rows, 2), np.uint64)
        for name in columns:
            if name in known:
                cells += known[name][start : start + batch.num_rows]
            else:
                add_cell_hashes(batch.column(name), seeds[name], cells)
        _add_rows(cells, lanes)
        start += batch.num_rows
    a, b, c, d = (int(lane) for lane in lanes)
    return a, b, c, d
