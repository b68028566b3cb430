"""From weighted rows to the optimum of logistic regression, beside scikit-learn's `LogisticRegression`.

    textmill bench optimum --size 215MB --peers

215 MB are the whole corpus of `benchmarks.zipf_corpus`: 300,000 documents that train. Both get the same TF-IDF rows,
hashed and weighted before the clock starts: scikit-learn one matrix in memory, textmill its shards on disk. Where the
optimum lies is found before, by Newton's method with a gradient of 1e-10: both are measured against that.
"""

import sys
import time
from pathlib import Path
from typing import Any

import dask
import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from benchmarks.harness.command import run_suite
from benchmarks.harness.contender import OURS, Case, Contender, Setting, Suite
from benchmarks.harness.targets import at_most
from benchmarks.train import CORES, ROWS, lay_out, rows_of
from pipeline.execute import Execute
from pipeline.text.config import FeatureConfig
from pipeline.train.block_files import StoredCsr, open_block
from pipeline.train.config import TrainConfig
from pipeline.train.learn import learn
from pipeline.train.prepare import PreparedRows, prepare_rows
from storage.store import Store

CLAIM = (
    "On rows that stay on disk, lbfgs ends within a millionth of the loss and a thousandth of the weights of the "
    "optimum of scikit-learn's LogisticRegression."
)
PEER = "scikit-learn"
#: Relative distances from the optimum.
LOSS_OFF, WEIGHTS_OFF = "loss off", "weights off"
_TRAIN = TrainConfig.model_validate({"solver": "lbfgs", "split": {"column": "side", "test": "test"}})
#: Where scikit-learn's largest mean slope ends: the power of ten that takes it as near as textmill comes.
_PEER_TOLERANCE, _REFERENCE_TOLERANCE, _STEPS = 1e-7, 1e-10, 10_000
_REFERENCE = "optimum.npz"
_KEPT: dict[str, dict[str, int]] = {}


def _threads(count: int) -> Execute:
    def execute(stage: str, tasks: Any, *, sizes: Any = None) -> list[Any]:  # noqa: ARG001
        return list(dask.compute(*tasks, scheduler="threads", num_workers=count))

    return execute


def _prepared(folder: str, threads: int) -> PreparedRows:
    """The rows, weighted and mixed, found on disk where they were made before."""
    snapshot = Store.open(Path(folder) / "store").snapshot(ROWS)
    features = FeatureConfig(ngrams=(1, 1))
    return prepare_rows(snapshot, features, _TRAIN, Path(folder) / "cache", _threads(threads))


def _matrix(rows: PreparedRows) -> tuple[sparse.csr_matrix, npt.NDArray[np.int32]]:
    """All rows that train in memory, float64, and their labels."""
    parts = [StoredCsr.opened(shard.folder).astype(np.float64) for shard in rows.shards]
    return sparse.vstack(parts, "csr"), np.concatenate([open_block(s.folder).labels for s in rows.shards])


def _fitted(rows: PreparedRows, solver: str, tolerance: float) -> tuple[LogisticRegression, float, float]:
    """The model, and the wall and CPU seconds of fitting it."""
    matrix, labels = _matrix(rows)
    model = LogisticRegression(C=1 / _TRAIN.l2, solver=solver, tol=tolerance, max_iter=_STEPS)
    began, cpu = time.perf_counter(), time.process_time()
    model.fit(matrix, labels)
    return model, time.perf_counter() - began, time.process_time() - cpu


def _objective(rows: PreparedRows, weights: npt.NDArray[Any], intercept: float) -> float:
    matrix, labels = _matrix(rows)
    scores = matrix @ weights.astype(np.float64) + intercept
    losses = np.logaddexp(0.0, np.where(labels == 1, -scores, scores))
    return float(losses.sum() + _TRAIN.l2 / 2 * np.square(weights.astype(np.float64)).sum())


def find_optimum(folder: str, threads: int) -> None:
    """Nothing; the optimum lies in `folder`."""
    rows = _prepared(folder, threads)
    model, *_ = _fitted(rows, "newton-cg", _REFERENCE_TOLERANCE)
    weights, intercept = model.coef_[0], float(model.intercept_[0])
    objective = _objective(rows, weights, intercept)
    np.savez(Path(folder) / _REFERENCE, weights=weights, intercept=intercept, objective=objective)


def _measured(folder: str, rows: PreparedRows, weights: npt.NDArray[Any], intercept: float) -> dict[str, float]:
    """How far a solution is from the optimum."""
    _KEPT[folder] = {"rows": sum(shard.rows for shard in rows.shards), "features": len(weights)}
    with np.load(Path(folder) / _REFERENCE) as best:
        known = best["weights"]
        return {
            LOSS_OFF: _objective(rows, weights, intercept) / float(best["objective"]) - 1.0,
            WEIGHTS_OFF: float(np.linalg.norm(weights - known) / np.linalg.norm(known)),
        }


def ours(folder: str, threads: int, scratch: str, **_: Any) -> dict[str, float]:
    """Seconds from the shards to the weights, the first incremental epoch included, and how near they are."""
    rows = _prepared(folder, threads)
    began, cpu = time.perf_counter(), time.process_time()
    learned = learn(
        rows.shards, rows.blocks, rows.labels, rows.weighting, rows.counts, _TRAIN, Path(scratch), _threads(threads)
    )
    spent = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    return {**spent, **_measured(folder, rows, learned.weights[:, 0], float(learned.intercept[0]))}


def peer(folder: str, threads: int, **_: Any) -> dict[str, float]:
    """As `ours`, from a matrix in memory."""
    rows = _prepared(folder, threads)
    model, seconds, cpu_s = _fitted(rows, "lbfgs", _PEER_TOLERANCE)
    found = _measured(folder, rows, model.coef_[0], float(model.intercept_[0]))
    return {"seconds": seconds, "cpu_s": cpu_s, **found}


def learned_from(folder: str, **_: Any) -> dict[str, int]:
    """Rows and features that were learned from."""
    return _KEPT[folder]


def cases(setting: Setting) -> list[Case]:
    """The one case."""
    folder = lay_out(rows_of(setting), setting.scratch / "corpus")
    find_optimum(folder, CORES)
    contenders = [
        Contender(
            name=name,
            run=f"benchmarks.optimum:{run}",
            check="benchmarks.optimum:learned_from",
            arguments={"folder": folder, "threads": CORES},
        )
        for name, run in ((OURS, "ours"), (PEER, "peer"))
    ]
    return [
        Case(
            name="lbfgs to the optimum",
            contenders=contenders if setting.peers else contenders[:1],
            equal=("rows", "features"),
            work={"bytes": (Path(folder) / "train.vw").stat().st_size},
            targets=(at_most(LOSS_OFF, 1e-6, issue=5), at_most(WEIGHTS_OFF, 1e-3, issue=5)),
            cores=CORES,
        )
    ]


SUITE = Suite(name="optimum", claim=CLAIM, cases=cases)


if __name__ == "__main__":
    sys.exit(run_suite(SUITE))
