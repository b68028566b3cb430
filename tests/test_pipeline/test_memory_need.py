"""What a run says a worker needs covers training too: labels, buckets, lanes and long rows."""

import pytest

from pipeline.config import parse_job
from pipeline.ingest.memory_need import IDLE_BYTES, TRAIN_BYTES, known_worker_bytes, worker_bytes
from storage.versions import Version

SMALL = {"block": "1MB"}


def job_of(*, train=None, **others):
    given = {"name": "x", "source": {"files": "a.csv", **SMALL}, "dataset": {"name": "x"}, **others}
    return parse_job(given if train is None else {**given, "train": train})


def version_of(rows, size):
    facts = {"created_at": "", "run": "r", "mode": "replace", "message": None, "author": None, "ledger": {}}
    return Version(dataset="x", number=0, fingerprint="sha256:0", rows=rows, bytes=size, files=1, **facts)


def test_training_needs_more_than_an_idle_worker_that_trains():
    assert worker_bytes(job_of()) == IDLE_BYTES + 8_000_000
    # 16,384 texts of 1 kB eight times over, and 17 counts of 2^20 buckets.
    assert worker_bytes(job_of(train={})) == IDLE_BYTES + TRAIN_BYTES + 16_384 * 8_000 + 17 * 4 * 2**20


def test_the_stage_that_needs_more_decides():
    large = {"source": {"files": "a.csv", "block": "900MB"}}
    assert worker_bytes(job_of(train={}, **large)) == worker_bytes(job_of(**large))


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"features": {"bits": 20}}, {"features": {"bits": 22}}),
        ({"train": {"block_rows": 10_000}}, {"train": {"block_rows": 20_000}}),
        ({"train": {}}, {"train": {"lanes": 2}}),
        ({"train": {}}, {"train": {"solver": "lbfgs"}}),
        ({}, {"cluster": {"threads": 2}}),
        ({}, {"check": [{"column": "label", "one_of": [str(number) for number in range(50)]}]}),
        ({"features": {"bits": "auto", "memory": "100MB"}}, {"features": {"bits": "auto", "memory": "2GB"}}),
    ],
)
def test_what_makes_training_larger_is_counted(less, more):
    assert worker_bytes(job_of(**{"train": {}, **less})) < worker_bytes(job_of(**{"train": {}, **more}))


def test_a_check_of_another_column_says_nothing_of_labels():
    other = {"check": [{"column": "country", "one_of": [str(number) for number in range(50)]}]}
    assert worker_bytes(job_of(train={}, **other)) == worker_bytes(job_of(train={}))


def test_what_rows_turn_out_to_be_raises_the_need_and_never_lowers_it():
    job, told = job_of(train={}), worker_bytes(job_of(train={}))
    assert known_worker_bytes(job, version_of(1_000, 10_000), labels=2) == told
    assert known_worker_bytes(job, version_of(1_000, 10_000), labels=77) > told
    assert known_worker_bytes(job, version_of(1_000, 10_000_000), labels=2) > told
    assert known_worker_bytes(job_of(), version_of(1_000, 10_000_000), labels=77) == worker_bytes(job_of())
    assert known_worker_bytes(job, version_of(0, 0), labels=0) == told
