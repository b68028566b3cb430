"""Which n-grams are behind hashed buckets: the way back that hashing does not have."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.text.config import FeatureConfig
from pipeline.text.grams import CHAR_WB_CODE, document_keys, gram_count, key_of, scratch, units_of
from pipeline.text.hashing import analyzer_code, documents, read_only
from pipeline.text.sorting import BUCKET, MINUS
from pipeline.text.stop_words import StopTable, drop_stop_words, stop_table
from pipeline.text.unicode_tables import unicode_tables
from storage.compiled import inlined, kernel

_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int32]
_Longs = npt.NDArray[np.int64]

#: How often an n-gram of one bucket is looked at in one call; enough to see which of several is the frequent one.
_OFTEN = 32
#: How an n-gram's edges are shown where blanks stand for them.
_EDGE = "·"


@inlined
def _is_wanted(keys: npt.NDArray[np.uint32], count: int, places: _Ints, seen: _Longs) -> bool:
    """Whether one of the keys falls into a bucket that was not seen often enough."""
    wanted = False
    for item in range(count):
        place = places[keys[item] & BUCKET]
        wanted |= place >= 0 and seen[place] < _OFTEN
    return wanted


@kernel
def _collected(
    offsets: _Longs,
    text: _Bytes,
    analyzer: int,
    low: int,
    high: int,
    bits: int,
    lowercase: bool,
    lower: npt.NDArray[np.uint32],
    kinds: _Bytes,
    left_out: StopTable,
    places: _Ints,
    wanted: int,
) -> tuple[_Ints, npt.NDArray[np.bool_], _Longs, _Bytes]:
    lowered, flags, buffer, starts, ends, runs = scratch(offsets)
    mask = np.uint32((1 << bits) - 1)
    seen = np.zeros(wanted, np.int64)
    found = np.empty(wanted * _OFTEN, np.int32)
    minus = np.empty(wanted * _OFTEN, np.bool_)
    stops = np.empty(wanted * _OFTEN, np.int64)
    letters = np.empty(1024, np.uint8)
    keys = np.empty(256, np.uint32)
    whole = analyzer == CHAR_WB_CODE
    count = 0
    at = 0
    for row in range(len(offsets) - 1):
        run_count = units_of(
            offsets[row],
            offsets[row + 1],
            text,
            analyzer,
            lowercase,
            lower,
            kinds,
            lowered,
            flags,
            buffer,
            starts,
            ends,
            runs,
        )
        if len(left_out.slots):
            drop_stop_words(buffer, starts, ends, runs, left_out)
        most = gram_count(runs, run_count, low, high, whole)
        if most > len(keys):
            keys = np.empty(2 * most, np.uint32)
        held = document_keys(keys, buffer, starts, ends, runs, run_count, low, high, whole, mask)
        # Most documents have none of the buckets, which all keys at once tell sooner.
        if not _is_wanted(keys, held, places, seen):
            continue
        for run in range(run_count):
            size = runs[run + 1] - runs[run]
            first_length = min(low, size) if whole else low
            for length in range(first_length, min(high, size) + 1):
                for unit in range(runs[run], runs[run + 1] - length + 1):
                    key = key_of(buffer, starts[unit], ends[unit + length - 1], mask)
                    place = places[key & BUCKET]
                    if place < 0 or seen[place] >= _OFTEN:
                        continue
                    seen[place] += 1
                    span = ends[unit + length - 1] - starts[unit]
                    if at + span > len(letters):
                        wider = np.empty(2 * (at + span), np.uint8)
                        wider[:at] = letters[:at]
                        letters = wider
                    letters[at : at + span] = buffer[starts[unit] : starts[unit] + span]
                    at += span
                    found[count] = place
                    minus[count] = key & MINUS != 0
                    stops[count] = at
                    count += 1
    return found[:count].copy(), minus[:count].copy(), stops[:count].copy(), letters[:at].copy()


#: A bucket's n-grams: text and sign (1 or -1) with how often each was seen.
GramCounts = dict[int, Counter[tuple[str, int]]]


def gram_texts(texts: pa.Array | pa.ChunkedArray, features: FeatureConfig, buckets: Iterable[int]) -> GramCounts:
    """The n-grams of `texts` that fall into each of `buckets`; buckets that no text has are left out.

    Parameters
    ----------
    texts
        Text of any Arrow layout.
    features
        How texts become n-grams.
    buckets
        Bucket numbers.
    """
    wanted = np.unique(np.fromiter(buckets, np.int32))
    if len(wanted) == 0:
        return {}
    places = np.full(features.width, -1, np.int32)
    places[wanted] = np.arange(len(wanted), dtype=np.int32)
    offsets, data = documents(texts, features)
    tables = unicode_tables()
    found, minus, stops, letters = _collected(
        read_only(offsets),
        read_only(data),
        analyzer_code(features),
        *features.ngram_range,
        features.hash_bits,
        features.lowercase,
        tables.lower,
        tables.kinds,
        stop_table(features.stop_words),
        places,
        len(wanted),
    )
    counts: GramCounts = {}
    start = 0
    for place, negative, stop in zip(found.tolist(), minus.tolist(), stops.tolist(), strict=True):
        text = bytes(letters[start:stop]).decode("utf-8", "replace")
        counts.setdefault(int(wanted[place]), Counter())[text, -1 if negative else 1] += 1
        start = stop
    return counts


def merged_grams(parts: Iterable[GramCounts]) -> GramCounts:
    """The counts of all parts together."""
    total: GramCounts = {}
    for part in parts:
        for bucket, counts in part.items():
            total.setdefault(bucket, Counter()).update(counts)
    return total


def most_frequent(counts: Counter[tuple[str, int]]) -> tuple[str, int]:
    """The text and sign seen most often, the first by text of several."""
    return min(counts, key=lambda gram: (-counts[gram], gram))


def shown(gram: str, features: FeatureConfig) -> str:
    """An n-gram as a person reads it: blanks at the edge of a character n-gram become a dot."""
    if features.cuts_words:
        return gram
    inner = gram.strip()
    before, after = len(gram) - len(gram.lstrip()), len(gram) - len(gram.rstrip())
    return _EDGE * before + inner + _EDGE * after if inner else _EDGE * len(gram)
