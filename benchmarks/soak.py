"""Everything at once for an hour: jobs, kills, queries, vacuums on one store, with the promises checked all along.

    python -m benchmarks.soak [--minutes 60] [--rows 5000] [--json FILE] [--keep FOLDER]

Side by side: jobs that are submitted one after the other, whose driver, scheduler or workers are killed at random
moments and which are resumed; a process that appends, deletes and compacts, killed at random moments; readers that ask
for pinned versions; and vacuums that leave nothing which nobody needs. Checked: a job gives the same fingerprint, model
and ledger as undisturbed, in one version; a version that was acknowledged stays as it is or is vacuumed; a pinned query
answers the same each time; a tagged version survives; the store verifies; no process is left. Exit status 1 otherwise.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa

from benchmarks.harness.scripted import begun, write_record
from benchmarks.harness.targets import Verdict, judged
from benchmarks.kills import append_rows
from benchmarks.recovery import alive, awaited, kill_at, textmill
from cluster.job import LOST
from cluster.jobs import JobFolder, Jobs
from storage.errors import StoreError, VersionVacuumedError
from storage.fingerprint import fingerprint_of
from storage.problems import ORPHAN
from storage.scan import iter_rows
from storage.store import Store
from textmill.demo.corpus import write_corpus

_MOMENTS = ("opened", "look", "scan", "clean", "dedupe", "settle", "features", "train", "commit_began")
_VICTIMS = ("worker", "workers", "scheduler", "driver", "driver and scheduler", "everything")
_TICKETS, _ROWS = "tickets", "rows"
_DEADLINE_S = 120.0


@dataclass(slots=True)
class Diary:
    """What was done how often, and every promise that was not kept."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str, times: int = 1) -> None:
        """Nothing; it was done so many times more."""
        with self.lock:
            self.counts[what] += times

    def require(self, kept: bool, promise: str) -> None:
        """Nothing; a promise that was not kept is remembered and told at once."""
        if not kept:
            with self.lock:
                self.broken.append(promise)
            print(f"BROKEN: {promise}", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """One soak: the store, the job and what it gives undisturbed."""

    store: Path
    job: Path
    wanted: tuple[str, str, dict[str, Any]]
    diary: Diary
    until: float

    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.until


def submitted_jobs(soak: Soak, rng: random.Random) -> None:
    """Nothing; jobs were submitted, disturbed and checked until the time was up."""
    while not soak.over():
        run = textmill("submit", str(soak.job), "--workers", str(rng.randint(1, 2)), store=str(soak.store))
        job = Jobs(Store.open(soak.store)).find(run)
        soak.diary.count("jobs")
        family: list[psutil.Process] = []
        if rng.random() < 0.8:
            victim = rng.choice(_VICTIMS)
            family, deaths = kill_at(job, victim, rng.choice(_MOMENTS), rng.random())
            soak.diary.count(f"killed: {victim}", int(deaths > 0))
        state = awaited(partial(_rests, job), f"the end of {run}")
        if state == LOST:
            textmill("resume", run, store=str(soak.store))
            soak.diary.count("jobs resumed")
            state = awaited(partial(_rests, job), f"the end of {run}")
        _check_job(soak, run, state)
        _await_end(soak, run, family)


def _rests(job: JobFolder) -> str:
    status = job.status()
    return status.state if status.ended or status.state == LOST else ""


def _check_job(soak: Soak, run: str, state: str) -> None:
    if state != "succeeded":
        error = Jobs(Store.open(soak.store)).find(run).status().error
        return soak.diary.require(False, f"job {run} ended as {state}: {error}")
    store = Store.open(soak.store)
    found = _told(store.run(run))
    soak.diary.require(found == soak.wanted, f"job {run} gave {found}, undisturbed {soak.wanted}")
    same = [version.number for version in store.versions(_TICKETS) if version.run == run]
    soak.diary.require(len(same) == 1, f"job {run} made the versions {same}")
    return soak.diary.count("jobs with the same bytes", int(found == soak.wanted))


def _told(record: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    return record["dataset"]["fingerprint"], record["model"]["sha256"], dict(record["ledger"])


def _await_end(soak: Soak, run: str, family: list[psutil.Process]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while alive(family) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = [process.pid for process in alive(family)]
    soak.diary.require(not left, f"job {run} left the processes {left}")


def killed_writers(soak: Soak, rng: random.Random) -> None:
    """Nothing; processes that change a dataset were killed at random, and what they acknowledged was looked up."""
    while not soak.over():
        command = [
            sys.executable,
            "-m",
            "benchmarks.kills",
            "--work",
            str(soak.store),
            "--seed",
            str(rng.randrange(2**31)),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            time.sleep(rng.uniform(0.0, 3.0))
            os.killpg(process.pid, signal.SIGKILL)
            lines += process.stdout.read().splitlines()
        told = [json.loads(line) for line in lines if line.strip().endswith("}")]
        done = [line for line in told if "done" in line]
        soak.diary.count("writers killed")
        soak.diary.count("changes acknowledged", len(done))
        if done:
            _check_acknowledged(soak, done[-1])


def _check_acknowledged(soak: Soak, last: dict[str, Any]) -> None:
    version = Store.open(soak.store).version(_ROWS, int(last["number"]))
    soak.diary.require(
        version.fingerprint == last["fingerprint"],
        f"version {version.number} was acknowledged as {last['fingerprint']}",
    )


def readers(soak: Soak, rng: random.Random) -> None:
    """Nothing; versions were read, each time with the same answer, until the time was up."""
    answers: dict[tuple[str, int], int] = {}
    while not soak.over():
        store = Store.open(soak.store)
        name = rng.choice([one for one in store.names() if one in (_TICKETS, _ROWS)])
        version = rng.choice(store.versions(name)[:5])
        try:
            with store.sql(f"SELECT count(*) AS n FROM {name}", at={name: version.number}) as result:
                count = int(result.read_all()["n"][0].as_py())
            _check_rows(soak, store, name, version.number)
        except VersionVacuumedError:
            soak.diary.count("reads of vacuumed versions refused")
            continue
        soak.diary.count("reads")
        known = answers.setdefault((name, version.number), count)
        told = f"{name} version {version.number}: {count} rows read, {known} before, {version.rows} recorded"
        soak.diary.require(count == known == version.rows, told)


def _check_rows(soak: Soak, store: Store, name: str, number: int) -> None:
    """Nothing; the version's rows are those that its fingerprint says."""
    snapshot = store.snapshot(name, number)
    try:
        table = pa.Table.from_batches(list(iter_rows(snapshot)), schema=snapshot.schema)
    except (OSError, StoreError):
        # A vacuum may come between the list of files and their reading, and only then may they be missing.
        store.snapshot(name, number)
        raise
    content = [column for column in table.column_names if not column.startswith("_")]
    found = fingerprint_of(table.select(content), content).digest(table.select(content).schema)
    soak.diary.require(found == snapshot.version.fingerprint, f"{name} version {number} has not the rows it says")


def vacuums(soak: Soak, rng: random.Random) -> None:
    """Nothing; what nobody needs was removed again and again, and the store verified."""
    while not soak.over():
        store = Store.open(soak.store)
        for name in (_TICKETS, _ROWS):
            store.vacuum(name, older_than_hours=0)
            soak.diary.count("vacuums")
        damage = [problem for problem in store.verify() if problem.kind != ORPHAN]
        soak.diary.count("verified")
        soak.diary.require(not damage, f"damage: {damage[:3]}")
        kept = store.version(_TICKETS, "kept")
        _check_rows(soak, store, _TICKETS, kept.number)
        time.sleep(rng.uniform(0.5, 5.0))


def _guarded(task: Callable[[Soak, random.Random], None], soak: Soak, seed: int) -> None:
    """Nothing; a task that fails has broken a promise, and goes on."""
    rng = random.Random(seed)
    while not soak.over():
        try:
            task(soak, rng)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is what is looked for
            said = getattr(error, "stderr", "") or ""
            soak.diary.require(False, f"{task.__name__}: {type(error).__name__}: {error} {str(said)[-500:]}")
            time.sleep(1.0)


def soaked(folder: Path, minutes: float, rows: int, seed: int) -> Diary:
    """What a soak of so many minutes saw, its store in `folder`."""
    job = write_corpus(folder, rows=rows).job
    textmill("run", str(job), "--workers", "1", store=str(folder / "store"))
    store = Store.open(folder / "store")
    store.tag(_TICKETS, store.version(_TICKETS).number, "kept")
    append_rows(store, "first", random.Random(seed))
    soak = Soak(
        store=folder / "store",
        job=job,
        wanted=_told(store.runs()[0]),
        diary=Diary(),
        until=time.monotonic() + minutes * 60,
    )
    tasks = [submitted_jobs, killed_writers, readers, vacuums]
    threads = [threading.Thread(target=_guarded, args=(task, soak, seed + number)) for number, task in enumerate(tasks)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(min(60.0, max(1.0, soak.until - time.monotonic())))
        print(json.dumps(dict(soak.diary.counts)), file=sys.stderr, flush=True)
    for name in (_TICKETS, _ROWS):
        store.vacuum(name, older_than_hours=0)
    left = Store.open(folder / "store").verify()
    soak.diary.require(not left, f"left after the last vacuum: {left[:3]}")
    return soak.diary


def verdicts(broken: Sequence[str]) -> list[Verdict]:
    """Whether every promise was kept."""
    return [judged("promises broken", float(len(broken)), at_most=0, issue=7)]


def main() -> int:
    """0 where every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all figures here too")
    parser.add_argument("--keep", type=Path, help="a folder for the store, which stays")
    given = parser.parse_args()
    facts = begun("benchmarks.soak")
    with tempfile.TemporaryDirectory(prefix="textmill-soak-") as scratch:
        diary = soaked(given.keep or Path(scratch), given.minutes, given.rows, given.seed)
    facts |= {
        "minutes": given.minutes,
        "rows": given.rows,
        "counts": dict(sorted(diary.counts.items())),
        "broken": diary.broken,
    }
    print(json.dumps(facts, indent=1))
    write_record(given.json, facts)
    return int(bool(diary.broken))


if __name__ == "__main__":
    sys.exit(main())
