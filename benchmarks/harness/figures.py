"""What runs measured, and the numbers made of them: medians, spread, ratios within a round."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Measures that every sample has.
SECONDS, CPU, PEAK = "seconds", "cpu_s", "peak_bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run: wall and CPU seconds, the most bytes the process tree held meanwhile, what else it measured, outputs."""

    contender: str
    seconds: float
    cpu_s: float
    peak_bytes: int
    measures: Mapping[str, Any]
    outputs: Mapping[str, Any]

    def measure(self, name: str) -> float:
        """The named measure; raises `KeyError` where this contender does not have it."""
        own = {SECONDS: self.seconds, CPU: self.cpu_s, PEAK: self.peak_bytes}
        return float(own[name] if name in own else self.measures[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The middle, the least and the most of some numbers."""

    median: float
    least: float
    most: float

    @property
    def width(self) -> float:
        """How far the extremes lie apart, as a share of the median; 0 for a median of 0."""
        return (self.most - self.least) / self.median if self.median else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A case with its rounds: in each, one sample a contender, in turns.

    `again` holds, for each round, textmill's second run: what it differs by from the first is this machine's noise.
    """

    case: str
    work: Mapping[str, float]
    rounds: Sequence[Mapping[str, Sample]]
    again: Sequence[Sample] = ()
    ours: str = "textmill"

    @property
    def contenders(self) -> list[str]:
        """Names, in the order they ran."""
        return list(self.rounds[0]) if self.rounds else []

    def spread(self, contender: str, measure: str = SECONDS) -> Spread:
        """That measure of a contender over the rounds."""
        return spread_of([one[contender].measure(measure) for one in self.rounds])

    def ratio(self, over: str, under: str, measure: str = SECONDS) -> Spread:
        """One contender's measure over another's, taken within each round, so that a slow minute strikes both."""
        return spread_of([one[over].measure(measure) / one[under].measure(measure) for one in self.rounds])

    def noise(self, measure: str = SECONDS) -> float:
        """How far from 1 textmill against itself came at the most; 0 where it did not run twice."""
        firsts = [one[self.ours].measure(measure) for one in self.rounds if self.again]
        pairs = zip(firsts, self.again, strict=True)
        return max((abs(second.measure(measure) / first - 1.0) for first, second in pairs if first), default=0.0)


def spread_of(numbers: Sequence[float]) -> Spread:
    """Median, least and most; raises `statistics.StatisticsError` for none."""
    return Spread(median=statistics.median(numbers), least=min(numbers), most=max(numbers))
