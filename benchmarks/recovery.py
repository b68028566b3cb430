"""Does a job that is killed anywhere give what it gives undisturbed? Kills with real processes, and counts.

    python -m benchmarks.recovery --rounds 2 --rows 20000 [--json FILE]

Each case waits until the job's journal says that a stage is over (or the commit has begun), then kills a victim with
SIGKILL. A driver that is gone is resumed by `textmill resume`. The claim: the same dataset fingerprint and the same
model SHA-256 as the undisturbed run, one version a job, at most one block a worker done twice, no process
left, and no file left aside after a vacuum.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.harness.scripted import begun, write_record
from benchmarks.harness.tables import markdown, verdict_lines
from benchmarks.harness.targets import Verdict, judged
from cluster.job import LOST, Kind
from cluster.jobs import JobFolder, Jobs
from cluster.lease import holder_of
from cluster.logs import log_lines
from storage.store import Store
from textmill.demo.corpus import write_corpus

DEADLINE_S = float(os.environ.get("TEXTMILL_BENCH_DEADLINE_S", "240"))
#: What the journal says last before the victim dies: a finished stage, or an event.
MOMENTS = (
    "opened", "look", "scan", "clean", "dedupe", "settle", "features", "weigh", "train", "evaluate", "commit_began"
)  # fmt: skip
#: Workers of each job.
WORKERS = 2
_ASIDE = re.compile(r"\.aside$|\.part(\.npy)?$|^\.(lease|heartbeat)-|^(model|point)-[0-9a-f]{16}|^tmp")
VICTIMS = ("worker", "workers", "nannies", "scheduler", "driver", "driver and scheduler", "everything")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one case gave.

    Attributes
    ----------
    fingerprint, sha256
        Of the dataset and the model.
    versions
        How many versions carry the job's id.
    attempts
        Drivers it took.
    seconds
        From the submission to the end.
    orphans
        Processes left when the job had ended.
    deaths
        Processes that were killed; a case with none was too quick for its murderer and proves nothing.
    recoveries
        How often the job took itself up again or was resumed.
    redone
        Blocks that were through and were worked out once more. What workers were at when they died comes on top: one
        block a thread, by construction.
    leftovers
        Files that only dead processes can have left, after a vacuum.
    """

    victim: str
    moment: str
    state: str
    fingerprint: str
    sha256: str
    versions: int
    attempts: int
    seconds: float
    orphans: int
    deaths: int
    recoveries: int
    redone: int
    leftovers: tuple[str, ...]


def textmill(*words: str, store: str | None = None, environment: dict[str, str] | None = None) -> str:
    """What the command printed.

    Raises
    ------
    subprocess.CalledProcessError
        If it failed.
    """
    place = ["--store", store] if store else []
    ended = subprocess.run(
        [sys.executable, "-m", "textmill", *words, *place],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
        env={**os.environ, **(environment or {})},
    )
    return ended.stdout.strip()


def awaited(look: Callable[[], Any], what: str) -> Any:
    """What `look` answers once it is true.

    Raises
    ------
    TimeoutError
        If it is not by the deadline.
    """
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.005)
    raise TimeoutError(what)


def victims_of(driver: psutil.Process, victim: str) -> list[psutil.Process]:
    """The processes to kill."""
    children = driver.children(recursive=True)
    names = {child: child.name() for child in children}
    scheduler = [child for child, name in names.items() if name == "scheduler"]
    nannies = [child for child, name in names.items() if name == "nanny"]
    workers = [child for child, name in names.items() if name.startswith("worker-")]
    return {
        "worker": workers[:1],
        "workers": workers,
        "nannies": [*nannies, *workers],
        "scheduler": scheduler,
        "driver": [driver],
        "driver and scheduler": [driver, *scheduler],
        "everything": [driver, *children],
    }[victim]


def happened(job: JobFolder, moment: str) -> bool:
    """Whether the journal says so, or that the job has ended."""
    events = job.journal.events()
    return any(moment in (event.kind, event.facts.get("stage")) for event in events) or job.journal.life().ended


def kill_at(job: JobFolder, victim: str, moment: str, delay_s: float = 0.0) -> tuple[list[psutil.Process], int]:
    """The driver and all its processes, once the victims among them are dead, and how many those were."""
    awaited(lambda: happened(job, moment), f"{moment} of {job.id}")
    time.sleep(delay_s)
    holder = holder_of(job.path)
    driver = holder.process() if holder else None
    if driver is None or job.journal.life().ended:
        return [], 0
    try:
        family = [driver, *driver.children(recursive=True)]
        doomed = victims_of(driver, victim)
    except psutil.NoSuchProcess:
        return [], 0
    deaths = 0
    for process in doomed:
        if alive([process]):
            process.kill()
            deaths += 1
    return family, deaths


