"""``docs/benchmarks.md`` with its plots, made of recorded runs.

    python -m benchmarks.record --only NAME     measure, and leave docs/benchmarks/runs/NAME.json
    python -m benchmarks.page                   the page anew, of all that is recorded

Whatever was recorded is shown, losses first. A test fails where page and recorded runs do not fit.
"""

import json
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.contender import OURS
from benchmarks.harness.machine import machine_told
from benchmarks.harness.recorded import BenchRun, CaseResult, from_dict
from benchmarks.harness.tables import case_table, markdown
from benchmarks.harness.targets import Verdict
from benchmarks.plots import Bar, bars
from benchmarks.scaling.page import plan_plot
from benchmarks.sections import KINDS, in_order, kind_of, section
from benchmarks.suites import MODULES, suite

DOCS = Path(__file__).resolve().parents[1] / "docs"
_HEAD = "<!-- Made by `python -m benchmarks.page` from docs/benchmarks/runs; change those, not this page. -->\n"
_INTRO = """# Benchmarks

Everything here can be repeated with the command above each table. Contenders run in child processes, in turns, on the
same input; what they wrote is compared before any time counts, in every round. Times are medians with the least and
the most; "against itself" is how far two runs of textmill in one round lay apart, which is what this machine does by
chance. Peak memory is that of the whole process tree. Targets were set before anything was measured, most of them by
the issue named; those that were missed come first. All is measured anew by `python -m benchmarks.record`.
"""


def pages(runs: Path) -> dict[str, str]:
    """File name below ``docs`` -> content, for all runs recorded in the folder."""
    recorded = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(runs.glob("*.json"))}
    suites = {
        name: from_dict({key: value for key, value in facts.items() if key != "changes"})
        for name, facts in recorded.items()
        if "settings" in facts
    }
    others = {name: recorded[name] for name in in_order([name for name in recorded if name not in suites])}
    files: dict[str, str] = {}
    parts = [_HEAD, _INTRO, *_targets(suites.values(), others)]
    for name, run in suites.items():
        parts += _suite_section(name, run, files)
    for name, facts in others.items():
        parts += section(name, facts)
        if "plan" in facts:
            files["benchmarks/plan.svg"] = plan_plot(facts)
    return {"benchmarks.md": "\n".join(parts), **files}


def _targets(runs: Iterable[BenchRun], others: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    order = {"FALLS SHORT": 0, "NOT MEASURED": 1, "PASS": 2}
    found = [
        (verdict, case.suite, case.measured.case) for run in runs for case in run.cases for verdict in case.verdicts
    ]
    found += [(verdict, name, "") for name, facts in others.items() for verdict in KINDS[kind_of(name)].verdicts(facts)]
    rows = [
        (*_told(verdict)[:1], suite, case, *_told(verdict)[1:])
        for verdict, suite, case in sorted(found, key=lambda one: order[one[0].word])
    ]
    if not rows:
        return
    yield "## Targets\n"
    yield markdown(("verdict", "of", "case", "target", "wanted", "found", "issue"), rows) + "\n"


def _told(verdict: Verdict) -> tuple[str, ...]:
    found = "" if verdict.figure is None else f"{verdict.figure:.3g}"
    return verdict.word, verdict.claim, verdict.wanted, found, "" if verdict.issue is None else str(verdict.issue)


def _suite_section(name: str, run: BenchRun, files: dict[str, str]) -> Iterator[str]:
    yield f"## {name}\n"
    suites = list(dict.fromkeys(case.suite for case in run.cases))
    yield from (f"{suite(one).claim}\n" for one in suites if one in MODULES)
    yield f"    {command_of(run, suites)}\n"
    yield machine_told(run.machine, run.started_at) + "\n"
    if environments := run.settings.get("environments"):
        told = (f"{peer}: {', '.join(pins)}" for peer, pins in environments.items())
        yield f"In environments of their own: {'; '.join(told)}.\n"
    for case in run.cases:
        yield from _case_section(name, case, files)


def command_of(run: BenchRun, suites: Sequence[str]) -> str:
    """The command that repeats a run."""
    settings = run.settings
    words = ["textmill", "bench", *suites, "--size", f"{run.size_bytes / 1e6:g}MB"]
    words += ["--repeats", str(settings.get("repeats")), "--seed", str(settings.get("seed"))]
    words += [word for part in settings.get("only") or () for word in ("--case", shlex.quote(part))]
    if (profile := settings.get("profile", "local")) != "local":
        words += ["--profile", profile]
    if workers := settings.get("workers"):
        words += ["--workers", str(workers)]
    return " ".join([*words, "--peers"] if settings.get("peers") else words)


def _case_section(name: str, case: CaseResult, files: dict[str, str]) -> Iterator[str]:
    measured = case.measured
    noise = f"; against itself within {measured.noise():.1%}" if measured.again else ""
    yield f"### {measured.case}\n"
    rounds = len(measured.rounds)
    yield f"{rounds} {'round' if rounds == 1 else 'rounds'}{noise}.\n"
    yield case_table(measured) + "\n"
    if len(measured.contenders) > 1:
        plot = re.sub(r"[^a-z0-9]+", "-", f"{name} {measured.case}".lower()).strip("-")
        files[f"benchmarks/{plot}.svg"] = _bars(case)
        yield f"![{measured.case}](benchmarks/{plot}.svg)\n"


def _bars(case: CaseResult) -> str:
    spreads = {name: case.measured.spread(name) for name in case.measured.contenders}
    found = [
        Bar(name=name, middle=one.median, least=one.least, most=one.most, ours=name == OURS)
        for name, one in sorted(spreads.items(), key=lambda pair: pair[1].median)
    ]
    return bars(f"{case.suite}: {case.measured.case}", "seconds, median of all rounds", found)


def write(docs: Path = DOCS) -> list[Path]:
    """The files that were not up to date, now written; plots that no page shows any more are removed."""
    made = pages(docs / "benchmarks" / "runs")
    for old in (docs / "benchmarks").glob("*.svg"):
        if f"benchmarks/{old.name}" not in made:
            old.unlink()
    written = []
    for name, content in made.items():
        path = docs / name
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            written.append(path)
    return written


def main(arguments: Sequence[str] | None = None) -> None:
    """Nothing; the page is up to date."""
    words = sys.argv[1:] if arguments is None else arguments
    for path in write(Path(words[0]) if words else DOCS):
        print(path)


if __name__ == "__main__":
    main()
