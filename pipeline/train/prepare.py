"""From a version to rows that can be learned: split, hashed, weighted, mixed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.execute import Execute
from pipeline.text.config import FeatureConfig
from pipeline.text.tfidf import Weighting
from pipeline.train.added import AddedRows, added_rows
from pipeline.train.cache import mark_used, prune
from pipeline.train.calibrate import require_validation
from pipeline.train.columns import needed_columns, require_columns
from pipeline.train.config import TrainConfig
from pipeline.train.hashed import HashedBlock, feature_key, hash_blocks
from pipeline.train.requirements import require_features, require_trainable
from pipeline.train.shards import Shard, mix_blocks, shard_key
from pipeline.train.sides import SplitPlan
from pipeline.train.split_plan import plan_split
from pipeline.train.start import Start, fitted_settings
from pipeline.train.width import Width, choose_width
from storage.versions import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedRows:
    """A version's rows, ready to be learned.

    Attributes
    ----------
    features, width
        The settings with a width, and how that was chosen where the job left it open.
    folder, place
        Where hashed rows lie, and below it what depends on their weights and order.
    plan
        What all rows say about the split.
    blocks
        All blocks, hashed.
    added
        The rows that train, where learning goes on from an earlier model.
    labels, counts
        The classes, and rows of each that train, those of earlier models too.
    weighting
        How counts become features.
    shards
        Rows that train, weighted and mixed.
    """

    features: FeatureConfig
    width: Width | None
    folder: Path
    place: Path
    plan: SplitPlan
    blocks: Sequence[HashedBlock]
    added: AddedRows | None
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    weighting: Weighting
    shards: Sequence[Shard]


def prepare_rows(
    snapshot: Snapshot,
    features: FeatureConfig,
    train: TrainConfig,
    cache: Path,
    execute: Execute,
    start: Start | None = None,
) -> PreparedRows:
    """The version's rows, ready to be learned; parameters and errors as for `pipeline.train.fit.fit_model`."""
    require_columns(snapshot.schema, needed_columns(train), snapshot.version.dataset)
    width = None
    if start is not None:
        features = fitted_settings(start, features, train, snapshot.version.dataset)
    if features.bits == "auto":
        width = choose_width(snapshot, features, train, execute)
        features = features.model_copy(update={"bits": width.bits})
    folder = cache / feature_key(snapshot, features, train, None if start is None else start.to_dict())
    mark_used(folder)
    prune(cache)
    plan = plan_split(snapshot, train, folder / "split", execute)
    added = None
    if start is not None:
        added = added_rows(start.snapshot, snapshot, needed_columns(train), folder / "added", execute)
    blocks, frequencies = hash_blocks(snapshot, features, train, folder / "hashed", execute, plan, added)
    counts = require_trainable(blocks, train, None if start is None else start.state.label_rows)
    require_validation(blocks, train)
    rows = sum(counts.values())
    if start is None:
        weighting = Weighting.learned(features, frequencies, rows)
    else:
        weighting = start.model.weighting.extended(frequencies, rows)
    require_features(weighting, train)
    place = folder / shard_key(features, train.seed)
    return PreparedRows(
        features=features,
        width=width,
        folder=folder,
        place=place,
        plan=plan,
        blocks=blocks,
        added=added,
        labels=tuple(counts),
        counts=tuple(counts.values()),
        weighting=weighting,
        shards=mix_blocks(blocks, tuple(counts), weighting, train.seed, place, execute),
    )
