"""What goes wrong is told once, clearly, with what to do; the exit status is right and the store is as it was."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import textmill, without_privileges, write_job

JOB = """
name = "job"
store = "store"
[source]
files = ["raw/*.csv"]
columns = { text = "text", label = "label" }
[dataset]
name = "rows"
[train]
epochs = 1
[features]
bits = 12
[cluster]
workers = 1
processes = false
"""


@pytest.fixture
def folder(tmp_path):
    """A job that works, run once, so that there is a store to be left alone."""
    (tmp_path / "raw").mkdir()
    rows = [f"message number {n} about {'bills' if n % 2 else 'hours'},{'ab'[n % 2]}\n" for n in range(60)]
    (tmp_path / "raw" / "a.csv").write_text("text,label\n" + "".join(rows))
    write_job(tmp_path, JOB)
    return tmp_path


@pytest.fixture
def with_store(folder):
    answer = textmill("run", "job.toml", "--json", folder=folder)
    assert answer.status == 0, answer.err
    return folder


def state_of(store: Path) -> dict[str, str]:
    """Every file of the store that holds data or says what is data, with its hash."""
    ignored = ("_locks", "_staging", "_cache")
    return {
        str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file() and path.relative_to(store).parts[0] not in ignored
    }


def fails(folder: Path, status: int, *words: str, arguments: tuple[str, ...] = (), prefix: tuple[str, ...] = ()):
    """The run fails with this status and one message that holds all `words`; the store is as it was."""
    store = folder / "store"
    before = state_of(store) if store.exists() else None
    answer = textmill("run", "job.toml", *arguments, folder=folder, prefix=prefix)
    assert answer.status == status, (answer.status, answer.err)
    assert "Traceback" not in answer.err
    for word in words:
        assert word.lower() in answer.err.lower(), (word, answer.err)
    assert answer.out == ""
    after = state_of(store) if store.exists() else None
    assert after == before
    if store.exists():
        assert not list((store / "_staging").glob("*"))
    return answer


def test_a_missing_file(with_store):
    write_job(with_store, JOB.replace("raw/*.csv", "raw/none-*.csv"))
    fails(with_store, 1, "none-*.csv")


def test_a_failed_first_run_leaves_no_store_behind(folder):
    write_job(folder, JOB.replace("raw/*.csv", "raw/none-*.csv"))
    fails(folder, 1, "none-*.csv")
    assert not (folder / "store").exists()


def test_a_file_that_may_not_be_read(with_store):
    (with_store / "raw" / "a.csv").chmod(0)
    fails(with_store, 1, "a.csv", "ermission", prefix=without_privileges())


def test_an_unknown_column(with_store):
    write_job(with_store, JOB.replace('text = "text"', 'text = "txet"'))
    fails(with_store, 2, "txet", 'did you mean "text"?')


def test_a_typo_in_the_job_file_and_all_others_at_once(with_store):
    write_job(with_store, JOB.replace("epochs = 1", 'epochs = "many"\nsolvr = "lbfgs"'))
    fails(with_store, 2, "train.epochs", "solvr", 'Did you mean "solver"?')


def test_no_job_file(with_store):
    (with_store / "job.toml").unlink()
    fails(with_store, 2, "job.toml", "no such file")


def test_a_label_column_with_one_class(with_store):
    (with_store / "raw" / "a.csv").write_text("text,label\n" + "".join(f"text {n},a\n" for n in range(50)))
    fails(with_store, 1, 'column "label" holds 1 class', "'a'", "nothing was committed")


def test_no_usable_rows(with_store):
    (with_store / "raw" / "a.csv").write_text("text,label\n" + " ,a\n" * 5 + "short\n")
    fails(with_store, 1, "no usable rows", "empty_text 5", "short_row 1")


def test_an_empty_file(with_store):
    (with_store / "raw" / "a.csv").write_text("")
    fails(with_store, 1, "no usable rows", "no records")


def test_a_store_that_may_not_be_written(with_store):
    for path in [with_store / "store", *(with_store / "store").rglob("*")]:
        if path.is_dir():
            path.chmod(0o555)
    try:
        fails(with_store, 1, "store", "rit", prefix=without_privileges())
    finally:
        for path in [with_store / "store", *(with_store / "store").rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)


def test_a_folder_that_is_no_store(folder):
    (folder / "store").mkdir()
    (folder / "store" / "thesis.txt").write_text("mine")
    fails(folder, 2, "store")
    assert (folder / "store" / "thesis.txt").read_text() == "mine"


def test_a_full_disk(tmp_path):
    """A real one: a small file system of its own, made in a name space of its own."""
    script = tmp_path / "full.sh"
    (tmp_path / "raw").mkdir()
    rows = [f"{hashlib.sha256(str(n).encode()).hexdigest() * 4},{'ab'[n % 2]}\n" for n in range(40_000)]
    (tmp_path / "raw" / "a.csv").write_text("text,label\n" + "".join(rows))
    write_job(tmp_path, JOB.replace('store = "store"', 'store = "disk/store"'))
    (tmp_path / "disk").mkdir()
    script.write_text(
        f"set -e\nmount -t tmpfs -o size=3m tmpfs {tmp_path}/disk\n"
        f"status=0; {sys.executable} -m textmill run job.toml || status=$?\n"
        f"ls {tmp_path}/disk/store 2>/dev/null | sed 's/^/left: /'\nexit $status\n"
    )
    if os.geteuid() != 0:
        pytest.skip("a file system can be mounted by root alone")
    done = subprocess.run(
        ["unshare", "--mount", "bash", script], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert "full" in done.stderr or "No space left" in done.stderr
    assert "left: rows" not in done.stdout
