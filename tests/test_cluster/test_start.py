"""What processes of a run import, and when: a run that trains no model does not wait for scikit-learn."""

import subprocess
import sys
from pathlib import Path

import pytest

from cluster.driver import run_job
from cluster.performance import Performance
from pipeline.config import load_job

DEADLINE_S = 240


def test_a_run_starts_without_what_only_training_needs():
    look = "import sys, textmill.cli.run; print(*sorted({'sklearn', 'dask_ml'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", look], capture_output=True, check=True, timeout=DEADLINE_S)
    assert ended.stdout.decode().split() == []


def test_a_driver_has_its_workers_on_their_way_before_it_loads_what_plans_and_compiles():
    heavy = {"numba", "pandas", "ftfy", "dask.dataframe", "pipeline.ingest.flow"}
    look = f"import sys, textmill.cli.run; print(*sorted({heavy} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", look], capture_output=True, check=True, timeout=DEADLINE_S)
    assert ended.stdout.decode().split() == []


def test_workers_that_learn_load_neither_scikit_learn_nor_dask_ml_nor_the_collections_of_dask():
    modules = ("epoch_steps", "lanes", "hashed", "shards", "evaluate", "explain", "full_batch")
    loaded = "".join(f"import pipeline.train.{module}\n" for module in modules)
    look = "import sys; print(*sorted({'sklearn', 'dask_ml', 'dask.array', 'dask.dataframe'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", loaded + look], capture_output=True, check=True, timeout=DEADLINE_S)
    assert ended.stdout.decode().split() == []


JOB = """
name = "small"
store = "store"
[source]
files = ["in.csv"]
[dataset]
name = "rows"
[dedupe]
exact = ["text"]
[features]
ngrams = [1, 1]
[train]
epochs = 2
lanes = {lanes}
solver = "{solver}"
validation = 0.2
[cluster]
workers = 1
"""
UNWANTED = ("sklearn", "dask_ml", "dask.array", "dask.dataframe")


def loaded_by_worker():
    return [name for name in UNWANTED if name in sys.modules]


@pytest.mark.parametrize(("lanes", "solver"), [(1, "incremental"), (2, "incremental"), (1, "lbfgs")])
def test_a_worker_that_has_done_all_of_a_run_has_loaded_what_it_needed(tmp_path, monkeypatch, lanes, solver):
    """Each library that a task's module mentions is loaded by every worker, in the time of the run."""
    rows = "\n".join(f"{label} word{number},{label}" for number in range(200) for label in ("late", "paid"))
    (tmp_path / "in.csv").write_text(f"text,label\n{rows}\n")
    (tmp_path / "job.toml").write_text(JOB.format(lanes=lanes, solver=solver))
    told = []
    closing = Performance.closing

    def look(self, client):
        told.append(client.run(loaded_by_worker))
        closing(self, client)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Performance, "closing", look)
    run_job(load_job(Path("job.toml")))
    assert [list(one.values()) for one in told] == [[[]]]
