"""Accuracy against rows seen: what one epoch over ever more of the mixed training rows gives on the rows that test."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.execute import Execute
from pipeline.text.tfidf import Weighting
from pipeline.train.checkpoints import is_saved, save_estimator
from pipeline.train.config import TrainConfig
from pipeline.train.epoch_steps import held_out_tally
from pipeline.train.evaluate import merged_tallies, metrics
from pipeline.train.hashed import HashedBlock
from pipeline.train.incremental import epoch_order, learn_epoch, new_estimator
from pipeline.train.learn import state_key
from pipeline.train.shards import Shard

#: The first point sees this share of the shards, the next twice as many, up to all.
_FIRST = 64


def learning_curve(
    shards: Sequence[Shard],
    blocks: Sequence[HashedBlock],
    labels: Sequence[str],
    weighting: Weighting,
    counts: Sequence[int],
    train: TrainConfig,
    folder: Path,
    execute: Execute,
) -> list[dict[str, Any]]:
    """A dict a point, rows rising: "rows" learned once, and "accuracy", "macro_f1" and "log_loss" of the test rows.

    Parameters are as for `pipeline.train.learn.learn`. The shards are learned in the order of the first epoch, each a
    mixture of many blocks, so that the first of them are a fair sample.
    """
    blank = new_estimator(counts, train)
    order = epoch_order(shards, 0, train.seed)
    places = folder / f"curve-{state_key(train, counts)}"
    points = []
    seen, before = 0, None
    for stop in _stops(len(order)):
        place = places / f"{stop:08d}"
        if not is_saved(place):
            part = order[seen:stop]
            save_estimator(learn_epoch(blank, before, part, len(weighting.buckets), len(labels), execute), place)
        seen, before = stop, place
        tally_of = partial(held_out_tally, blank, str(place), tuple(labels), weighting.features, folder)
        held = [block for block in blocks if block.test_rows]
        figures = metrics(merged_tallies("evaluate", tally_of, held, len(labels), execute), labels)
        rows = sum(shard.rows for shard in order[:stop])
        points.append({"rows": rows, **{name: figures[name] for name in ("accuracy", "macro_f1", "log_loss")}})
    shutil.rmtree(places, ignore_errors=True)
    return points


def _stops(shards: int) -> list[int]:
    """How many shards each point has seen."""
    stops, share = set(), _FIRST
    while share:
        stops.add(max(1, shards // share))
        share //= 2
    return sorted(stops)
