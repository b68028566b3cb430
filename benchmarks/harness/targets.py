"""Targets: what was promised of a case, and whether it holds."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.harness.figures import SECONDS, Measured


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
    """

    claim: str
    figure: Callable[[Measured], float]
    needs: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A promise, the number found, and whether it holds; `figure` is None where a contender did not run."""

    claim: str
    wanted: str
    figure: float | None
    holds: bool | None

    @property
    def word(self) -> str:
        """PASS, FALLS SHORT or NOT MEASURED."""
        return {True: "PASS", False: "FALLS SHORT", None: "NOT MEASURED"}[self.holds]


def judge(target: Target, measured: Measured) -> Verdict:
    """Whether the promise holds in what was measured."""
    wanted = f"at least {target.at_least:g}" if target.at_least is not None else f"at most {target.at_most:g}"
    if not set(target.needs) <= set(measured.contenders):
        return Verdict(claim=target.claim, wanted=wanted, figure=None, holds=None)
    figure = target.figure(measured)
    holds = (target.at_least is None or figure >= target.at_least) and (
        target.at_most is None or figure <= target.at_most
    )
    return Verdict(claim=target.claim, wanted=wanted, figure=figure, holds=holds)


def faster_than(peer: str, times: float, *, ours: str = "textmill", measure: str = SECONDS) -> Target:
    """That `ours` takes so many times less than `peer`."""
    return Target(
        claim=f"{ours} takes {times:g} times less {measure} than {peer}",
        figure=lambda measured: measured.ratio(peer, ours, measure).median,
        needs=(peer, ours),
        at_least=times,
    )


def no_worse_than(
    peer: str, measure: str, *, by: float = 0.0, ours: str = "textmill", larger_is_better: bool = True
) -> Target:
    """That the median of a quality of `ours` is no worse than that of `peer`, give or take `by`."""
    sign = 1.0 if larger_is_better else -1.0
    return Target(
        claim=f"{measure} of {ours} no worse than that of {peer}" + (f" minus {by:g}" if by else ""),
        figure=lambda measured: sign * (measured.spread(ours, measure).median - measured.spread(peer, measure).median),
        needs=(peer, ours),
        at_least=-by,
    )


def at_most(measure: str, bound: float, *, ours: str = "textmill") -> Target:
    """That no run of `ours` has more of a measure."""
    return Target(
        claim=f"{measure} of {ours}",
        figure=lambda measured: measured.spread(ours, measure).most,
        needs=(ours,),
        at_most=bound,
    )


def rate_at_least(unit: str, per_s: float, *, ours: str = "textmill", measure: str = SECONDS) -> Target:
    """That `ours` does so many units of the case's work a second."""
    return Target(
        claim=f"{unit} a second of {measure} of {ours}",
        figure=lambda measured: measured.work[unit] / measured.spread(ours, measure).median,
        needs=(ours,),
        at_least=per_s,
    )
