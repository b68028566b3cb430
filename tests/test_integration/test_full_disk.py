"""Every verb on a disk that is full, or mounted read-only: a clear error, nothing lost, and reading goes on."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

#: Runs in a mount name space of its own: argument 1 is an empty folder, argument 2 "full" or "read-only".
SCRIPT = """
import hashlib, json, os, subprocess, sys
from pathlib import Path
import pyarrow as pa
from click.testing import CliRunner
from oracles_storage import rows_of, stage
from storage.store import Store
from textmill.cli.main import cli

disk, trouble = Path(sys.argv[1]), sys.argv[2]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True)
store = Store.open(disk / "store", create=True)
for number in range(3):
    texts = [hashlib.sha256(f"{number}-{n}".encode()).hexdigest() * 8 for n in range(2000)]
    table = pa.table({"id": range(number * 2000, number * 2000 + 2000), "text": texts})
    store.commit(stage(store, f"r{number}", [table], mode="append" if number else "replace"))
    store.drop_staging(f"r{number}")
store.delete("reviews", "id = 1")
store.tag("reviews", 1, "gold")
store.export("reviews", disk / "carried")
(disk / "more.csv").write_text("id,text\\n5,changed\\n" + "".join(f"{n},{'x' * 99}\\n" for n in range(9000, 9900)))


def go(*words):
    return CliRunner().invoke(cli, [*map(str, words), "--store", store.uri])


def state():
    return {at: (version.fingerprint, rows_of(Store.open(store.uri), "reviews", at) != [])
            for at, version in ((one.number, one) for one in Store.open(store.uri).versions("reviews"))}


def fill():
    with open(disk / "filler", "wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                pass


go("profile", "reviews")  # numbers are compiled before the disk is full
before, answers = state(), {}
VERBS = {
    "commit": None,
    "delete": ["delete", "reviews", "--where", "id % 2 = 0"],
    "upsert": ["upsert", "reviews", disk / "more.csv", "--key", "id"],
    "columns": ["columns", "reviews", "--rename", "text=review"],
    "compact": ["compact", "reviews", "--sort", "text"],
    "automatic": ["compact", "reviews", "--automatic", "on"],
    "copy": ["copy", "reviews", "trial"],
    "rollback": ["rollback", "reviews", 1],
    "tag": ["tag", "reviews", 0, "first"],
    "import": ["import", disk / "carried", "--name", "back"],
    "export": ["export", "reviews", "--output", disk / "out"],
    "export to another disk": ["export", "reviews", "--output", disk.parent / "out"],
    "query to a file": ["query", "SELECT * FROM reviews", "--output", disk / "rows.csv"],
    "profile page": ["profile", "reviews", "--output", disk / "page.html"],
    "vacuum": ["vacuum", "reviews", "--older-than", 0],
    "query": ["query", "SELECT count(*) FROM reviews WHERE id > 9", "--limit", 1],
    "profile": ["profile", "reviews"],
    "verify": ["verify"],
}
if trouble == "full":
    del VERBS["export to another disk"]
for verb, words in VERBS.items():
    if words is None:
        request = stage(store, "late", [pa.table({"id": [7], "text": ["late"]})], mode="append")
    fill() if trouble == "full" else subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    if words is None:
        try:
            answers[verb] = (0, str(store.commit(request)))
        except Exception as error:
            answers[verb] = (1, f"{type(error).__name__}: {error}")
    else:
        told = go(*words)
        raised = told.exception if not isinstance(told.exception, SystemExit) else None
        answers[verb] = (told.exit_code, told.stderr + (f"TRACEBACK {raised!r}" if raised else ""))
    if trouble == "full":
        (disk / "filler").unlink()
    else:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    damage = [str(one) for one in Store.open(store.uri).verify() if one.kind != "orphan"]
    left = sorted(path.name for path in (Path(store.uri) / "_staging").glob("*") if path.name != "late")
    left += [name for name in ("out", "rows.csv", "page.html") if (disk / name).exists()]
    now = state()
    answers[verb] += ({"damage": damage, "left": left, "same": now == before},)
    before = now
json.dump(answers, sys.stdout)
"""


#: How a store is after each verb, whether it could do its work or not.
SOUND = {"damage": [], "left": [], "same": True}


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_every_verb(trouble, tmp_path):
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a file system can be mounted by root alone")
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "disk").mkdir()
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, tmp_path / "script.py", tmp_path / "disk", trouble],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [Path(__file__).parents[1], *sys.path]))},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    reading = {"query", "profile", "verify"} | ({"export to another disk"} if trouble == "read-only" else set())
    for verb, (status, told, after) in answers.items():
        assert "TRACEBACK" not in told, (verb, told)
        assert (status, after) == (verb not in reading, SOUND), (verb, told)
        if status:
            told = told.partition(": ")[2]
            assert told.startswith(str(tmp_path / "disk")), (verb, told)
            assert ("No space left" if trouble == "full" else "Read-only file system") in told, (verb, told)
