"""``docs/benchmarks.md`` with its plots, made of recorded runs.

    textmill bench SUITE --peers --json > docs/benchmarks/runs/SUITE.json
    python -m benchmarks.scaling.suite --json docs/benchmarks/runs/scaling-plan.json
    python -m benchmarks.scaling.graph --json docs/benchmarks/runs/graph.json
    python -m benchmarks.soak --json docs/benchmarks/runs/soak.json
    python -m benchmarks.page

Whatever was recorded is shown, losses first. A test fails where page and recorded runs do not fit.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.contender import OURS
from benchmarks.harness.recorded import BenchRun, CaseResult, from_dict
from benchmarks.harness.tables import case_table, markdown
from benchmarks.plots import Bar, bars
from benchmarks.scaling.page import graph_section, plan_plot, plan_section

DOCS = Path(__file__).resolve().parents[1] / "docs"
_HEAD = "<!-- Made by `python -m benchmarks.page` from docs/benchmarks/runs; change those, not this page. -->\n"
_INTRO = """# Benchmarks

Everything here can be repeated with the command above each table. Contenders run in child processes, in turns, on the
same input; what they wrote is compared before any time counts, in every round. Times are medians with the least and
the most; "against itself" is how far two runs of textmill in one round lay apart, which is what this machine does by
chance. Peak memory is that of the whole process tree. Targets were set before anything was measured; those that were
missed come first.
"""


def pages(runs: Path) -> dict[str, str]:
    """File name below ``docs`` -> content, for all runs recorded in the folder."""
    recorded = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(runs.glob("*.json"))}
    suites = {
        name: from_dict({key: value for key, value in facts.items() if key != "changes"})
        for name, facts in recorded.items()
        if "cases" in facts and "started_at" in facts
    }
    files: dict[str, str] = {}
    parts = [_HEAD, _INTRO, *_targets(suites.values())]
    for name, run in suites.items():
        parts += _suite_section(name, run, files)
    if plan := recorded.get("scaling-plan"):
        parts += plan_section(plan)
        files["benchmarks/plan.svg"] = plan_plot(plan)
    if graph := recorded.get("graph"):
        parts += graph_section(graph)
    for name in sorted(recorded, reverse=True):
        if name.startswith("soak"):
            parts += _soak_section(name, recorded[name])
    return {"benchmarks.md": "\n".join(parts), **files}


def _targets(runs: Any) -> Iterator[str]:
    order = {"FALLS SHORT": 0, "NOT MEASURED": 1, "PASS": 2}
    found = [(verdict, case) for run in runs for case in run.cases for verdict in case.verdicts]
    rows = [
        (
            verdict.word,
            case.suite,
            case.measured.case,
            verdict.claim,
            verdict.wanted,
            "" if verdict.figure is None else f"{verdict.figure:.3g}",
        )
        for verdict, case in sorted(found, key=lambda one: order[one[0].word])
    ]
    if not rows:
        return
    yield "## Targets\n"
    yield markdown(("verdict", "suite", "case", "target", "wanted", "found"), rows) + "\n"


def _suite_section(name: str, run: BenchRun, files: dict[str, str]) -> Iterator[str]:
    yield f"## {name}\n"
    peers = " --peers" if run.settings.get("peers") else ""
    suites = " ".join(dict.fromkeys(case.suite for case in run.cases))
    size, repeats = f"{run.size_bytes / 1e6:g}MB", run.settings.get("repeats")
    yield f"    textmill bench {suites} --size {size} --repeats {repeats} --seed {run.settings.get('seed')}{peers}\n"
    yield machine_told(run.machine, run.started_at) + "\n"
    for case in run.cases:
        yield from _case_section(name, case, files)


def _case_section(name: str, case: CaseResult, files: dict[str, str]) -> Iterator[str]:
    measured = case.measured
    noise = f"; against itself within {measured.noise():.1%}" if measured.again else ""
    yield f"### {measured.case}\n"
    yield f"{len(measured.rounds)} rounds{noise}.\n"
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


def machine_told(machine: Mapping[str, Any], when: str = "") -> str:
    """The machine in a sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{when + ': ' if when else ''}{machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_bytes'] / 1e9:.0f} GB, load {machine['load']:g}, {machine['system']}, Python "
        f"{machine['python']}; {versions}."
    )


def _soak_section(name: str, facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"    python -m benchmarks.soak --minutes {facts['minutes']:g} --rows {facts['rows']}\n"
    yield machine_told(facts["machine"]) + "\n"
    yield markdown(("what", "times"), list(facts["counts"].items())) + "\n"
    broken = [*(f"- BROKEN: {promise}" for promise in facts["broken"])] or ["No promise was broken."]
    yield "\n".join(broken) + "\n"


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
