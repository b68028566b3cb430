"""Weighting of hashed counts: inverse document frequencies over all training rows, damped counts, row norms."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pipeline.text.config import FeatureConfig
from pipeline.text.hashing import csr, read_only
from pipeline.text.portable_math import portable_log
from storage.compiled import kernel

_NORMS = {"none": 0, "l1": 1, "l2": 2}

_Floats = npt.NDArray[np.float32]
_Ints = npt.NDArray[np.int32]
_Bounds = npt.NDArray[np.int64]


@kernel
def _count_buckets(indices: _Ints, counts: _Ints) -> None:
    for item in range(len(indices)):
        counts[indices[item]] += 1


def document_frequencies(matrix: sparse.csr_matrix) -> _Ints:
    """How many rows hold each bucket, shape (buckets,), int32. Sums of these over blocks are those of all rows."""
    counts = np.zeros(matrix.shape[1], np.int32)
    _count_buckets(read_only(matrix.indices.astype(np.int32, copy=False)), counts)
    return counts


@kernel
def _smooth_idf(counts: _Ints, rows: int) -> _Floats:
    result = np.empty(len(counts), np.float32)
    for bucket in range(len(counts)):
        result[bucket] = portable_log((1.0 + rows) / (1.0 + counts[bucket])) + 1.0
    return result


@kernel
def _weigh_rows(
    bounds: _Bounds,
    indices: _Ints,
    values: _Floats,
    places: _Ints,
    idf: _Floats,
    sublinear: bool,
    norm: int,
) -> tuple[_Bounds, _Ints, _Floats]:
    new_bounds = np.zeros(len(bounds), np.int64)
    new_indices = np.empty(len(indices), np.int32)
    new_values = np.empty(len(indices), np.float32)
    at = 0
    for row in range(len(bounds) - 1):
        start = at
        size = 0.0
        for item in range(bounds[row], bounds[row + 1]):
            place = places[indices[item]]
            if place < 0:
                continue
            value = float(values[item])
            if sublinear and abs(value) > 1.0:
                damped = 1.0 + portable_log(abs(value))
                value = damped if value > 0 else -damped
            value *= float(idf[place])
            size += abs(value) if norm == 1 else value * value
            new_indices[at] = place
            new_values[at] = value
            at += 1
        if norm == 2:
            size = math.sqrt(size)
        if norm and size > 0:
            for item in range(start, at):
                new_values[item] = new_values[item] / size
        new_bounds[row + 1] = at
    return new_bounds, new_indices[:at].copy(), new_values[:at].copy()


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

    def places(self) -> _Ints:
        """Each bucket's feature number, -1 for one that is not in use, shape (buckets,), int32."""
        places = np.full(self.features.width, -1, np.int32)
        places[self.buckets] = np.arange(len(self.buckets), dtype=np.int32)
        return places

    def weigh(self, matrix: sparse.csr_matrix, places: _Ints | None = None) -> sparse.csr_matrix:
        """Weighted features of hashed counts, shape (rows, used), float32; an empty row stays empty.

        Damped counts keep their sign: c becomes sign(c) (1 + ln |c|).

        Parameters
        ----------
        matrix
            As `hash_texts` gives it, shape (rows, buckets).
        places
            What `places` gives, where the caller keeps it for several blocks.
        """
        bounds, indices, values = _weigh_rows(
            read_only(matrix.indptr.astype(np.int64)),
            read_only(matrix.indices.astype(np.int32, copy=False)),
            read_only(matrix.data.astype(np.float32, copy=False)),
            read_only(places if places is not None else self.places()),
            read_only(self.idf),
            self.features.sublinear_tf,
            _NORMS[self.features.norm],
        )
        return csr(bounds, indices, values, len(self.buckets))
