"""Slow, obvious references for the store: plain Python over plain rows."""

import hashlib
import struct
from collections import Counter

import pyarrow as pa

from storage.fates import FATE_SCHEMA
from storage.fingerprint import Fingerprint, fingerprint_of
from storage.parquet import write_part
from storage.scan import iter_rows
from storage.versions import CommitRequest

_MASK = (1 << 64) - 1


def _rotl(word, bits):
    return ((word << bits) | (word >> (64 - bits))) & _MASK


def _mix(word):
    word ^= word >> 33
    word = word * 0xFF51AFD7ED558CCD & _MASK
    word ^= word >> 33
    word = word * 0xC4CEB9FE1A85EC53 & _MASK
    return word ^ word >> 33


def murmur3_x64_128(data, h1=0, h2=0):
    """The two halves of MurmurHash3_x64_128, as its author's reference code has them."""
    c1, c2 = 0x87C37B91114253D5, 0x4CF5AD432745937F
    whole = len(data) // 16 * 16
    for k1, k2 in struct.iter_unpack("<QQ", data[:whole]):
        h1 ^= _rotl(k1 * c1 & _MASK, 31) * c2 & _MASK
        h1 = ((_rotl(h1, 27) + h2) * 5 + 0x52DCE729) & _MASK
        h2 ^= _rotl(k2 * c2 & _MASK, 33) * c1 & _MASK
        h2 = ((_rotl(h2, 31) + h1) * 5 + 0x38495AB5) & _MASK
    rest = data[whole:]
    k2 = int.from_bytes(rest[8:], "little")
    h2 ^= _rotl(k2 * c2 & _MASK, 33) * c1 & _MASK
    k1 = int.from_bytes(rest[:8], "little")
    h1 ^= _rotl(k1 * c1 & _MASK, 31) * c2 & _MASK
    h1 ^= len(data)
    h2 ^= len(data)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    h1, h2 = _mix(h1), _mix(h2)
    h1 = (h1 + h2) & _MASK
    return h1, (h2 + h1) & _MASK


def multiset_of(table):
    """How often each row occurs, nulls and values as Python has them."""
    return Counter(tuple(row.items()) for row in table.to_pylist())


def sha256_of_file(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stage(store, run, tables, *, dataset="reviews", mode="replace", fates=(), **more):
    """A request to commit `tables`, one part each, staged as a run does it."""
    folder = store.staging(run)
    content = [name for name in tables[0].column_names if not name.startswith("_")]
    mark = Fingerprint.empty()
    for table in tables:
        mark = mark.merge(fingerprint_of(table, content))
    return CommitRequest(
        dataset=dataset,
        mode=mode,
        parts=tuple(write_part(table, folder / f"part-{n}.parquet") for n, table in enumerate(tables)),
        schema=tables[0].schema,
        fingerprint=mark,
        run=run,
        fates=tuple(write_part(table, folder / f"fates-{n}.parquet") for n, table in enumerate(fates)),
        **more,
    )


def fates_of(*rows):
    """A table of fates from tuples in the order of `FATE_SCHEMA`."""
    return pa.Table.from_pylist([dict(zip(FATE_SCHEMA.names, row, strict=True)) for row in rows], schema=FATE_SCHEMA)


def rows_of(store, dataset="reviews", at=None):
    """All rows of a version as dicts, in order."""
    return [row for batch in iter_rows(store.snapshot(dataset, at)) for row in batch.to_pylist()]
