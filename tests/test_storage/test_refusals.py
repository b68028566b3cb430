"""A full disk and a store that may not be written, as the operating system really says them."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from oracles_storage import rows_of, stage

from storage.store import Store

HEAD = """
import os, resource, signal, sys
from pathlib import Path
import pyarrow as pa
from oracles_storage import rows_of, stage
from storage import errors
from storage.fingerprint import fingerprint_of
from storage.store import Store

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
table = pa.table({"text": [str(n) for n in range(5000)]})
fingerprint_of(table, ["text"])
store = Store.open(sys.argv[1])

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def refused(kind, work):
    try:
        work()
    except kind as error:
        print(type(error).__name__, str(error))
    else:
        print("no error")
"""

FULL_FOR_A_PART = """
limit(2000)
refused(errors.DiskFullError, lambda: stage(store, "full", [table]))
limit(-1)
print(sorted(path.name for path in store.staging("full").iterdir()))
"""

FULL_FOR_THE_LOG = """
request = stage(store, "full", [table])
limit(200)
refused(errors.DiskFullError, lambda: store.commit(request))
limit(-1)
print(store.version("reviews").number, len(rows_of(store)), [Path(p.path).is_file() for p in request.parts])
print(store.commit(request).rows)
"""

FULL_FOR_A_RECORD = """
limit(100)
refused(errors.DiskFullError, lambda: store.record_run("run", {"n": 1}))
limit(-1)
print(store.runs())
"""

READ_ONLY = """
if os.geteuid() == 0:
    os.setuid(65534)
print(len(rows_of(store)), store.version("reviews").number)
with store.sql("SELECT count(*) AS n FROM reviews") as result:
    print(result.read_all().to_pylist())
refused(errors.StoreNotWritableError, lambda: store.staging("run"))
refused(errors.StoreNotWritableError, lambda: store.rollback("reviews", 0))
refused(errors.StoreNotWritableError, lambda: store.record_run("run", {}))
refused(errors.StoreNotWritableError, lambda: Store.open(sys.argv[1] + "-new", create=True))
"""


@pytest.fixture
def store():
    with tempfile.TemporaryDirectory(prefix="textmill-refusals-") as folder:
        Path(folder).chmod(0o755)
        store = Store.open(Path(folder) / "store", create=True)
        for run in ("r0", "r1"):
            store.commit(stage(store, run, [pa.table({"text": ["a"]})]))
        yield store


def run(program, store):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", HEAD + program, store.uri],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_disk_that_is_full_for_a_part(store):
    told, left = run(FULL_FOR_A_PART, store)
    assert told.startswith("DiskFullError")
    assert "no room left" in told
    assert "Free some space" in told
    assert left == "[]"
    assert rows_of(store) == [{"text": "a"}]


def test_a_disk_that_is_full_for_the_log(store):
    told, state, after = run(FULL_FOR_THE_LOG, store)
    assert told.startswith("DiskFullError")
    assert state == "1 1 [True]"
    assert after == "5000"
    assert store.verify() == []


def test_a_disk_that_is_full_for_a_record(store):
    told, runs = run(FULL_FOR_A_RECORD, store)
    assert told.startswith("DiskFullError")
    assert runs == "[]"


def test_a_store_that_may_only_be_read(store):
    folder = Path(store.uri)
    for path in [folder, *folder.rglob("*"), folder.parent]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        rows, count, *told = run(READ_ONLY, store)
    finally:
        for path in [folder.parent, folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert rows == "1 1"
    assert count == "[{'n': 1}]"
    assert [line.split()[0] for line in told] == ["StoreNotWritableError"] * 4
    assert all("write permission" in line for line in told)
