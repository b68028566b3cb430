"""One epoch of one estimator over shards, as a Dask graph made by dask-ml's `Incremental`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask_ml.wrappers import Incremental
from scipy import sparse

from pipeline.execute import Execute
from pipeline.train.block_files import StoredCsr
from pipeline.train.checkpoints import saved_rows
from pipeline.train.config import TrainConfig
from pipeline.train.epoch_steps import begun, begun_again, in_steps, labels_of, learn_steps, told
from pipeline.train.learner import OnlineLearner
from pipeline.train.logistic import OnlineLogisticRegression
from pipeline.train.order import shuffled
from pipeline.train.shards import Shard


def class_weights(counts: Sequence[int], train: TrainConfig) -> Mapping[int, float] | None:
    """The weight of each class by number, from its rows in the whole training set; None where all weigh the same."""
    if train.class_weight == "none":
        return None
    rows = sum(counts)
    return {number: rows / (len(counts) * count) for number, count in enumerate(counts)}


def new_estimator(counts: Sequence[int], train: TrainConfig) -> OnlineLearner:
    """The estimator of these settings, which has learned nothing yet.

    Parameters
    ----------
    counts
        Rows of each class that train.
    train
        The settings; their `l2` and `l1` are for the sum over all rows, the estimator's are for each row.
    """
    return OnlineLearner(
        learning_rate=train.learning_rate,
        l2=train.l2 / sum(counts),
        l1=train.l1 / sum(counts),
        class_weight=class_weights(counts, train),
        random_state=train.seed,
    )


def epoch_order(shards: Sequence[Shard], epoch: int, seed: int) -> list[Shard]:
    """The shards in the order they are learned in one epoch, each once."""
    return [shards[number] for number in shuffled(len(shards), seed, epoch).tolist()]


def stacked(shards: Sequence[Shard], columns: int) -> tuple[da.Array, da.Array]:
    """Rows and labels of `shards`, one after the other: arrays of known chunk sizes, the rows' chunks SciPy CSR.

    Parameters
    ----------
    shards
        At least one.
    columns
        Features.
    """
    rows = tuple(shard.rows for shard in shards)
    token = dask.base.tokenize([shard.folder for shard in shards])
    features = {(f"rows-{token}", at, 0): (StoredCsr.opened, shard.folder) for at, shard in enumerate(shards)}
    labels = {(f"labels-{token}", at): (labels_of, shard.folder) for at, shard in enumerate(shards)}
    return (
        _array(f"rows-{token}", features, (rows, (columns,)), sparse.csr_matrix((0, 0), dtype=np.float32)),
        _array(f"labels-{token}", labels, (rows,), np.zeros(0, np.int32)),
    )


def learn_epoch(
    blank: OnlineLearner,
    before: Path | None,
    shards: Sequence[Shard],
    columns: int,
    classes: int,
    execute: Execute,
) -> OnlineLearner:
    """The estimator after one pass over `shards` in their order.

    The graph is one chain, since each step needs the weights of the one before: the model goes from shard to shard,
    and opening a shard costs no memory, so that a pass takes no more than one model and one shard.

    Parameters
    ----------
    blank
        An estimator that has learned nothing, for its parameters.
    before
        Where the estimator lies as the epoch before left it; None where this is the first.
    shards
        At least one.
    columns
        Features.
    classes
        How many classes there are.
    execute
        Runs the chain; hears of each shard as it is learned.
    """
    rows, labels = stacked(shards, columns)

    def once(attempt: int) -> OnlineLearner:
        learner = Incremental(OnlineLogisticRegression(**blank.get_params()), scoring="accuracy", shuffle_blocks=False)
        with _computed_by(execute, [shard.rows for shard in shards], blank, before, attempt):
            learner.fit(rows, labels, classes=np.arange(classes, dtype=np.int32))
        fitted: OnlineLearner = learner.estimator_
        return fitted

    return begun_again(once)


@contextmanager
def _computed_by(
    execute: Execute, rows: Sequence[int], blank: OnlineLearner, before: Path | None, attempt: int
) -> Iterator[None]:
    """While it lasts, the chain of steps that `Incremental` computes is handed to `execute`, some steps a task."""
    learned = list(accumulate(rows, initial=saved_rows(before)))

    def schedule(graph: Any, keys: Sequence[Any], **_: Any) -> list[Any]:
        plain = dict(graph.__dask_graph__()) if hasattr(graph, "__dask_graph__") else dict(graph)
        # `Incremental` names the steps after the estimator's parameters and the rows. Two epochs over the same rows in
        # the same order start from other weights: they must not share a name, or one could get the other's result.
        name, last = f"{keys[0][0]}-{dask.base.tokenize(str(before), attempt)}", keys[0][1]
        tasks = {_renamed(key, keys[0][0], name): _renamed(task, keys[0][0], name) for key, task in plain.items()}
        # The state comes from its file on the worker: it would make the graph itself too large to send. It is made anew
        # whenever the chain begins again, since steps change it in place.
        tasks[name, -1] = (begun, blank, None if before is None else str(before))
        parts = in_steps(range(last + 1))
        for part in parts:
            each = [tasks.pop((name, step)) for step in part]
            # Shards are opened by the task that learns them.
            opened = [[*(tasks.pop(key) for key in one[2:4]), *one[4:]] for one in each]
            tasks[name, part[-1]] = (learn_steps, learned[part[0]], each[0][1], opened)
        reports = {
            (f"told-{name}", at): (told, (name, part[-1]), sum(rows[step] for step in part))
            for at, part in enumerate(parts)
        }
        tasks |= reports
        return execute("train", [Delayed(key, tasks) for key in ((name, last), *reports)])[:1]

    with dask.config.set(scheduler=schedule):
        yield


def _renamed(part: Any, old: str, new: str) -> Any:
    """`part` of a graph, with the keys that begin with `old` beginning with `new`."""
    if isinstance(part, tuple):
        if len(part) == 2 and isinstance(part[0], str) and part[0] == old:
            return (new, part[1])
        return tuple(_renamed(item, old, new) for item in part)
    return [_renamed(item, old, new) for item in part] if isinstance(part, list) else part


def _array(name: str, tasks: Mapping[Any, Any], chunks: tuple[tuple[int, ...], ...], meta: Any) -> da.Array:
    return da.Array(HighLevelGraph.from_collections(name, tasks, []), name, chunks=chunks, meta=meta)
