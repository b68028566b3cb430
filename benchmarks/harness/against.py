"""A run beside an earlier one: what became slower or larger, beyond what this machine does by chance."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.harness.figures import PEAK, SECONDS, Measured
from benchmarks.harness.recorded import BenchRun

#: Differences below this share are never called a change, however quiet the machine was.
_LEAST = 0.03
#: What the same machine's memory may differ by: systems keep more or less of it for themselves, and machines that are
#: guests on another give and take some.
_SAME_MEMORY = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A measure of textmill in one case, then and now.

    Attributes
    ----------
    ratio
        Median now over median then.
    noise
        How far from 1 textmill against itself came in either run.
    """

    suite: str
    case: str
    measure: str
    before: float
    now: float
    noise: float

    @property
    def ratio(self) -> float:
        """Median now over median then."""
        return self.now / self.before

    @property
    def word(self) -> str:
        """REGRESSION, IMPROVED or SAME."""
        bound = 1.0 + max(self.noise, _LEAST)
        return "REGRESSION" if self.ratio > bound else "IMPROVED" if self.ratio < 1.0 / bound else "SAME"


class NotComparableError(ValueError):
    """Two runs that say nothing about each other; its message tells why."""


def changes(now: BenchRun, before: BenchRun) -> Iterator[Change]:
    """What became of each case that both runs measured.

    Raises
    ------
    NotComparableError
        If the runs were made on different machines or with different settings, or have no case in common.
    """
    for what in ("processor", "cores", "memory_bytes"):
        one, other = before.machine[what], now.machine[what]
        same = abs(one - other) <= _SAME_MEMORY * one if what == "memory_bytes" else one == other
        if not same:
            raise NotComparableError(f"{what}: {one} in {before.id}, {other} now")
    if now.size_bytes != before.size_bytes:
        raise NotComparableError(f"size: {before.size_bytes:,} bytes in {before.id}, {now.size_bytes:,} now")
    for what in ("profile", "workers"):
        one, other = before.settings.get(what), now.settings.get(what)
        if one != other:
            raise NotComparableError(f"{what}: {one} in {before.id}, {other} now")
    earlier = {(case.suite, case.measured.case): case.measured for case in before.cases}
    common = [(case, earlier.get((case.suite, case.measured.case))) for case in now.cases]
    if not any(found for _, found in common):
        raise NotComparableError(f"{before.id} measured none of these cases")
    for case, found in common:
        if found and found.work != case.measured.work:
            raise NotComparableError(
                f"{case.suite}, {case.measured.case}: {dict(found.work)} done in {before.id}, "
                f"{dict(case.measured.work)} now"
            )
        for measure in (SECONDS, PEAK) if found else ():
            yield _change(case.suite, case.measured, found, measure)


def _change(suite: str, now: Measured, before: Measured | None, measure: str) -> Change:
    assert before is not None
    return Change(
        suite=suite,
        case=now.case,
        measure=measure,
        before=before.spread(before.ours, measure).median,
        now=now.spread(now.ours, measure).median,
        noise=max(now.noise(measure), before.noise(measure)),
    )
