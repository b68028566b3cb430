"""Weighted training rows, mixed over blocks, so that sorted input is learned as well as shuffled input."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate, groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from pipeline.execute import Execute, task_of
from pipeline.text.config import FeatureConfig
from pipeline.text.ranks import Ranks
from pipeline.text.tfidf import Weighting
from pipeline.train.block_files import is_written, write_block
from pipeline.train.hashed import HashedBlock, TrainingRows
from pipeline.train.order import even_parts, shuffled, shuffled_rows

#: The rows of this many blocks, drawn by chance, are mixed with one another.
MIXED_BLOCKS = 16
#: So many shards of a group are made by one task at most, which opens the group's blocks once, and by an even number of
#: tasks, so that two workers end together; where that gives more than so many tasks, a whole group.
_BATCH, _MANY_TASKS = 4, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Weighted rows that are learned together, on disk.

    Attributes
    ----------
    folder
        Where they lie.
    rows
        How many there are.
    """

    folder: str
    rows: int

    @property
    def progress_rows(self) -> int:
        """Rows done with it, for whoever shows progress."""
        return self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """Which rows a shard takes: share number `share` of ``len(blocks)`` equal shares of each of `blocks`."""

    blocks: tuple[int, ...]
    share: int

    def bounds(self, rows: int) -> tuple[int, int]:
        """Where its share of `rows` rows starts and stops."""
        shares = len(self.blocks)
        return _share_start(self.share, rows, shares), _share_start(self.share + 1, rows, shares)

    def rows_of(self, block: int, rows: int, seed: int) -> npt.NDArray[np.int64]:
        """The rows it takes of a block of `rows` rows that train, ascending."""
        first, last = self.bounds(rows)
        return _rows_by_share(rows, seed, block, len(self.blocks))[first:last]


def _share_start(share: int, rows: int, shares: int) -> int:
    """Where one of so many equal shares of the rows starts, and the one before it stops."""
    return share * rows // shares


@lru_cache(maxsize=2 * MIXED_BLOCKS)
def _rows_by_share(rows: int, seed: int, block: int, shares: int) -> npt.NDArray[np.int64]:
    """All rows of a block, those of one share after those of another, ascending within each."""
    # The shards of a group take their rows from the same blocks, so that each order is asked for many times.
    order = shuffled_rows(rows, seed, block)
    starts = [_share_start(share, rows, shares) for share in range(shares + 1)]
    share_of = np.empty(rows, np.uint16)
    share_of[order] = np.repeat(np.arange(shares, dtype=np.uint16), np.diff(starts))
    return np.argsort(share_of, kind="stable")


def plan_shards(block_rows: Sequence[int], seed: int, mixed_blocks: int = MIXED_BLOCKS) -> list[ShardPlan]:
    """As many shards as there are blocks, each block's rows spread evenly over the shards of its group of blocks.

    Shards that would be empty are left out.

    Parameters
    ----------
    block_rows
        Rows that train of each block.
    seed
        Decides which blocks are together.
    mixed_blocks
        Blocks in a group.
    """
    order = shuffled(len(block_rows), seed).tolist()
    plans = []
    for at in range(0, len(order), mixed_blocks):
        group = tuple(order[at : at + mixed_blocks])
        for share in range(len(group)):
            plan = ShardPlan(blocks=group, share=share)
            bounds = [plan.bounds(block_rows[block]) for block in group]
            if any(first < last for first, last in bounds):
                plans.append(plan)
    return plans


def shard_key(features: FeatureConfig, seed: int) -> str:
    """A name for the shards of given hashed blocks with these settings."""
    facts = {"features": features.model_dump(mode="json"), "seed": seed, "mixed": MIXED_BLOCKS}
    return sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardBatch:
    """Shards that one task made."""

    shards: tuple[Shard, ...]

    @property
    def progress_rows(self) -> int:
        """Rows done with them, for whoever shows progress."""
        return sum(shard.rows for shard in self.shards)


