"""Weighted training rows, mixed over blocks, so that sorted input is learned as well as shuffled input."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
from dask import delayed
from scipy import sparse

from pipeline.execute import Execute
from pipeline.text.config import FeatureConfig
from pipeline.text.tfidf import Weighting
from pipeline.train.block_files import is_written, open_array, write_block
from pipeline.train.hashed import HashedBlock
from pipeline.train.order import shuffled

#: The rows of this many blocks, drawn by chance, are mixed with one another.
MIXED_BLOCKS = 16


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
        return self.share * rows // len(self.blocks), (self.share + 1) * rows // len(self.blocks)

    def rows_of(self, block: int, rows: int, seed: int) -> list[int]:
        """The rows it takes of a block of `rows` rows that train, ascending."""
        first, last = self.bounds(rows)
        chosen: list[int] = np.sort(_order_of(rows, seed, block)[first:last]).tolist()
        return chosen


@lru_cache(maxsize=2 * MIXED_BLOCKS)
def _order_of(rows: int, seed: int, block: int) -> npt.NDArray[np.int64]:
    # The shards of a group take their rows from the same blocks, so that each order is asked for many times.
    return shuffled(rows, seed, block)


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
    tasks = [
        delayed(mix_shard, pure=False)(
            plan,
            [blocks[block] for block in plan.blocks],
            tuple(labels),
            weighting.features,
            seed,
            folder / f"{number:08d}",
        )
        for number, plan in enumerate(plans)
    ]
    return execute("weigh", tasks)


def save_weighting(weighting: Weighting, folder: Path) -> None:
    """Writes the arrays of a weighting into `folder`, for `open_weighting`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("buckets", weighting.buckets), ("idf", weighting.idf)):
        aside = folder / f"{name}.{secrets.token_hex(4)}.part.npy"
        np.save(aside, array)
        aside.replace(folder / f"{name}.npy")


def open_weighting(features: FeatureConfig, folder: Path) -> Weighting:
    """The weighting that `save_weighting` wrote."""
    return Weighting(features=features, buckets=open_array(folder, "buckets"), idf=open_array(folder, "idf"))


def mix_shard(
    plan: ShardPlan,
    blocks: Sequence[HashedBlock],
    labels: Sequence[str],
    features: FeatureConfig,
    seed: int,
    folder: Path,
) -> Shard:
    """One shard, written to `folder`, or found there."""
    chosen = [plan.rows_of(number, block.train_rows, seed) for number, block in zip(plan.blocks, blocks, strict=True)]
    if not is_written(folder):
        hashed = sparse.vstack(
            [block.train_matrix()[rows] for block, rows in zip(blocks, chosen, strict=True)], format="csr"
        )
        targets = np.concatenate(
            [block.targets(labels)[rows] for block, rows in zip(blocks, chosen, strict=True)], dtype=np.int32
        )
        write_block(folder, open_weighting(features, folder.parent).weigh(hashed), targets, {})
    return Shard(folder=str(folder), rows=sum(map(len, chosen)))
