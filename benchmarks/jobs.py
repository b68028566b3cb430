"""What a job costs that is submitted and driven apart from the terminal, beside the same job run in front of it.

    python -m benchmarks.jobs --megabytes 20

Claims: `textmill submit` gives its id within two seconds, and the job takes at most a fifth longer than `textmill run`.
How jobs fare that are killed is measured by `benchmarks.recovery` and `benchmarks.soak`.
"""

import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.generate import write_csv
from benchmarks.harness.command import run_suite
from benchmarks.harness.contender import OURS, Case, Contender, Setting, Suite
from benchmarks.harness.targets import Target, at_most
from benchmarks.placing import place_of, words_of
from benchmarks.recovery import textmill
from storage.store import Store

_JOB = """
name = "jobs"
[source]
files = {files}
[dedupe]
exact = ["text"]
[dataset]
name = "rows"
"""
_SUBMIT_S, _TIMES = 2.0, 1.2


def submitted(files: list[str], scratch: str, place: dict[str, Any], **_: Any) -> dict[str, float]:
    """A job handed over and waited for; how long it took to be given its id."""
    job, store = _job(files, scratch)
    where = words_of(place)
    began = time.perf_counter()
    run = textmill("submit", str(job), *where, store=store)
    answered = time.perf_counter() - began
    textmill("wait", run, store=store)
    return {"submit_s": answered}


def run(files: list[str], scratch: str, place: dict[str, Any], **_: Any) -> None:
    """The same job run in front of the terminal."""
    job, store = _job(files, scratch)
    textmill("run", str(job), *words_of(place), store=store)


def _job(files: list[str], scratch: str) -> tuple[Path, str]:
    job = Path(scratch) / "job.toml"
    job.write_text(_JOB.format(files=files), encoding="utf-8")
    return job, str(Path(scratch) / "store")


def committed(scratch: str, **_: Any) -> dict[str, Any]:
    """What became of the rows."""
    version = Store.open(Path(scratch) / "store").version("rows")
    return {"fingerprint": version.fingerprint, "rows": version.rows}


def cases(setting: Setting) -> list[Case]:
    """The one case, its input generated."""
    files = write_csv(setting.scratch / "in", setting.size_bytes, 4, setting.seed)
    contenders = [
        Contender(
            name=name,
            run=f"benchmarks.jobs:{function}",
            check="benchmarks.jobs:committed",
            arguments={"files": [str(path) for path in files], **place_of(setting, 2)},
        )
        for name, function in ((OURS, "submitted"), ("run", "run"))
    ]
    slower = Target(
        claim="a submitted job's time over that of one run in front",
        figure=lambda measured: measured.ratio(OURS, "run").median,
        needs=("run",),
        at_most=_TIMES,
    )
    return [
        Case(
            name="submit and wait",
            contenders=contenders,
            equal=("fingerprint", "rows"),
            work={"bytes": float(sum(path.stat().st_size for path in files))},
            targets=[at_most("submit_s", _SUBMIT_S), slower],
        )
    ]


SUITE = Suite(
    name="jobs",
    claim="Submitting answers within 2 s, and costs at most a fifth more than running.",
    cases=cases,
    runs_jobs=True,
)

if __name__ == "__main__":
    sys.exit(run_suite(SUITE))
