"""A driver killed at each step of its commit: one version, one model, the same bytes, nothing left over."""

import signal
import subprocess
import sys

import pytest

from cluster.job import Kind
from cluster.jobs import Jobs
from cluster.submission import Submission
from storage.store import Store
from textmill.demo.corpus import write_corpus

pytestmark = pytest.mark.xdist_group("jobs")
#: Calls that the driver makes on its way through the commit, in order; it dies right before or right after one.
STEPS = [
    ("cluster.outcome.Outcome.save", "before"),
    ("storage.commit.commit_files", "before"),
    ("storage.commit.commit_files", "after"),
    ("storage.registry.Models.put", "after"),
    ("storage.records.Records.record_run", "after"),
    ("cluster.detached.drop", "before"),
]
DRIVER = """
import os, signal, sys
from importlib import import_module
from storage.store import Store
import cluster.detached, cluster.attempt, storage.commit

store, run, step, when = sys.argv[1:5]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def dying(call):
    def called(*values, **named):
        if when == "before":
            die()
        answer = call(*values, **named)
        die()
        return answer
    return called

if step == "cluster.detached.drop":
    Store.drop_staging = dying(Store.drop_staging)
elif step:
    module, name = step.rsplit(".", 1)
    try:
        place = import_module(module)
    except ModuleNotFoundError:
        module, owner = module.rsplit(".", 1)
        place = getattr(import_module(module), owner)
    setattr(place, name, dying(getattr(place, name)))
sys.exit(cluster.detached.main([store, run]))
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"), rows=1500, parts=4)


def drive(store, run, step="", when=""):
    words = [sys.executable, "-c", DRIVER, store.uri, run, step, when]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120, start_new_session=True)
    return ended.returncode, ended.stderr


def submitted(store, corpus):
    job = Jobs(store).folder("run-1")
    Submission(
        name="tickets",
        text=corpus.job.read_text(encoding="utf-8"),
        origin=str(corpus.job),
        here=str(corpus.job.parent),
        store=store.uri,
        overrides=("cluster.processes=false", "cluster.workers=1"),
    ).save(job.path)
    job.journal.append(Kind.SUBMITTED, name="tickets")
    return job


@pytest.fixture(scope="module")
def calm(corpus, tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("calm") / "store", create=True)
    job = submitted(store, corpus)
    assert drive(store, job.id)[0] == 0
    record = store.run(job.id)
    return record["dataset"]["fingerprint"], record["model"]["sha256"], record["ledger"], record["metrics"]


@pytest.mark.parametrize(("step", "when"), STEPS, ids=[f"{when} {step}" for step, when in STEPS])
def test_a_driver_killed_in_its_commit_is_followed_by_one_that_finishes_it(step, when, corpus, calm, tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    job = submitted(store, corpus)
    status, said = drive(store, job.id, step, when)
    assert status == -signal.SIGKILL, said
    ended = job.status()
    assert ended.state == ("succeeded" if step == "cluster.detached.drop" else "lost")
    if ended.state == "lost":
        status, said = drive(store, job.id)
        assert status == 0, said
    record = store.run(job.id)
    found = (record["dataset"]["fingerprint"], record["model"]["sha256"], record["ledger"], record["metrics"])
    assert found == calm
    assert [version.run for version in store.versions("tickets")] == [job.id]
    assert [model["id"] for model in store.models()] == [job.id]
    assert len(store.runs()) == 1
    assert not store.verify()
    left = [path.name for path in (store.layout.root / "_staging").iterdir()]
    assert left == ([job.id] if step == "cluster.detached.drop" else [])


def test_work_that_was_kept_is_not_done_again(corpus, tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    job = submitted(store, corpus)
    drive(store, job.id, "cluster.outcome.Outcome.save", "before")
    staged = [path for name in ("rows-*.arrow", "part-*.parquet") for path in store.staging(job.id).glob(name)]
    kept = {path: path.stat().st_mtime_ns for path in staged}
    assert {path.suffix for path in kept} == {".arrow", ".parquet"}
    drive(store, job.id, "cluster.attempt.commit", "before")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_input_that_changed_meanwhile_is_read_anew(corpus, tmp_path):
    folder = write_corpus(tmp_path / "changing", rows=600, parts=2)
    store = Store.open(tmp_path / "store", create=True)
    job = submitted(store, folder)
    drive(store, job.id, "cluster.outcome.Outcome.save", "after")
    before = sorted(folder.job.parent.glob("raw/*"))
    write_corpus(tmp_path / "changing", rows=900, parts=2, seed=7)
    assert sorted(folder.job.parent.glob("raw/*")) == before
    status, said = drive(store, job.id)
    assert status == 0, said
    assert store.run(job.id)["ledger"]["read"] == 900
