"""Summaries of any number of values in bounded memory, which merge: distinct values, quantiles, the most frequent."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

#: Up to so many different values are counted exactly.
EXACT = 4096
#: Up to so many different rows are all in the sample; beyond, a quarter as many at least nearly surely.
SAMPLE = 4096
_BITS = 14
_REGISTERS = 1 << _BITS
_RANKS = 64 - _BITS
#: The standard error of an estimated number of different values: 1.04 / sqrt(2**14).
DISTINCT_ERROR = 0.0082
#: Bits of a number's mantissa that its bin keeps: a bin's least value is at most this share below any other in it.
_KEPT = 7
QUANTILE_ERROR = 2.0**-_KEPT
_FRACTION = 52
#: All finite doubles are whole multiples of two to this power.
_UNIT = 1126


def _no_integers() -> npt.NDArray[np.int64]:
    return np.empty(0, np.int64)


def _no_hashes() -> npt.NDArray[np.uint64]:
    return np.empty(0, np.uint64)


def _no_registers() -> npt.NDArray[np.uint8]:
    return np.empty(0, np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distinct:
    """How many different 64-bit hashes there are: exact up to `EXACT`, a HyperLogLog beyond.

    P. Flajolet et al., "HyperLogLog", 2007; estimated as in O. Ertl, "New cardinality estimation algorithms for
    HyperLogLog sketches", 2017, section 4, which needs no table of corrections. The state depends on the set of hashes
    alone, however they are split and merged.

    Attributes
    ----------
    hashes
        All of them, ascending, uint64; empty where there are more than `EXACT`.
    registers
        The greatest rank by the first bits of the hash, shape (16384,), uint8; empty where `hashes` tell all.
    """

    hashes: npt.NDArray[np.uint64] = field(default_factory=_no_hashes)
    registers: npt.NDArray[np.uint8] = field(default_factory=_no_registers)

    @classmethod
    def of(cls, hashes: npt.NDArray[np.uint64]) -> "Distinct":
        """Of these hashes, in any order."""
        different = np.unique(hashes)
        return cls(hashes=different) if len(different) <= EXACT else cls(registers=_ranked(different))

    def merge(self, other: "Distinct") -> "Distinct":
        """Of the hashes of both."""
        if self.is_exact and other.is_exact:
            return Distinct.of(np.concatenate([self.hashes, other.hashes]))
        return Distinct(registers=np.maximum(self._ranks(), other._ranks()))

    def _ranks(self) -> npt.NDArray[np.uint8]:
        return _ranked(self.hashes) if self.is_exact else self.registers

    @property
    def is_exact(self) -> bool:
        """Whether `count` is no estimate."""
        return len(self.registers) == 0

    @property
    def count(self) -> int:
        """How many different hashes, with a standard error of `DISTINCT_ERROR` where it is not exact."""
        if self.is_exact:
            return len(self.hashes)
        ranks = np.bincount(self.registers, minlength=_RANKS + 2).tolist()
        total = _REGISTERS * _tau(1 - ranks[_RANKS + 1] / _REGISTERS)
        for rank in range(_RANKS, 0, -1):
            total = 0.5 * (total + ranks[rank])
        total += _REGISTERS * _sigma(ranks[0] / _REGISTERS)
        return round(_REGISTERS * _REGISTERS / (2 * math.log(2)) / total)


def _ranked(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    registers = np.zeros(_REGISTERS, np.uint8)
    rest = hashes & np.uint64((1 << _RANKS) - 1)
    # The rest has at most 50 bits, which a double holds exactly: its exponent tells the highest one.
    ranks = (_RANKS + 1 - np.frexp(rest.astype(np.float64))[1]).astype(np.uint8)
    np.maximum.at(registers, (hashes >> np.uint64(_RANKS)).astype(np.int64), ranks)
    return registers


def _sigma(x: float) -> float:
    if x == 1:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0, 1):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bins:
    """Whole numbers and how often each occurs; merging gives the same whatever the split.

    Attributes
    ----------
    keys
        Ascending, int64.
    counts
        int64, the same shape.
    """

    keys: npt.NDArray[np.int64] = field(default_factory=_no_integers)
    counts: npt.NDArray[np.int64] = field(default_factory=_no_integers)

    @classmethod
    def of(cls, keys: npt.NDArray[np.int64]) -> "Bins":
        """Of these keys, in any order."""
        different, counts = np.unique(keys, return_counts=True)
        return cls(keys=different, counts=counts.astype(np.int64))

    def merge(self, other: "Bins") -> "Bins":
        """Of the keys of both."""
        keys, places = np.unique(np.concatenate([self.keys, other.keys]), return_inverse=True)
        counts = np.zeros(len(keys), np.int64)
        np.add.at(counts, places, np.concatenate([self.counts, other.counts]))
        return Bins(keys=keys, counts=counts)

    def at(self, share: float) -> int:
        """The least key that this share of the values does not exceed; there is at least one value."""
        reached = np.cumsum(self.counts)
        wanted = max(1, math.ceil(share * int(reached[-1])))
        return int(self.keys[int(np.searchsorted(reached, wanted))])


def number_keys(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The bin of each finite number: its sign, exponent and first bits; whole numbers below 256 have one each."""
    keys = np.abs(numbers).view(np.int64) >> (_FRACTION - _KEPT)
    return np.where(numbers < 0, -keys, keys)