def alive(family: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still do anything."""
    found = []
    for process in family:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def case(
    job_file: Path, store: Path, victim: str, moment: str, *, delay_s: float = 0.0, workers: int = WORKERS
) -> Figures:
    """The figures of one job with one death."""
    began = time.perf_counter()
    run = textmill("submit", str(job_file), "--workers", str(workers), store=str(store))
    job = Jobs(Store.open(store)).find(run)
    family, deaths = kill_at(job, victim, moment, delay_s)
    state = awaited(lambda: _rests(job), f"the end of {run}")
    if state == LOST:
        textmill("resume", run, store=str(store))
        state = awaited(lambda: _rests(job), f"the end of {run}")
    return figures(job, Store.open(store), victim, moment, family, deaths, time.perf_counter() - began)


def _rests(job: JobFolder) -> str:
    status = job.status()
    return status.state if status.ended or status.state == LOST else ""


def figures(
    job: JobFolder,
    store: Store,
    victim: str,
    moment: str,
    family: list[psutil.Process],
    deaths: int,
    seconds: float,
) -> Figures:
    """What became of a job."""
    status = job.status()
    record = store.run(job.id) if status.state == "succeeded" else {}
    dataset = record.get("dataset", {}).get("name", "tickets")
    deadline = time.monotonic() + 20
    while alive(family) and time.monotonic() < deadline:
        time.sleep(0.05)
    return Figures(
        victim=victim,
        moment=moment,
        state=status.state,
        fingerprint=record.get("dataset", {}).get("fingerprint", ""),
        sha256=(record.get("model") or {}).get("sha256", ""),
        versions=sum(version.run == job.id for version in store.versions(dataset)) if record else 0,
        attempts=status.attempt,
        seconds=round(seconds, 2),
        orphans=len(alive(family)),
        deaths=deaths,
        recoveries=sum(event.kind in (Kind.CLUSTER_LOST, Kind.RESUMED) for event in job.journal.events()),
        redone=redone(job),
        leftovers=leftovers(store, dataset),
    )


def redone(job: JobFolder) -> int:
    """Blocks that were through more than once, by what workers logged."""
    names = [line.facts["checkpoint"] for line in log_lines(job) if "checkpoint" in line.facts]
    return len(names) - len(set(names))


def leftovers(store: Store, dataset: str) -> tuple[str, ...]:
    """Files that nobody will go on with, once a vacuum has taken away what it knows of."""
    deadline = time.monotonic() + 20
    # A driver that has told its end still takes its staged files away.
    while any(store.layout.work.glob("_staging/*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    if dataset in store.names():
        textmill("vacuum", dataset, "--older-than", "0", store=store.uri)
    root = store.layout.work
    aside = [path for path in root.rglob("*") if _ASIDE.search(path.name) or "_staging" in path.parent.parts]
    return tuple(sorted(str(path.relative_to(root)) for path in aside))


def table(cases: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> str:
    """The figures by victim as a Markdown table."""
    rows = []
    for victim in dict.fromkeys(one["victim"] for one in cases):
        mine = [one for one in cases if one["victim"] == victim]
        seconds = sorted(one["seconds"] for one in mine)
        rows.append(
            (
                victim,
                len(mine),
                sum(one["deaths"] > 0 for one in mine),
                sum(_differs(one, wanted) for one in mine),
                sum(one["redone"] for one in mine),
                f"{seconds[0]:.1f}",
                f"{statistics.median(seconds):.1f}",
            )
        )
    return markdown(("victim", "cases", "struck", "other result", "blocks redone", "least s", "median s"), rows)


def _differs(one: Mapping[str, Any], wanted: Sequence[str]) -> bool:
    return (one["fingerprint"], one["sha256"]) != tuple(wanted) or one["versions"] != 1


def verdicts(cases: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> list[Verdict]:
    """What was promised of jobs that are killed, given fingerprint and SHA-256 of the undisturbed run."""
    redone = max((one["redone"] / WORKERS for one in cases), default=0.0)
    return [
        judged(f"jobs of {len(cases)} that a kill struck", _sum(one["deaths"] > 0 for one in cases), at_least=1),
        judged(
            "jobs with another result than undisturbed",
            _sum(_differs(one, wanted) for one in cases),
            at_most=0,
            issue=6,
        ),
        judged("most blocks a worker that a job did again", redone, at_most=1, issue=6),
        judged("processes left", _sum(one["orphans"] for one in cases), at_most=0, issue=6),
        judged("files left after a vacuum", _sum(len(one["leftovers"]) for one in cases), at_most=0, issue=6),
    ]


def _sum(counts: Iterable[int]) -> float:
    return float(sum(counts))


def main() -> int:
    """0 where every case gave what the undisturbed run gave."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--victims", nargs="*", choices=VICTIMS, default=VICTIMS)
    parser.add_argument("--moments", nargs="*", choices=MOMENTS, default=MOMENTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write all figures here too")
    given = parser.parse_args()
    facts, chance = begun("benchmarks.recovery"), random.Random(given.seed)
    with TemporaryDirectory(prefix="textmill-recovery-") as place:
        job_file = write_corpus(place, rows=given.rows).job
        textmill("run", str(job_file), store=f"{place}/calm")
        calm = Store.open(f"{place}/calm").runs()[0]
        wanted = (calm["dataset"]["fingerprint"], calm["model"]["sha256"])
        print(f"undisturbed: {calm['seconds']['total']:.1f} s, {wanted[0][:23]}, model {wanted[1][:16]}")
        rows = []
        for number in range(given.rounds):
            for victim in given.victims:
                for moment in given.moments:
                    store = Path(place) / "disturbed"
                    # Anywhere within the stage that comes next.
                    found = case(job_file, store, victim, moment, delay_s=chance.random() * 0.5)
                    rows.append({**asdict(found), "round": number})
                    kept = all(verdict.holds for verdict in verdicts(rows[-1:], wanted)[1:])
                    print(("ok  " if found.deaths else "none") if kept else "BAD ", json.dumps(rows[-1]), flush=True)
                    write_record(given.json, {**facts, "wanted": wanted, "cases": rows})
    judgement = verdicts(rows, wanted)
    print(table(rows, wanted))
    print("\n".join(verdict_lines(judgement)))
    return int(any(not verdict.holds for verdict in judgement))


if __name__ == "__main__":
    sys.exit(main())
