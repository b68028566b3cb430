"""Suites measured one after the other, to one record."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.harness.contender import Case, Setting, Suite
from benchmarks.harness.machine import machine_facts
from benchmarks.harness.recorded import BenchRun, CaseResult, new_id
from benchmarks.harness.rounds import Tell, measure
from benchmarks.harness.tables import case_table, verdict_lines
from benchmarks.harness.targets import judge


def bench(
    suites: Iterable[Suite],
    setting: Setting,
    *,
    repeats: int,
    only: Sequence[str] = (),
    tell: Tell = lambda _: None,
    shown: Callable[[CaseResult], None] = lambda _: None,
) -> BenchRun:
    """What all cases of the suites measured.

    Parameters
    ----------
    suites
        What to measure, in this order.
    setting
        How much of it; each suite has a scratch folder of its own below ``setting.scratch``.
    repeats
        Rounds in which each contender runs once.
    only
        Parts of names: cases whose name contains none of them are left out.
    tell
        Hears what runs now.
    shown
        Hears of each case once it is measured.

    Raises
    ------
    OutputsDifferError
        Where contenders did different work.
    ContenderFailedError, EnvironmentFailedError
        Where a contender gives no result.
    """
    machine, started = machine_facts(), datetime.now(UTC)
    environments: dict[str, list[str]] = {}
    results = []
    for suite in suites:
        with tempfile.TemporaryDirectory(dir=setting.scratch, prefix=f"{suite.name}-") as folder:
            tell(f"{suite.name}: making its input")
            for case in suite.cases(replace(setting, scratch=Path(folder))):
                if _wanted(case, only):
                    measured = measure(case, Path(folder), repeats=repeats, tell=partial(_prefixed, tell, suite.name))
                    verdicts = [judge(target, measured) for target in case.targets]
                    results.append(CaseResult(suite=suite.name, measured=measured, verdicts=verdicts))
                    environments |= _environments(case)
                    shown(results[-1])
    return BenchRun(
        id=new_id(),
        started_at=started.isoformat(timespec="seconds"),
        size_bytes=setting.size_bytes,
        machine=machine,
        settings={
            "repeats": repeats,
            "seed": setting.seed,
            "peers": setting.peers,
            "profile": setting.profile,
            "workers": setting.workers,
            "only": list(only),
            "environments": environments,
        },
        cases=results,
    )


def _prefixed(tell: Tell, suite: str, text: str) -> None:
    tell(f"{suite}: {text}")


def _environments(case: Case) -> dict[str, list[str]]:
    """Contender -> what is installed where it runs, of those that do not run where textmill does."""
    return {one.name: list(one.environment.requirements) for one in case.contenders if one.environment is not None}


def _wanted(case: Case, only: Sequence[str]) -> bool:
    return not only or any(part in case.name for part in only)


def told(result: CaseResult) -> str:
    """A case for people: its table and its targets."""
    measured = result.measured
    noise = f", against itself within {measured.noise():.1%}" if measured.again else ""
    head = f"{result.suite}: {measured.case} ({len(measured.rounds)} rounds{noise})"
    return "\n".join([head, case_table(measured), *verdict_lines(result.verdicts)])
