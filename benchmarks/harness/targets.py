"""Targets: what was promised of a case, and whether it holds."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.harness.figures import CPU, PEAK, SECONDS, Measured

#: What people call the measures that every sample has.
_NAMES = {SECONDS: "time", CPU: "CPU time", PEAK: "memory"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A promise about a case.

    Attributes
    ----------
    claim
        The promise in words.
    needs
        Contenders without which there is nothing to say.
    figure
        The number that the promise is about.
    at_least, at_most
        Its bounds; None where there is none.
    issue
        The number of the project's issue that names the promise; None for one that the suite makes of itself.
    """

    claim: str
    figure: Callable[[Measured], float]
    needs: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    issue: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A promise, the number found, and whether it holds; `figure` is None where a contender did not run."""

    claim: str
    wanted: str
    figure: float | None
    holds: bool | None
    issue: int | None = None

    @property
    def word(self) -> str:
        """PASS, FALLS SHORT or NOT MEASURED."""
        return {True: "PASS", False: "FALLS SHORT", None: "NOT MEASURED"}[self.holds]


def judge(target: Target, measured: Measured) -> Verdict:
    """Whether the promise holds in what was measured."""
    there = set(target.needs) <= set(measured.contenders)
    figure = target.figure(measured) if there else None
    return judged(target.claim, figure, at_least=target.at_least, at_most=target.at_most, issue=target.issue)


def judged(
    claim: str,
    figure: float | None,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    issue: int | None = None,
) -> Verdict:
    """Whether a promise holds, given the number that it is about; None where that was not measured."""
    wanted = f"at least {at_least:g}" if at_least is not None else f"at most {at_most:g}"
    holds = None
    if figure is not None:
        holds = (at_least is None or figure >= at_least) and (at_most is None or figure <= at_most)
    return Verdict(claim=claim, wanted=wanted, figure=figure, holds=holds, issue=issue)


def faster_than(
    peer: str, times: float, *, ours: str = "textmill", measure: str = SECONDS, issue: int | None = None
) -> Target:
    """That `ours` takes so many times less than `peer`."""
    return Target(
        claim=f"{ours} takes {times:g} times less {_NAMES.get(measure, measure)} than {peer}",
        figure=lambda measured: measured.ratio(peer, ours, measure).median,
        needs=(peer, ours),
        at_least=times,
        issue=issue,
    )


def no_worse_than(
    peer: str,
    measure: str,
    *,
    by: float = 0.0,
    ours: str = "textmill",
    larger_is_better: bool = True,
    issue: int | None = None,
) -> Target:
    """That the median of a quality of `ours` is no worse than that of `peer`, give or take `by`."""
    sign = 1.0 if larger_is_better else -1.0
    return Target(
        claim=f"{measure} of {ours} no worse than that of {peer}" + (f" minus {by:g}" if by else ""),
        figure=lambda measured: sign * (measured.spread(ours, measure).median - measured.spread(peer, measure).median),
        needs=(peer, ours),
        at_least=0.0 - by,
        issue=issue,
    )


def at_most(measure: str, bound: float, *, ours: str = "textmill", issue: int | None = None) -> Target:
    """That no run of `ours` has more of a measure."""
    return Target(
        claim=f"{measure} of {ours}",
        figure=lambda measured: measured.spread(ours, measure).most,
        needs=(ours,),
        at_most=bound,
        issue=issue,
    )


def rate_at_least(
    unit: str, per_s: float, *, ours: str = "textmill", measure: str = SECONDS, issue: int | None = None
) -> Target:
    """That `ours` does so many units of the case's work a second."""
    return Target(
        claim=f"{unit} a second of {_NAMES.get(measure, measure)} of {ours}",
        figure=lambda measured: measured.work[unit] / measured.spread(ours, measure).median,
        needs=(ours,),
        at_least=per_s,
        issue=issue,
    )
