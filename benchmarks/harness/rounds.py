"""A case measured: all contenders in turns, round after round, their outputs compared first."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.contender import OURS, Case, Contender
from benchmarks.harness.figures import Measured, Sample
from benchmarks.harness.running import run_once
from pipeline.errors import PipelineError

Tell = Callable[[str], None]


class OutputsDifferError(PipelineError):
    """Contenders did different work: no time of theirs may be compared."""


def measure(case: Case, scratch: Path, *, repeats: int, null: bool = True, tell: Tell = lambda _: None) -> Measured:
    """The case measured in so many rounds, after one that is not counted and shows that all do the same work.

    Each round runs every contender once, starting with another one each time; with `null`, textmill once more.

    Raises
    ------
    OutputsDifferError
        Where outputs that must be equal are not: no time counts then.
    ContenderFailedError
        Where a contender gives no result.
    """
    agreed: dict[str, Any] = {}
    for contender in case.contenders:
        tell(f"{case.name}: {contender.name}, first run (not counted)")
        _agree(case, agreed, run_once(case, contender, scratch))
    rounds: list[Mapping[str, Sample]] = []
    again: list[Sample] = []
    for number in range(repeats):
        found: dict[str, Sample] = {}
        for contender in _turn(case.contenders, number):
            tell(f"{case.name}: {contender.name}, round {number + 1} of {repeats}")
            found[contender.name] = run_once(case, contender, scratch)
            _agree(case, agreed, found[contender.name])
        ours = next((contender for contender in case.contenders if contender.name == OURS), None)
        if null and ours is not None:
            tell(f"{case.name}: {OURS} against itself, round {number + 1} of {repeats}")
            again.append(run_once(case, ours, scratch))
        rounds.append({contender.name: found[contender.name] for contender in case.contenders})
    return Measured(case=case.name, work=case.work, rounds=rounds, again=again)


def _turn(contenders: Sequence[Contender], number: int) -> list[Contender]:
    start = number % len(contenders)
    return [*contenders[start:], *contenders[:start]]


def _agree(case: Case, agreed: dict[str, Any], sample: Sample) -> None:
    """Nothing where the outputs are those of the runs before; `agreed` learns them from the first."""
    _require_none(case, sample, set(case.equal) - set(sample.outputs), "its output")
    _require_none(case, sample, set(case.no_worse) - set(sample.measures), "what it measured")
    for key in case.equal:
        value = sample.outputs[key]
        if agreed.setdefault(key, value) != value:
            raise OutputsDifferError(
                f"{case.name}: {key} of {sample.contender} is {value!r}, of the contenders before it {agreed[key]!r}"
            )
    for key, most in case.no_worse.items():
        known = agreed.setdefault(key, {})
        known[sample.contender] = sample.measure(key)
        best = max(known, key=known.__getitem__)
        if OURS in known and known[best] - known[OURS] > most:
            raise OutputsDifferError(
                f"{case.name}: {key} of {OURS} is {known[OURS]:.4g}, of {best} {known[best]:.4g}; it may lie {most:g} "
                "below"
            )


def _require_none(case: Case, sample: Sample, missing: set[str], where: str) -> None:
    if missing:
        raise OutputsDifferError(
            f"{case.name}: {sample.contender} does not say {', '.join(sorted(missing))} of {where}"
        )
