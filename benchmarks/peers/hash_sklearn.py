"""Hashing by scikit-learn's `HashingVectorizer`, and a look at what a hashing gave."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

_BATCH_ROWS = 20_000
_KEPT: dict[str, dict[str, Any]] = {}


def batches_of(path: str) -> Iterator[list[str]]:
    """The lines of a file, so many at a time."""
    with open(path, encoding="utf-8") as file:
        while lines := [line.rstrip("\n") for line in islice(file, _BATCH_ROWS)]:
            yield lines


def hash_all(path: str, features: dict[str, Any], scratch: str, **_: Any) -> dict[str, Any]:
    """The seconds that hashing all batches took; what they gave is kept for `outputs`."""
    # The peer is no part of what textmill starts.
    from sklearn.feature_extraction.text import HashingVectorizer

    given = {**features, "ngram_range": tuple(features["ngram_range"])}
    vectorizer = HashingVectorizer(**given, norm=None, dtype=np.float32)
    return hashed(batches_of(path), vectorizer.transform, scratch)


def hashed(batches: Iterable[Any], transform: Callable[[Any], Any], scratch: str) -> dict[str, Any]:
    """Seconds of `transform` over all batches, and CPU seconds; a digest of the matrices is kept for `outputs`."""
    seconds = cpu_s = 0.0
    rows = entries = 0
    digest = hashlib.sha256()
    for batch in batches:
        began, cpu = time.perf_counter(), time.process_time()
        matrix = transform(batch)
        seconds, cpu_s = seconds + time.perf_counter() - began, cpu_s + time.process_time() - cpu
        rows, entries = rows + matrix.shape[0], entries + matrix.nnz
        for part, kind in ((matrix.indptr, np.int64), (matrix.indices, np.int64), (matrix.data, np.float32)):
            digest.update(np.ascontiguousarray(part, kind).data)
    _KEPT[scratch] = {"rows": rows, "entries": entries, "digest": digest.hexdigest()}
    return {"seconds": seconds, "cpu_s": cpu_s}


def outputs(scratch: str, **_: Any) -> dict[str, Any]:
    """How many rows and entries the last matrices of `hashed` had, and a digest of indices, values and rows."""
    return _KEPT[scratch]
