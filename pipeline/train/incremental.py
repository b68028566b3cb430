"""Several passes of one estimator over shards, as one Dask graph made by dask-ml's `Incremental`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask_ml.wrappers import Incremental
from scipy import sparse

from pipeline.execute import Execute
from pipeline.train.block_files import StoredCsr, open_array
from pipeline.train.config import TrainConfig
from pipeline.train.logistic import OnlineLogisticRegression
from pipeline.train.order import shuffled
from pipeline.train.shards import Shard


def class_weights(counts: Sequence[int], train: TrainConfig) -> Mapping[int, float] | None:
    """The weight of each class by number, from its rows in the whole training set; None where all weigh the same."""
    if train.class_weight == "none":
        return None
    rows = sum(counts)
    return {number: rows / (len(counts) * count) for number, count in enumerate(counts)}


def new_estimator(counts: Sequence[int], train: TrainConfig) -> OnlineLogisticRegression:
    """The estimator of these settings, which has learned nothing yet.

    Parameters
    ----------
    counts
        Rows of each class that train.
    train
        The settings; their `l2` is for the sum over all rows, the estimator's is for each row.
    """
    return OnlineLogisticRegression(
        learning_rate=train.learning_rate,
        l2=train.l2 / sum(counts),
        class_weight=class_weights(counts, train),
        random_state=train.seed,
    )


def epoch_order(shards: Sequence[Shard], epochs: int, seed: int) -> list[Shard]:
    """The shards in the order they are learned, each once in each epoch."""
    return [shards[number] for epoch in range(epochs) for number in shuffled(len(shards), seed, epoch).tolist()]


def stacked(shards: Sequence[Shard], columns: int) -> tuple[da.Array, da.Array]:
    """Rows and labels of `shards`, one after the other: arrays of known chunk sizes, the rows' chunks SciPy CSR.

    Parameters
    ----------
    shards
        At least one; may repeat.
    columns
        Features.
    """
    rows = tuple(shard.rows for shard in shards)
    token = dask.base.tokenize([shard.folder for shard in shards])
    features = {(f"rows-{token}", at, 0): (StoredCsr.opened, shard.folder) for at, shard in enumerate(shards)}
    labels = {(f"labels-{token}", at): (_labels, shard.folder) for at, shard in enumerate(shards)}
    return (
        _array(f"rows-{token}", features, (rows, (columns,)), sparse.csr_matrix((0, 0), dtype=np.float32)),
        _array(f"labels-{token}", labels, (rows,), np.zeros(0, np.int32)),
    )


def learn(
    shards: Sequence[Shard], columns: int, counts: Sequence[int], train: TrainConfig, execute: Execute
) -> OnlineLogisticRegression:
    """The estimator after all epochs over `shards`.

    The graph is one chain, since each step needs the weights of the one before: the model goes from shard to shard,
    and opening a shard costs no memory, so that the passes take no more than one model and one shard.

    Parameters
    ----------
    shards
        At least one.
    columns
        Features.
    counts
        Rows of each class that train.
    train
        The settings.
    execute
        Runs the chain.
    """
    rows, labels = stacked(epoch_order(shards, train.epochs, train.seed), columns)
    learner = Incremental(new_estimator(counts, train), scoring="accuracy", shuffle_blocks=False)
    with _computed_by(execute, "train"):
        learner.fit(rows, labels, classes=np.arange(len(counts), dtype=np.int32))
    fitted: OnlineLogisticRegression = learner.estimator_
    return fitted


@contextmanager
def _computed_by(execute: Execute, stage: str) -> Iterator[None]:
    """While it lasts, Dask collections that compute themselves, as `Incremental` does, are handed to `execute`."""

    def schedule(graph: Any, keys: Sequence[Any], **_: Any) -> list[Any]:
        tasks = dict(graph.__dask_graph__())
        return execute(stage, [Delayed(key, tasks) for key in keys])

    with dask.config.set(scheduler=schedule):
        yield


def _array(name: str, tasks: Mapping[Any, Any], chunks: tuple[tuple[int, ...], ...], meta: Any) -> da.Array:
    return da.Array(HighLevelGraph.from_collections(name, tasks, []), name, chunks=chunks, meta=meta)


def _labels(folder: str) -> npt.NDArray[np.int32]:
    return open_array(Path(folder), "labels")