def number_of(key: int) -> float:
    """The number nearest to zero in a bin.

    Examples
    --------
    >>> [number_of(int(key)) for key in number_keys(np.array([0.0, -1.5, 200.0, 1000.0, 1003.0]))]
    [0.0, -1.5, 200.0, 1000.0, 1000.0]
    """
    least = float(np.array([abs(key) << (_FRACTION - _KEPT)], np.int64).view(np.float64)[0])
    return -least if key < 0 else least


def exact_sum(numbers: npt.NDArray[np.float64]) -> int:
    """The sum of finite numbers in units of `mean_of`, without any rounding: the order of summing cannot show."""
    parts, powers = np.frexp(numbers)
    whole = (parts * 2.0**53).astype(np.int64)
    total = 0
    for power in np.unique(powers).tolist():
        those = whole[powers == power]
        # In two halves: so many of them cannot overflow.
        value = (int((those >> 26).sum()) << 26) + int((those & ((1 << 26) - 1)).sum())
        total += value << (power - 53 + _UNIT)
    return total


def mean_of(total: int, count: int) -> float:
    """The mean, correctly rounded, of `count` numbers with this `exact_sum`."""
    return float(Fraction(total, 1 << _UNIT) / count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequent:
    """The most frequent texts and how often each occurs: exact up to `room` different ones.

    Beyond, counts are too small by at most `error`, which is at most the number of all occurrences divided by `room`
    (J. Misra and D. Gries, 1982; merged as in P. Agarwal et al., "Mergeable summaries", 2012, section 3). The result
    then depends on how the input was split, so that it is to be split in a fixed way.
    """

    room: int
    counts: Mapping[str, int] = field(default_factory=dict)
    error: int = 0

    @classmethod
    def of(cls, counts: Mapping[str, int], room: int) -> "Frequent":
        """Of exact counts."""
        return cls(room=room).merge(cls(room=room, counts=counts))

    def merge(self, other: "Frequent") -> "Frequent":
        """Of both inputs together."""
        counts = dict(self.counts)
        for text, count in other.counts.items():
            counts[text] = counts.get(text, 0) + count
        cut = 0
        if len(counts) > self.room:
            cut = sorted(counts.values(), reverse=True)[self.room]
            counts = {text: count - cut for text, count in counts.items() if count > cut}
        return Frequent(room=self.room, counts=dict(sorted(counts.items())), error=self.error + other.error + cut)

    def top(self, most: int) -> list[dict[str, Any]]:
        """The most frequent first, as "value" and "count"; of equally frequent ones the first by text.

        Those alone that are surely more frequent than all that are not told.
        """
        sure = ((text, count) for text, count in self.counts.items() if count > self.error)
        order = sorted(sure, key=lambda item: (-item[1], item[0]))
        return [{"value": text, "count": count} for text, count in order[:most]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sampled:
    """What was answered for a sample of rows: all of them up to `SAMPLE` different ones, by their hashes beyond.

    Adaptive sampling (P. Flajolet, "On adaptive sampling", 1990): the sample is of the different rows whose hash starts
    with `level` zero bits, where `level` is the least that leaves at most `SAMPLE`. Each counts as often as it occurs.
    The state depends on the rows alone, however they are split and merged.

    Attributes
    ----------
    level
        Zero bits that a hash starts with.
    answers
        Hash -> the answer and how often the row occurs.
    """

    level: int = 0
    answers: Mapping[int, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, hashes: npt.NDArray[np.uint64], answer: Callable[[npt.NDArray[np.int64]], Sequence[str]]) -> "Sampled":
        """Of rows with these hashes; `answer` is asked for those at some places alone, as many as are kept."""
        different, places, counts = np.unique(hashes, return_index=True, return_counts=True)
        level, kept = 0, len(different)
        while kept > SAMPLE:
            level += 1
            kept = int(np.searchsorted(different, np.uint64(_below(level))))
        told = zip(answer(places[:kept]), counts[:kept].tolist(), strict=True)
        return cls(level=level, answers=dict(zip(different[:kept].tolist(), told, strict=True)))

    def merge(self, other: "Sampled") -> "Sampled":
        """Of the rows of both."""
        level = max(self.level, other.level)
        answers = {key: one for key, one in self.answers.items() if key < _below(level)}
        for key, (told, count) in other.answers.items():
            if key < _below(level):
                answers[key] = (told, count + answers.get(key, ("", 0))[1])
        while len(answers) > SAMPLE:
            level += 1
            answers = {key: one for key, one in answers.items() if key < _below(level)}
        return Sampled(level=level, answers=answers)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows of the sample got each answer, sorted by answer."""
        counts: dict[str, int] = {}
        for told, count in self.answers.values():
            counts[told] = counts.get(told, 0) + count
        return dict(sorted(counts.items()))

    @property
    def standard_error(self) -> float:
        """Of a share, at most: that of as many rows drawn independently; 0 where the sample is all."""
        return 0.5 / math.sqrt(max(1, len(self.answers))) if self.level else 0.0


def _below(level: int) -> int:
    return 1 << (64 - level)
