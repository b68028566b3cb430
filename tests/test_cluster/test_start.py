"""What processes of a run import, and when: a run that trains no model does not wait for scikit-learn."""

import subprocess
import sys

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
