"""Hashing, learning in lanes, and the search for the optimum, each with two workers beside one.

    textmill bench scaling-train --size 800MB

Time is that of the stage alone, on a cluster that stands already: driver and workers have loaded the compiled code, and
workers have had a block of rows in memory, since the system takes as long to give them memory as they take for a tenth
of these rows. What starting costs is measured by the suite "scaling". Each worker is a process held to the machine's
cores by the system alone. The models must be the same bytes.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.command import run_suite
from benchmarks.harness.contender import OURS, Case, Contender, Setting, Suite
from benchmarks.harness.targets import faster_than
from benchmarks.train import ROWS, lay_out
from benchmarks.zipf_corpus import zipf_rows
from cluster.execute import ClientExecute
from cluster.progress import Silence
from cluster.providers.open import provider_of
from cluster.providers.provider import Places
from cluster.session import Session
from pipeline.config import ClusterConfig
from pipeline.execute import Execute, run_here
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.fit import FitResult, fit_model
from storage.store import Store

CLAIM = "Two workers hash, learn in lanes, and search for the optimum at least 1.8 times as fast as one."
ONE = "one worker"
#: What is done: the settings, and whether the time is that of hashing instead of learning.
WORK: Mapping[str, tuple[dict[str, Any], bool]] = {
    "hashing": ({"epochs": 1}, True),
    "eight lanes": ({"epochs": 3, "lanes": 8}, False),
    "lbfgs, 40 steps": ({"solver": "lbfgs", "iterations": 40}, False),
}
_TASK_S = 3600.0
#: Documents that train and test: of what is measured, for so many bytes, and of a block that is there before.
_ROW_BYTES, _TEST_SHARE = 651, 0.1
_SMALL = (20_000, 500)
_KEPT: dict[str, dict[str, str]] = {}


def run(folder: str, small: str, workers: int, what: str, scratch: str, **_: Any) -> dict[str, float]:
    """Seconds of the stage on so many workers."""
    settings, hashing = WORK[what]
    places = Places(scratch=Path(scratch) / "scratch", logs=Path(scratch) / "logs")
    with Session(provider_of(ClusterConfig(workers=workers), places)) as session:
        loaded(small, settings, scratch)
        for number, answer in enumerate(session.client.run(loaded, small, settings, scratch).values()):
            print(f"worker {number}: {answer}", flush=True)
        execute = ClientExecute(session, Silence(), _TASK_S, 0)
        fitted = _fit(folder, settings, Path(scratch) / "cache", execute)
    _KEPT[scratch] = {"sha256": fitted.model.sha256}
    return {"seconds": execute.seconds["features"] if hashing else fitted.seconds["train"]}


def loaded(small: str, settings: Mapping[str, Any], scratch: str) -> str:
    """The model of a few rows, made by a worker alone: what is compiled is in its memory afterwards."""
    # Workers of one machine must not take each other's rows for their own.
    place = Path(scratch) / "loaded" / str(os.getpid())
    return _fit(small, settings, place, run_here).model.sha256


def _fit(folder: str, settings: Mapping[str, Any], cache: Path, execute: Execute) -> FitResult:
    snapshot = Store.open(Path(folder) / "store").snapshot(ROWS)
    train = TrainConfig.model_validate({**settings, "split": {"column": "side", "test": "test"}})
    return fit_model(snapshot, FeatureConfig(ngrams=(1, 1)), train, cache, execute, {})


def outputs(scratch: str, **_: Any) -> dict[str, str]:
    """The model's bytes, as their SHA-256."""
    return _KEPT[scratch]


def cases(setting: Setting) -> list[Case]:
    """A case a kind of work."""
    rows = setting.size_bytes // _ROW_BYTES
    test_rows = int(rows * _TEST_SHARE)
    folder = lay_out(zipf_rows(rows - test_rows, test_rows), setting.scratch / "corpus")
    small = lay_out(zipf_rows(*_SMALL), setting.scratch / "small")
    size = (Path(folder) / "train.vw").stat().st_size
    return [_case(what, folder, small, size) for what in WORK]


def _case(what: str, folder: str, small: str, size: int) -> Case:
    contenders = [
        Contender(
            name=name,
            run="benchmarks.scaling.learning:run",
            check="benchmarks.scaling.learning:outputs",
            arguments={"folder": folder, "small": small, "workers": workers, "what": what},
        )
        for name, workers in ((OURS, 2), (ONE, 1))
    ]
    return Case(
        name=what,
        contenders=contenders,
        equal=("sha256",),
        work={"bytes": size},
        targets=(faster_than(ONE, 1.8, issue=5),),
    )


SUITE = Suite(name="scaling-train", claim=CLAIM, cases=cases)


if __name__ == "__main__":
    sys.exit(run_suite(SUITE))
