"""What training would take on 1 to 1,000 workers, from what a block and a reduction cost here.

    python -m benchmarks.scaling.learning_plan [--blocks 10000] [--json FILE]

Measured, in CPU seconds, least of three: hashing, weighing, learning and the gradient of a block of 16,384 documents of
`benchmarks.zipf_corpus`, and adding up what the tree of each of them adds up, for 2^20 features. Assumed: each worker
has a core and a connection of `NETWORK_BYTES_S` to itself, and `TASK_S` of the scheduler and driver for each task, one
after the other. A stage ends when the slowest worker has done its tasks, or the scheduler all of them; then its tree is
added up: at each level a worker fetches the others' sums and adds them. Reading from the storage and failures are left
out.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.harness.scripted import begun, write_record
from benchmarks.harness.tables import markdown
from benchmarks.train import ROWS, lay_out
from benchmarks.zipf_corpus import zipf_rows
from pipeline.execute import run_here
from pipeline.text.config import FeatureConfig
from pipeline.train.array_files import ArrayFile, add_files
from pipeline.train.block_files import open_block, write_block
from pipeline.train.config import TrainConfig
from pipeline.train.full_batch import shard_slope
from pipeline.train.hashed import count_batch, hash_batch
from pipeline.train.incremental import new_estimator
from pipeline.train.lane_kernel import add_lane
from pipeline.train.lanes import _TOGETHER
from pipeline.train.prepare import prepare_rows
from storage.scan import cut
from storage.store import Store

NETWORK_BYTES_S, TASK_S = 1e9, 0.003
WORKERS = (1, 2, 10, 100, 1_000)
_FEATURES, _ROWS, _TIMES = 1 << 20, 16_384, 3
#: As in `pipeline.train.array_files`.
_FAN_IN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A stage of training.

    Attributes
    ----------
    block_s
        CPU seconds of a block.
    task_blocks
        Blocks of a task.
    fan_in, add_s, sum_bytes
        Sums that are added up by one task, or in the end by the driver, what one of them takes, and its size; no sums
        where `fan_in` is 0.
    graph_tasks
        Tasks in the graph for each of these: a step and its word to the driver are two.
    sum_a_worker
        Whether there is a sum a worker to begin with, instead of one a task.
    """

    name: str
    block_s: float
    task_blocks: int
    fan_in: int = 0
    add_s: float = 0.0
    sum_bytes: int = 0
    sum_a_worker: bool = False
    graph_tasks: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Seconds of a stage, and its two parts that do not shrink with workers."""

    seconds: float
    tree_s: float
    scheduler_s: float


def planned(work: Work, blocks: int, workers: int) -> Planned:
    """What a stage over so many blocks takes so many workers."""
    tasks = math.ceil(blocks / work.task_blocks)
    busy = math.ceil(tasks / workers) * work.task_blocks * work.block_s
    tree, adds, level = 0.0, 0, min(tasks, workers) if work.sum_a_worker else tasks
    while work.fan_in and level > 1:
        level, before = math.ceil(level / work.fan_in), level
        adds += level
        fetched_s = work.sum_bytes / NETWORK_BYTES_S if workers > 1 else 0.0
        tree += math.ceil(level / workers) * min(work.fan_in, before) * (work.add_s + fetched_s)
    scheduler = (tasks * work.graph_tasks + adds) * TASK_S
    return Planned(seconds=max(busy, scheduler) + tree, tree_s=tree, scheduler_s=scheduler)


def _least_s(run: Callable[[int], Any]) -> float:
    found = []
    for number in range(_TIMES + 1):
        began = time.process_time()
        run(number)
        found.append(time.process_time() - began)
    # The first one loads what is compiled.
    return min(found[1:])


def measured(folder: Path, rows: int) -> Iterator[Work]:
    """The stages, with what a block of `rows` documents costs in each."""
    snapshot = Store.open(Path(lay_out(zipf_rows(2 * rows, 500), folder / "corpus")) / "store").snapshot(ROWS)
    features = FeatureConfig(ngrams=(1, 1))
    train = TrainConfig.model_validate({"block_rows": rows, "split": {"column": "side", "test": "test"}})
    prepared = prepare_rows(snapshot, features, train, folder / "cache", run_here)
    [block, *_], [shard, *_] = cut(snapshot, rows), prepared.shards
    counts, point, slope, total = (str(folder / f"{name}.npy") for name in ("counts", "point", "slope", "sum"))
    places = [str(folder / f"added-{number}.npy") for number in range(_FAN_IN)]
    np.save(point, np.zeros(len(prepared.weighting.buckets) + 1))

    def hash_one(number: int) -> None:
        batch = hash_batch([block], 0, snapshot.schema, features, train, folder / f"hashed-{number}")
        count_batch(batch, _FEATURES, counts)

    def weigh_one(number: int) -> None:
        weighed = prepared.weighting.weigh(prepared.blocks[0].train_matrix())
        write_block(folder / f"weighed-{number}", weighed, np.zeros(weighed.shape[0], np.int32), {})

    def learn_one(_: int) -> None:
        estimator = new_estimator(prepared.counts, train)
        estimator.started(np.arange(len(prepared.labels), dtype=np.int32), len(prepared.weighting.buckets))
        block = open_block(shard.folder)
        estimator.learn(block.bounds, block.indices, block.values, block.labels)

    def slope_one(_: int) -> None:
        shard_slope([shard.folder], point, (len(prepared.weighting.buckets), 1), (1.0, 1.0), False, slope)

    column = np.ones((_FEATURES + 1, 1))
    sums, lane = np.zeros((3, _TOGETHER)), column[:, 0].astype(np.float32)

    def add_one(array: npt.NDArray[Any]) -> float:
        for place in places:
            np.save(place, array)
        files = [ArrayFile(path=place) for place in places]
        return _least_s(lambda _: add_files(files, total)) / _FAN_IN

    def merge_one(_: int) -> None:
        for at in range(0, _FEATURES, _TOGETHER):
            part = lane[at : at + _TOGETHER]
            add_lane(sums, part, part, part)

    yield Work(
        name="hashing",
        block_s=_least_s(hash_one),
        task_blocks=8,
        fan_in=_FAN_IN,
        add_s=add_one(np.ones(_FEATURES, np.int32)),
        sum_bytes=4 * _FEATURES,
    )
    yield Work(name="weighing and mixing", block_s=_least_s(weigh_one), task_blocks=16)
    yield Work(
        name="an epoch, a lane a worker",
        block_s=_least_s(learn_one),
        task_blocks=16,
        graph_tasks=2,
        fan_in=max(WORKERS),
        add_s=_least_s(merge_one),
        sum_bytes=2 * 4 * _FEATURES,
        sum_a_worker=True,
    )
    yield Work(
        name="a pass of lbfgs",
        block_s=_least_s(slope_one),
        # Of 10,000 blocks.
        task_blocks=156,
        fan_in=_FAN_IN,
        add_s=add_one(column[:, 0]),
        sum_bytes=8 * _FEATURES,
    )


def table(works: Sequence[Work], blocks: int) -> str:
    """Costs, then seconds and speed-ups over one worker, as a Markdown table."""
    rows = []
    for work in works:
        alone = planned(work, blocks, 1).seconds
        found = [planned(work, blocks, count).seconds for count in WORKERS]
        speeds = [f"{seconds:,.1f} s ({alone / seconds:,.0f} x)" for seconds in found]
        rows.append([work.name, f"{work.block_s:.4f}", f"{work.add_s:.4f}", *speeds])
    head = [f"{blocks:,} blocks", "a block s", "adding up one s", *(f"{count:,}" for count in WORKERS)]
    return markdown(head, rows)


def main() -> None:
    """Nothing; the figures are on stdout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=10_000, help="of the version that is planned for")
    parser.add_argument("--json", type=Path, help="write the costs here too")
    given = parser.parse_args()
    facts = begun("benchmarks.scaling.learning_plan")
    with tempfile.TemporaryDirectory(prefix="textmill-plan-") as folder:
        works = list(measured(Path(folder), _ROWS))
    print(table(works, given.blocks))
    write_record(given.json, {**facts, "blocks": given.blocks, "works": [asdict(work) for work in works]})


if __name__ == "__main__":
    main()
