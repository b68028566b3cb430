"""MinHash signatures and the band keys under which similar texts meet.

MinHash: A. Broder, "On the resemblance and containment of documents" (1997). Bands: J. Leskovec, A. Rajaraman,
J. Ullman, "Mining of Massive Datasets", section 3.4: two texts of Jaccard similarity J share at least one of b bands of
r values with probability ``1 - (1 - J**r)**b``.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.ingest.dedupe.murmur import text_buffers
from pipeline.ingest.dedupe.shingles import prepared, settings_of, shingles_of
from pipeline.ingest.dedupe.tokens import CLASSES, decided, shingle_hash, tokenize
from pipeline.ingest.dedupe_config import NearConfig
from storage.compiled import kernel
from storage.murmur import mixed

#: Hash values a signature has at most; bands times rows come close to it.
_VALUES = 128
#: The share of pairs at exactly the threshold that must meet in some band.
_RECALL = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """How a signature is cut: so many bands of so many values each."""

    bands: int
    values: int

    def chance(self, jaccard: float) -> float:
        """The probability that two texts of this similarity share a band."""
        return float(1.0 - (1.0 - jaccard**self.values) ** self.bands)


@cache
def bands_for(threshold: float) -> Bands:
    """The longest bands under which pairs at the threshold still meet with a probability of 0.99.

    Examples
    --------
    >>> bands_for(0.8)
    Bands(bands=21, values=6)
    """
    for values in range(_VALUES, 1, -1):
        bands = Bands(bands=_VALUES // values, values=values)
        if bands.chance(threshold) >= _RECALL:
            return bands
    return Bands(bands=_VALUES, values=1)


@cache
def _functions() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """The hash functions ``factor * x + addend`` modulo 2**32, always the same ones; factors are odd."""
    random = np.random.Generator(np.random.PCG64(0x7E57))
    factors = random.integers(0, 2**31, _VALUES, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return factors, random.integers(0, 2**32, _VALUES, dtype=np.uint32)


@kernel
def _lower(signature: Any, factors: Any, addends: Any, value: Any) -> None:
    for j in range(len(signature)):
        signature[j] = min(signature[j], np.uint32(factors[j] * value + addends[j]))


@kernel
def _band_keys(
    data: Any,
    offsets: Any,
    valid: Any,
    mode: Any,
    words: Any,
    characters: Any,
    classes: Any,
    factors: Any,
    addends: Any,
    values: Any,
    keys: Any,
    whole: Any,
) -> Any:
    longest = 0
    for row in range(len(valid)):
        longest = max(longest, offsets[row + 1] - offsets[row])
    hashes = np.empty(longest + 1, np.uint64)
    signature = np.empty(len(factors), np.uint32)
    taking = np.zeros(len(valid), np.bool_)
    for row in range(len(valid)):
        if not valid[row]:
            continue
        start, stop = offsets[row], offsets[row + 1]
        how = decided(data, start, stop, mode, classes)
        count, size = shingles_of(tokenize(data, start, stop, how, classes, hashes), how, words, characters)
        if count == 0:
            continue
        taking[row] = True
        signature[:] = np.uint32(0xFFFFFFFF)
        for i in range(count):
            _lower(signature, factors, addends, np.uint32(shingle_hash(hashes, i, size) >> np.uint64(32)))
        total = np.uint64(0)
        for band in range(keys.shape[1]):
            key = np.uint64(band)
            for j in range(band * values, (band + 1) * values):
                key = mixed(key * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(signature[j]))
            keys[row, band] = key
            total = mixed(total ^ key)
        whole[row] = np.uint32(total >> np.uint64(32))
    return taking


def band_keys(
    texts: pa.ChunkedArray, near: NearConfig
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
    """The keys under which each text is looked up, one a band; a hash of its signature; and which texts have any.

    Returns
    -------
    tuple
        Keys of shape (texts, bands), uint64, and hashes of shape (texts,), uint32, both undefined where the third
        array, of shape (texts,), is False: for null and for texts without a shingle.
    """
    cut = bands_for(near.threshold)
    data, offsets, valid = text_buffers(prepared(texts))
    keys, whole = np.empty((len(valid), cut.bands), np.uint64), np.empty(len(valid), np.uint32)
    factors, addends = _functions()
    used = cut.bands * cut.values
    taking = _band_keys(
        data,
        offsets.astype(np.int64),
        valid,
        *settings_of(near),
        CLASSES,
        factors[:used],
        addends[:used],
        cut.values,
        keys,
        whole,
    )
    return keys, whole, taking
