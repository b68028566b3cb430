"""A store whose writers are killed at random instants: what was acknowledged is there, what is there is whole.

Claim: however often a process dies amid commits, deletions, upserts, compactions and vacuums, the store
opens, the last acknowledged version has the rows that its fingerprint says, nothing but orphans is found, and a vacuum
removes those.

    python -m benchmarks.kills --rounds 200 [--json FILE]
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa

from benchmarks.harness.scripted import begun, write_record
from benchmarks.harness.targets import Verdict, judged
from storage.arranging.plan import Arrangement
from storage.fingerprint import fingerprint_of
from storage.parquet import write_part
from storage.problems import ORPHAN
from storage.scan import iter_rows
from storage.store import Store
from storage.versions import APPEND, CommitRequest, Version

_NAME = "rows"
_DEADLINE_S = 60.0


def append_rows(store: Store, run: str, rng: random.Random) -> Version:
    """The version with some more rows, in one to three files."""
    folder = store.staging(run)
    rows = 5 * rng.randint(1, 3)
    table = pa.table({"n": [rng.randrange(1000) for _ in range(rows)], "run": [run] * rows})
    parts = [write_part(table.slice(at, 5), folder / f"{at}.parquet") for at in range(0, rows, 5)]
    request = CommitRequest(
        dataset=_NAME,
        mode=APPEND,
        parts=tuple(parts),
        schema=table.schema,
        fingerprint=fingerprint_of(table, table.column_names),
        run=run,
    )
    version = store.commit(request)
    store.drop_staging(run)
    return version


def work(uri: str, seed: int) -> None:
    """Never ends: one operation after the other, each told on stdout once it is done."""
    rng = random.Random(seed)
    store = Store.open(uri)
    for turn in range(1_000_000):
        told = rng.choices(["append", "delete", "upsert", "compact", "sort", "vacuum"], [6, 2, 2, 2, 1, 2])[0]
        print(json.dumps({"begun": told}), flush=True)
        if told == "append":
            append_rows(store, f"run-{seed}-{turn}", rng)
        elif told == "delete":
            store.delete(_NAME, f"n % 10 = {rng.randrange(10)}")
        elif told == "upsert":
            rows = pa.table({"n": rng.sample(range(1000), 20), "run": [f"upsert-{seed}-{turn}"] * 20})
            store.upsert(_NAME, rows.to_batches(), rows.schema, ["n"])
        elif told == "vacuum":
            store.vacuum(_NAME, older_than_hours=0)
        else:
            store.compact(_NAME, Arrangement(sort=("n",)) if told == "sort" else Arrangement())
        newest = store.version(_NAME)
        print(json.dumps({"done": told, "number": newest.number, "fingerprint": newest.fingerprint}), flush=True)


def one_round(uri: str, seed: int, rng: random.Random) -> tuple[str, int]:
    """What the killed process was at, and the number of the last version that it acknowledged (-1 for none)."""
    command = [sys.executable, "-m", "benchmarks.kills", "--work", uri, "--seed", str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        # Every other one has warmed up: on a busy machine the first operation lasts longer than all that follow.
        while seed % 2 and lines[-1] and "done" not in lines[-1]:
            lines.append(process.stdout.readline())
        end = time.monotonic() + rng.uniform(0.0, 1.5)
        while time.monotonic() < end:
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        lines += process.stdout.read().splitlines()
        process.wait(_DEADLINE_S)
    told = [json.loads(line) for line in lines if line.strip().endswith("}")]
    acknowledged = [line for line in told if "done" in line]
    check(uri, acknowledged[-1] if acknowledged else None)
    return str(told[-1].get("begun", "between")), acknowledged[-1]["number"] if acknowledged else -1


def check(uri: str, acknowledged: dict[str, object] | None) -> None:
    """Nothing where the store is as it must be.

    Raises
    ------
    AssertionError
        If it is not.
    """
    store = Store.open(uri)
    newest = store.version(_NAME)
    snapshot = store.snapshot(_NAME)
    table = pa.Table.from_batches(list(iter_rows(snapshot)), schema=snapshot.schema)
    if fingerprint_of(table, table.column_names).digest(table.schema) != newest.fingerprint:
        raise AssertionError(f"version {newest.number} does not have the rows that its fingerprint says")
    if acknowledged is not None:
        found = store.version(_NAME, int(str(acknowledged["number"])))
        if found.fingerprint != acknowledged["fingerprint"] or newest.number < found.number:
            raise AssertionError(f"version {found.number} was acknowledged and is another now")
    damage = [problem for problem in store.verify() if problem.kind != ORPHAN]
    if damage:
        raise AssertionError(f"damage: {damage[0]}")


def rounds(uri: str, count: int, seed: int = 0) -> Counter[str]:
    """How often a process was killed at what; the store at `uri` is sound after each kill and clean at the end.

    Raises
    ------
    AssertionError
        If it is not.
    """
    rng = random.Random(seed)
    append_rows(Store.open(uri, create=True), f"first-{seed}", rng)
    killed = Counter(one_round(uri, seed * 1_000_000 + number, rng)[0] for number in range(count))
    store = Store.open(uri)
    store.vacuum(_NAME, older_than_hours=0)
    if problems := store.verify():
        raise AssertionError(f"left after a vacuum: {problems[0]}")
    return killed


def verdicts(rounds_survived: int) -> list[Verdict]:
    """Whether the store survived enough."""
    return [judged("kills after each of which the store was whole", float(rounds_survived), at_least=200, issue=4)]


def main() -> None:
    """Nothing; the counts are on stdout."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all figures here too")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work, given.seed)
    facts = begun("benchmarks.kills")
    with tempfile.TemporaryDirectory() as folder:
        uri = str(Path(folder) / "store")
        killed = dict(rounds(uri, given.rounds, given.seed).most_common())
        versions = len(Store.open(uri).versions(_NAME))
    print(f"{given.rounds} kills, {versions} versions, no damage; killed amid: {killed}")
    write_record(given.json, {**facts, "rounds": given.rounds, "versions": versions, "killed": killed})


if __name__ == "__main__":
    main()