def mix_blocks(
    blocks: Sequence[HashedBlock],
    labels: Sequence[str],
    weighting: Weighting,
    seed: int,
    folder: Path,
    execute: Execute,
) -> list[Shard]:
    """All rows that train, weighted and mixed, as shards in `folder`; those that are there are not made again.

    Parameters
    ----------
    blocks
        All blocks of the version.
    labels
        The classes, in order.
    weighting
        How counts become features. It lies in `folder` too, so that tasks carry no more than its path.
    seed
        Decides which rows are together.
    folder
        Where shards go.
    execute
        Runs the tasks.
    """
    save_weighting(weighting, folder)
    plans = plan_shards([block.train_rows for block in blocks], seed)
    tasks = []
    for first, together in _batches(plans):
        numbered = {f"{first + at:08d}": plan for at, plan in enumerate(together)}
        held = {block: blocks[block] for block in together[0].blocks}
        tasks.append(task_of(mix_shards, numbered, held, tuple(labels), weighting.features, seed, folder))
    return [shard for batch in execute("weigh", tasks) for shard in batch.shards]


def _batches(plans: Sequence[ShardPlan]) -> list[tuple[int, Sequence[ShardPlan]]]:
    """The plans in parts, each of one group of blocks, with the number of each part's first."""
    size = _BATCH if len(plans) <= _MANY_TASKS * _BATCH else MIXED_BLOCKS
    groups = [list(group) for _, group in groupby(plans, lambda plan: plan.blocks)]
    counts = [1 if size == MIXED_BLOCKS else min(len(group), 2 * -(-len(group) // (2 * size))) for group in groups]
    parts = [part for group, count in zip(groups, counts, strict=True) for part in even_parts(group, count)]
    return list(zip(accumulate(map(len, parts), initial=0), parts, strict=False))


def save_weighting(weighting: Weighting, folder: Path) -> None:
    """Writes the arrays of a weighting into `folder`, for `open_weighting`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("buckets", weighting.buckets), ("idf", weighting.idf)):
        aside = folder / f"{name}.{secrets.token_hex(4)}.part.npy"
        np.save(aside, array)
        aside.replace(folder / f"{name}.npy")


def open_weighting(features: FeatureConfig, folder: Path) -> Weighting:
    """The weighting that `save_weighting` wrote."""
    buckets, idf = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("buckets", "idf"))
    return Weighting(features=features, buckets=buckets, idf=idf)


def mix_shards(
    plans: Mapping[str, ShardPlan],
    blocks: Mapping[int, HashedBlock],
    labels: Sequence[str],
    features: FeatureConfig,
    seed: int,
    folder: Path,
) -> ShardBatch:
    """Shards of one group of blocks, written to `folder` by name, or found there; each block is opened once."""
    missing = [name for name in plans if not is_written(folder / name)]
    if missing:
        weighting = open_weighting(features, folder)
        ranks = weighting.ranks()
        opened = {number: block.training(labels) for number, block in blocks.items()}
        for name in missing:
            _mix_shard(plans[name], opened, weighting, ranks, seed, folder / name)
    rows = {name: sum(_taken(plan, blocks)) for name, plan in plans.items()}
    return ShardBatch(shards=tuple(Shard(folder=str(folder / name), rows=count) for name, count in rows.items()))


def _taken(plan: ShardPlan, blocks: Mapping[int, HashedBlock]) -> Iterator[int]:
    for block in plan.blocks:
        first, last = plan.bounds(blocks[block].train_rows)
        yield last - first


def _mix_shard(
    plan: ShardPlan,
    opened: Mapping[int, TrainingRows],
    weighting: Weighting,
    ranks: Ranks,
    seed: int,
    folder: Path,
) -> None:
    parts, targets, weights = [], [], []
    for block in plan.blocks:
        rows, known, counting = opened[block]
        chosen = plan.rows_of(block, len(rows.bounds) - 1, seed)
        parts.append(replace(rows, chosen=chosen))
        targets.append(known[chosen])
        if counting is not None:
            weights.append(counting[chosen])
    told = np.concatenate(weights) if weights else None
    write_block(folder, weighting.weigh_rows(parts, ranks), np.concatenate(targets), {}, weights=told)
