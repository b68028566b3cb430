"""One model, bit for bit: on 1, 2 and 4 workers, threads and processes, in any order of tasks, and after a death."""

import os
import signal
from itertools import product

import dask
import numpy as np
import pyarrow as pa
import pytest
from oracles_text import snapshot_of

from cluster.execute import ClientExecute
from cluster.progress import Silence
from cluster.providers.open import provider_of
from cluster.providers.provider import Places
from cluster.session import Session
from pipeline.config import ClusterConfig
from pipeline.execute import run_here
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.epoch_steps import EstimatorAheadError, begun_again, require_rows
from pipeline.train.fit import fit_model
from pipeline.train.logistic import OnlineLogisticRegression

pytestmark = pytest.mark.xdist_group("model-bits")

SETTINGS = {"one": {}, "lanes": {"lanes": 3}, "lbfgs": {"solver": "lbfgs", "l2": 5.0}}
ROWS, BLOCK_ROWS = 600, 40


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(3)
    labels = random.choice(["bill", "slow", "thanks"], ROWS).tolist()
    words = [f"word{number}" for number in range(150)]
    texts = [" ".join([label * 2, *random.choice(words, 8)]) if n % 3 else " ".join(random.choice(words, 9))
             for n, label in enumerate(labels)]  # fmt: skip
    return pa.table({"text": texts, "label": labels})


def sha(table, folder, execute, files, **train):
    settings = TrainConfig.model_validate({"epochs": 2, "block_rows": BLOCK_ROWS, **train})
    snapshot = snapshot_of(table, folder / "store", files)
    return fit_model(snapshot, FeatureConfig(bits=12), settings, folder / "cache", execute, {}).model.sha256


@pytest.fixture(scope="module")
def plain(table, tmp_path_factory):
    return {name: sha(table, tmp_path_factory.mktemp(name), run_here, 1, **train) for name, train in SETTINGS.items()}


def backwards(execute):
    """Tasks handed over in the opposite order."""

    def run(stage, tasks, *, sizes=None):
        turned = None if sizes is None else list(reversed(sizes))
        return list(reversed(execute(stage, list(reversed(tasks)), sizes=turned)))

    return run


def running(config, folder):
    return Session(provider_of(config, Places(scratch=folder, logs=folder / "logs")))


def one_by_one(execute):
    """No task is handed over before the one that came before it is done; the last first."""

    def run(stage, tasks, *, sizes=None):
        return [execute(stage, [task])[0] for task in reversed(tasks)][::-1]

    return run


#: How tasks are handed over, and in how many files the rows lie.
SCHEDULES = {"as given": (lambda execute: execute, 1), "backwards": (backwards, 3), "one by one": (one_by_one, 7)}


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_threads_give_the_bits_of_the_plainest_run(workers, table, plain, tmp_path):
    def threads(stage, tasks, *, sizes=None):
        return list(dask.compute(*tasks, scheduler="threads", num_workers=workers))

    for name, (schedule, (turned, files)) in product(SETTINGS, SCHEDULES.items()):
        found = sha(table, tmp_path / f"{name}-{schedule}", turned(threads), files, **SETTINGS[name])
        assert found == plain[name], (name, schedule)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_processes_give_the_bits_of_the_plainest_run(workers, table, plain, tmp_path):
    with running(ClusterConfig(workers=workers, threads=1), tmp_path) as session:
        client = session.client
        execute = ClientExecute(client, Silence(), 120, 0)
        for (schedule, (turned, files)), name in zip(SCHEDULES.items(), ("one", "lanes", "one"), strict=True):
            found = sha(table, tmp_path / schedule, turned(execute), files, **SETTINGS[name])
            assert found == plain[name], (name, schedule)


class KillsOnce(Silence):
    """Kills a worker that has work as soon as so many shards of an epoch are learned."""

    def __init__(self, client, shards):
        self.client, self.shards, self.killed = client, shards, None

    def task_done(self, stage, done, tasks, done_bytes, done_rows):
        if stage == "train" and done == self.shards and self.killed is None:
            held = self.client.has_what()
            busiest = max(held, key=lambda worker: len(held[worker]))
            self.killed = self.client.run(os.getpid, workers=[busiest])[busiest]
            os.kill(self.killed, signal.SIGKILL)


@pytest.mark.parametrize("name", ["one", "lanes"])
def test_a_worker_killed_in_the_middle_of_an_epoch_changes_nothing(name, table, plain, tmp_path):
    with running(ClusterConfig(workers=2, threads=1), tmp_path) as session:
        client = session.client
        listener = KillsOnce(client, 4)
        found = sha(table, tmp_path / "fit", ClientExecute(client, listener, 120, 0), 2, **SETTINGS[name])
    assert listener.killed is not None
    assert found == plain[name]


def test_an_estimator_that_is_ahead_is_never_taught_twice():
    rows, labels = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    estimator = OnlineLogisticRegression().partial_fit(rows, labels, classes=[0, 1])
    require_rows(estimator, 4)
    attempts = []

    def learn(attempt):
        attempts.append(attempt)
        require_rows(estimator, 4 if attempt == 1 else 0)
        return estimator

    assert begun_again(learn) is estimator
    assert attempts == [0, 1]
    with pytest.raises(EstimatorAheadError, match="0 rows has learned 4"):
        begun_again(lambda _: require_rows(estimator, 0))
