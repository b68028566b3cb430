"""Real processes: commits from several at once all land, and one that is killed leaves nothing half done."""

import os
import signal
import time

import pyarrow as pa
from child_processes import DEADLINE_S, process
from oracles_storage import rows_of, stage

from storage.store import Store

COMMITTER = """
import sys
import pyarrow as pa
from oracles_storage import stage
from storage.store import Store

store = Store.open(sys.argv[1])
name, first, count = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
print("ready", flush=True)
sys.stdin.readline()
for number in range(first, first + count):
    tables = [pa.table({"writer": [name] * 2, "n": [number] * 2}) for _ in range(2)]
    store.commit(stage(store, f"{name}-{number}", tables, mode="append"))
    print(number, flush=True)
"""


def begin(*started):
    for one in started:
        assert one.stdout.readline() == "ready\n"
    for one in started:
        one.stdin.write("go\n")
        one.stdin.flush()


def test_commits_of_four_processes_all_land(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    with (
        process(COMMITTER, store.uri, "a", 0, 10) as a,
        process(COMMITTER, store.uri, "b", 0, 10) as b,
        process(COMMITTER, store.uri, "c", 0, 10) as c,
        process(COMMITTER, store.uri, "d", 0, 10) as d,
    ):
        begin(a, b, c, d)
        seen = 0
        while any(one.poll() is None for one in (a, b, c, d)):
            # A reader meanwhile sees whole versions only, never an error, never fewer rows than before.
            rows = len(rows_of(store)) if store.names() else 0
            assert rows % 4 == 0
            assert rows >= seen
            seen = rows
        for one in (a, b, c, d):
            assert one.wait(timeout=DEADLINE_S) == 0
    rows = rows_of(store)
    landed = sorted((row["writer"], row["n"]) for row in rows)
    assert landed == sorted((name, number) for name in "abcd" for number in range(10) for _ in range(4))
    versions = store.versions("reviews")
    assert [version.rows for version in versions] == list(range(160, 0, -4))
    whole = store.commit(stage(store, "whole", [pa.Table.from_pylist(rows)]))
    assert whole.fingerprint == versions[0].fingerprint
    assert store.verify() == []


def test_a_killed_writer_leaves_the_last_version_whole(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    acknowledged = set()
    first = 0
    for turn in range(6):
        with process(COMMITTER, store.uri, "w", first, 1000) as writer:
            begin(writer)
            # Another instant each time: some lines, then a part of the next commit.
            for _ in range(turn % 3 + 1):
                acknowledged.add(int(writer.stdout.readline()))
            pause(0.004 * turn)
            os.killpg(writer.pid, signal.SIGKILL)
            acknowledged |= {int(line) for line in writer.stdout.read().split()}
        rows = rows_of(Store.open(store.uri))
        numbers = [row["n"] for row in rows]
        assert acknowledged <= set(numbers)
        assert all(numbers.count(number) == 4 for number in set(numbers))
        assert numbers == sorted(numbers)
        assert {problem.kind for problem in store.verify()} <= {"orphan"}
        # The run that was cut off is committed again: once, whether or not it had landed.
        first = max(acknowledged) + 1
        again = [pa.table({"writer": ["w"] * 2, "n": [first] * 2}) for _ in range(2)]
        store.commit(stage(store, f"w-{first}", again, mode="append"))
        acknowledged.add(first)
        first += 1
        assert [row["n"] for row in rows_of(store)].count(first - 1) == 4
    assert store.version("reviews").rows == 4 * len(acknowledged)
    store.vacuum("reviews", older_than_hours=0)
    assert store.verify() == []


def pause(seconds):
    """Spends a moment, to choose the instant of a kill; nothing is waited for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
