"""Blocks that are too large for the workers, staged files that nobody wants, and what is recorded of both."""

import os
import pickle

import pytest

from cluster.driver import driving, finish
from cluster.errors import BlocksTooLargeError, WorkerLostError
from cluster.job import Kind
from cluster.jobs import Jobs
from cluster.progress import Silence
from cluster.sweep import sweep
from pipeline.config import parse_job
from pipeline.ingest.flow import prepare
from pipeline.train.config import TrainConfig
from storage.store import Store


@pytest.fixture
def store(tmp_path):
    (tmp_path / "a.csv").write_text("text\n" + "".join(f"line {n}\n" for n in range(50)))
    return Store.open(tmp_path / "store", create=True)


def job_of(store, block="64MB"):
    return parse_job(
        {
            "name": "x",
            "store": store.uri,
            "source": {"files": ["a.csv"], "root": str(store.layout.root.parent), "block": block},
            "dataset": {"name": "x"},
            "cluster": {"processes": False, "workers": 1},
        }
    )


def dying_above(limit, seen):
    """A `prepare` whose workers die under blocks larger than `limit`."""

    def called(job, *values, **named):
        seen.append(job.source.block)
        if job.source.block > limit:
            raise WorkerLostError("clean", 2_000_000_000, "killed")
        return prepare(job, *values, **named)

    return called


def attempt(store, folder, job):
    with driving(folder) as control:
        return finish(job, store, control, Silence(), allow_code=False)


def test_smaller_blocks_are_tried_and_remembered(store, monkeypatch):
    folder = Jobs(store).folder("run-1")
    folder.journal.append(Kind.SUBMITTED, name="x")
    seen = []
    monkeypatch.setattr("cluster.attempt.prepare", dying_above(16_000_000, seen))
    result = attempt(store, folder, job_of(store))
    assert seen == [64_000_000, 32_000_000, 16_000_000]
    assert result.ledger.kept == 50
    assert any("trying blocks of 16 MB" in note for note in folder.status().notes)


def test_one_clear_failure_names_blocks_and_memory_once_all_were_tried(store, monkeypatch):
    folder = Jobs(store).folder("run-1")
    folder.journal.append(Kind.SUBMITTED, name="x")
    seen = []
    monkeypatch.setattr("cluster.attempt.prepare", dying_above(0, seen))
    with pytest.raises(
        BlocksTooLargeError, match=r"2 GB of memory each.*block at 64, 32, 16, 8 MB.*\[cluster\] memory"
    ):
        attempt(store, folder, job_of(store))
    assert store.names() == []
    assert folder.status().state == "failed"
    assert "64, 32, 16, 8 MB" in folder.status().error
    # Whoever resumes it starts with what the last attempt came to.
    folder.journal.append(Kind.RESUMED)
    monkeypatch.setattr("cluster.attempt.prepare", dying_above(8_000_000, seen))
    attempt(store, folder, job_of(store))
    assert seen == [64_000_000, 32_000_000, 16_000_000, 8_000_000, 8_000_000]


def test_blocks_are_not_made_tiny(store, monkeypatch):
    folder = Jobs(store).folder("run-1")
    folder.journal.append(Kind.SUBMITTED, name="x")
    seen = []
    monkeypatch.setattr("cluster.attempt.prepare", dying_above(0, seen))
    with pytest.raises(BlocksTooLargeError):
        attempt(store, folder, job_of(store, block="1.5MB"))
    assert seen == [1_500_000]


def test_the_error_survives_pickling():
    error = BlocksTooLargeError("clean", 5, (2, 1), "x")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.blocks) == (BlocksTooLargeError, str(error), (2, 1))


def test_staged_files_go_once_nobody_works_with_them(store):
    jobs = Jobs(store)
    for run in ("old", "new", "running"):
        folder = jobs.folder(run)
        folder.journal.append(Kind.SUBMITTED, name="x")
        (store.staging(run) / "part").write_text("x")
    store.staging("nobody")
    for run in ("old", "running", "nobody"):
        for path in (store.layout.staging(run), store.layout.job(run) / "journal.jsonl"):
            if path.exists():
                os.utime(path, (0, 0))
    torn = [jobs.find(run).path / name for run in ("old", "running") for name in (".lease-1-2", ".heartbeat-3")]
    torn.append(store.cache("features", "key", "hashed") / "00000001.ab12.part")
    for path in torn:
        path.write_text("half")
        os.utime(path, (0, 0))
    with driving(jobs.find("running")) as control:
        assert sweep(jobs, older_than_hours=1, dry_run=True) == ("nobody", "old")
        assert len(list((store.layout.root / "_staging").iterdir())) == 4
        assert sweep(jobs, older_than_hours=1) == ("nobody", "old")
        assert sorted(path.name for path in (store.layout.root / "_staging").iterdir()) == ["new", "running"]
        # A job at work may be writing this moment.
        assert [path.exists() for path in torn] == [False, False, True, True, True]
        control.tell(Kind.STOPPED)
    sweep(jobs, older_than_hours=1)
    assert not any(path.exists() for path in torn)


def test_a_run_says_what_a_worker_needs_before_it_starts(store):
    heard = []

    class Hears(Silence):
        def note(self, message):
            heard.append(message)

    result = []
    for block in ("64MB", "900MB"):
        folder = Jobs(store).folder(f"run-{block}")
        folder.journal.append(Kind.SUBMITTED, name="x")
        job = job_of(store, block)
        job = job.model_copy(update={"cluster": job.cluster.model_copy(update={"memory": 4_000_000_000})})
        with driving(folder) as control:
            result.append(finish(job, store, control, Hears(), allow_code=False))
    assert [one.worker_memory_bytes for one in result] == [812_000_000, 7_500_000_000]
    told = [message for message in heard if "a worker needs" in message]
    assert told[0] == "a worker needs up to 0.81 GB of memory with blocks of 64 MB"
    assert "and may take 4 GB; blocks are halved where that is not enough" in told[1]


def test_a_run_says_what_training_needs_once_the_labels_are_known(store):
    rows = "".join(f"word{number % 60} of row {number},label{number % 200}\n" for number in range(600))
    (store.layout.root.parent / "a.csv").write_text("text,label\n" + rows)
    heard = []

    class Hears(Silence):
        def note(self, message):
            heard.append(message)

    job = job_of(store, "1MB")
    cluster = job.cluster.model_copy(update={"memory": 4_000_000_000})
    job = job.model_copy(update={"cluster": cluster, "train": TrainConfig(epochs=1)})
    folder = Jobs(store).folder("run-labels")
    folder.journal.append(Kind.SUBMITTED, name="x")
    with driving(folder) as control:
        result = finish(job, store, control, Hears(), allow_code=False)
    # The worker is a thread of this process, which other tests have filled: it is given much, and needs more.
    # 3 times 200 weights, as many squared gradients, and a clock, for 2^20 buckets, and the least of idle and texts.
    assert result.worker_memory_bytes > 3 * 4 * 402 * 2**20
    [told] = [message for message in heard if "with 200 labels" in message]
    assert f"a worker needs up to {result.worker_memory_bytes / 1e9:.2g} GB of memory, and may take 4 GB" in told
    assert "make bits in [features] or block_rows in [train] smaller" in told
