"""Weighting of hashed counts: inverse document frequencies over all training rows, damped counts, row norms."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pipeline.text.config import FeatureConfig
from pipeline.text.hashing import csr, read_only
from pipeline.text.portable_math import portable_log, portable_logs
from pipeline.text.ranks import Ranks, is_member, rank, ranks_of
from storage.compiled import LINE_BYTES, inlined, kernel, prefetch

_NORMS = {"none": 0, "l1": 1, "l2": 2}

_Floats = npt.NDArray[np.float32]
_Ints = npt.NDArray[np.int32]
_Bounds = npt.NDArray[np.int64]

#: So many rows before it is weighed, a row is asked for.
_ROWS_AHEAD = 3


@kernel
def _count_buckets(indices: _Ints, counts: _Ints) -> None:
    for item in range(len(indices)):
        counts[indices[item]] += 1


def count_documents(indices: _Ints, counts: _Ints) -> None:
    """Adds to `counts`, shape (buckets,), how many rows hold each bucket; `indices` are those of whole rows."""
    _count_buckets(read_only(indices), counts)


def document_frequencies(matrix: sparse.csr_matrix) -> _Ints:
    """How many rows hold each bucket, shape (buckets,), int32. Sums of these over blocks are those of all rows."""
    counts = np.zeros(matrix.shape[1], np.int32)
    count_documents(matrix.indices.astype(np.int32, copy=False), counts)
    return counts


def _smooth_idf(counts: _Ints, rows: int) -> _Floats:
    return (portable_logs((1.0 + rows) / (1.0 + counts.astype(np.float64))) + 1.0).astype(np.float32)


@kernel
def _damped(count: float, sublinear: bool) -> float:
    size = abs(count)
    if sublinear and size > 1.0:
        size = 1.0 + portable_log(size)
    return -size if count < 0 else size


@cache
def _small(sublinear: bool) -> npt.NDArray[np.float64]:
    """What the counts from -128 to 127 weigh, damped or not: looked up, since almost all are among them."""
    return read_only(np.array([_damped(count - 128.0, sublinear) for count in range(256)]))


@inlined
def _foresee(
    bounds: _Bounds,
    indices: _Ints,
    values: npt.NDArray[np.float32] | npt.NDArray[np.int8],
    rows: _Bounds,
    number: int,
) -> None:
    """Nothing; the one of `rows` that comes `_ROWS_AHEAD` after this is on its way."""
    if number + _ROWS_AHEAD < len(rows):
        row = rows[number + _ROWS_AHEAD]
        first, last = np.uint64(bounds[row]), np.uint64(bounds[row + 1])
        for buffer_at, size in (
            (np.uint64(indices.ctypes.data), np.uint64(indices.itemsize)),
            (np.uint64(values.ctypes.data), np.uint64(values.itemsize)),
        ):
            for offset in range(first * size, last * size, LINE_BYTES):
                prefetch(buffer_at + offset)


@inlined
def _longest(bounds: _Bounds, rows: _Bounds) -> int:
    """Items of the longest of `rows`."""
    longest = 0
    for number in range(len(rows)):
        longest = max(longest, bounds[rows[number] + 1] - bounds[rows[number]])
    return longest


@kernel
def _items(bounds: _Bounds, rows: _Bounds) -> int:
    """Items of all `rows`."""
    items = 0
    for number in range(len(rows)):
        items += bounds[rows[number] + 1] - bounds[rows[number]]
    return items


@inlined
def _norm(weights: npt.NDArray[np.float64], count: np.uint64, norm: int) -> float:
    """What the first `count` weights are divided by: 1 where there is no norm, or it is zero."""
    size = 0.0
    if norm == 1:
        for item in range(count):
            size += abs(weights[item])
    elif norm == 2:
        for item in range(count):
            size += weights[item] * weights[item]
        size = math.sqrt(size)
    return size if size > 0 else 1.0


@kernel
def _weigh_rows(
    bounds: _Bounds,
    indices: _Ints,
    values: npt.NDArray[np.float32] | npt.NDArray[np.int8],
    rows: _Bounds,
    ranks: Ranks,
    idf: _Floats,
    small: npt.NDArray[np.float64],
    sublinear: bool,
    norm: int,
    first: int,
    new_bounds: _Bounds,
    new_indices: _Ints,
    new_values: _Floats,
) -> None:
    """Writes the weighted features of `rows` to the last three arrays, as their rows from `first` on.

    `ranks` and `idf` are of the buckets in use. What is written for another bucket is written over by the next one.
    """
    weights = np.empty(_longest(bounds, rows), np.float64)
    at = np.uint64(new_bounds[first])
    for number in range(len(rows)):
        _foresee(bounds, indices, values, rows, number)
        row = rows[number]
        start = at
        for item in range(np.uint64(bounds[row]), np.uint64(bounds[row + 1])):
            bucket = np.uint64(indices[item])
            code = np.int64(values[item]) + 128
            if 0 <= code < 256 and code - 128 == values[item]:
                weights[at - start] = small[np.uint64(code)]
            else:
                weights[at - start] = _damped(float(values[item]), sublinear)
            new_indices[at] = rank(ranks, bucket)
            at += is_member(ranks, bucket)
        count = at - start
        for item in range(count):
            weights[item] *= float(idf[np.uint64(new_indices[start + item])])
        size = _norm(weights, count, norm)
        for item in range(count):
            new_values[start + item] = np.float32(weights[item]) / size
        new_bounds[first + number + 1] = at


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Some rows of hashed counts.

    Attributes
    ----------
    bounds, indices, values
        CSR: int64, int32, and float32 or int8.
    chosen
        Which rows, in which order, int64.
    """

    bounds: _Bounds
    indices: _Ints
    values: npt.NDArray[Any]
    chosen: _Bounds

    @property
    def items(self) -> int:
        """How many counts the chosen rows hold."""
        return _items(read_only(self.bounds), read_only(self.chosen))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weighting:
    """From hashed counts to weighted features of the buckets that are in use.

    Attributes
    ----------
    features
        The settings it follows.
    buckets
        The buckets in use, ascending, shape (used,), int32: feature i is bucket ``buckets[i]``.
    idf
        Inverse document frequency of each, shape (used,), float32; ones where the settings have no IDF.
    """

    features: FeatureConfig
    buckets: _Ints
    idf: _Floats

    @classmethod
    def learned(cls, features: FeatureConfig, counts: _Ints, rows: int) -> "Weighting":
        """The weighting of these document frequencies.

        Parameters
        ----------
        features
            The settings.
        counts
            Training rows that hold each bucket, shape (buckets,).
        rows
            Training rows in all. The frequencies are smoothed as in scikit-learn's `TfidfTransformer`.
        """
        buckets = np.flatnonzero(counts >= features.min_df).astype(np.int32)
        idf = _smooth_idf(counts[buckets], rows) if features.idf else np.ones(len(buckets), np.float32)
        return cls(features=features, buckets=buckets, idf=idf)

    def extended(self, counts: _Ints, rows: int) -> "Weighting":
        """The weighting with the buckets that later rows alone hold added; those in use stay as they are.

        Parameters
        ----------
        counts
            Later training rows that hold each bucket, shape (buckets,).
        rows
            Training rows in all, the earlier ones too.
        """
        counts = counts.copy()
        counts[self.buckets] = 0
        later = Weighting.learned(self.features, counts, rows)
        buckets = np.concatenate([self.buckets, later.buckets])
        order = np.argsort(buckets)
        return replace(self, buckets=buckets[order], idf=np.concatenate([self.idf, later.idf])[order])

    def ranks(self) -> Ranks:
        """What `weigh` looks up: the buckets in use as `pipeline.text.ranks` has them."""
        return ranks_of(self.buckets, self.features.width)

    def weigh(self, matrix: sparse.csr_matrix, ranks: Ranks | None = None) -> sparse.csr_matrix:
        """Weighted features of hashed counts, shape (rows, used), float32; an empty row stays empty.

        Damped counts keep their sign: c becomes sign(c) (1 + ln |c|).

        Parameters
        ----------
        matrix
            As `hash_texts` gives it, shape (rows, buckets).
        ranks
            What `ranks` gives, where the caller keeps it for several blocks.
        """
        rows = Rows(
            bounds=matrix.indptr.astype(np.int64),
            indices=matrix.indices.astype(np.int32, copy=False),
            values=matrix.data.astype(np.float32, copy=False),
            chosen=np.arange(matrix.shape[0], dtype=np.int64),
        )
        return self.weigh_rows([rows], ranks)

    def weigh_rows(self, parts: Sequence["Rows"], ranks: Ranks | None = None) -> sparse.csr_matrix:
        """Weighted features of the chosen rows of all `parts`, one after the other, as from `weigh`."""
        ranks = ranks if ranks is not None else self.ranks()
        room = sum(part.items for part in parts)
        bounds = np.zeros(sum(len(part.chosen) for part in parts) + 1, np.int64)
        indices, values = np.empty(room, np.int32), np.empty(room, np.float32)
        first = 0
        for part in parts:
            _weigh_rows(
                read_only(part.bounds),
                read_only(part.indices),
                read_only(part.values),
                read_only(part.chosen),
                read_only(ranks),
                read_only(self.idf),
                _small(self.features.sublinear_tf),
                self.features.sublinear_tf,
                _NORMS[self.features.norm],
                first,
                bounds,
                indices,
                values,
            )
            first += len(part.chosen)
        return csr(bounds, indices[: bounds[-1]], values[: bounds[-1]], len(self.buckets))
