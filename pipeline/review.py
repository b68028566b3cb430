"""Rows whose label may be wrong: those that models disagree with which have not seen them, the surest first.

The rows are dealt into folds by a hash; for each fold a model learns from the others and is asked about it. A row's
doubt is how much more probable another label is than its own (the margin of Northcutt, Jiang, Chuang 2021, section 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from dask import delayed

from pipeline.execute import Execute
from pipeline.frame import POSITION, SOURCE
from pipeline.text.config import FeatureConfig
from pipeline.train.columns import as_text, require_columns
from pipeline.train.config import TrainConfig
from pipeline.train.evaluate import opened_model
from pipeline.train.fit import fit_model
from pipeline.train.sides import SplitPlan, places_of, sides_of
from pipeline.train.split_config import SplitConfig
from pipeline.train.split_plan import plan_split
from storage.scan import Span, cut, read_spans
from storage.versions import Snapshot

#: What a review adds to each row.
LABEL_WAS, SUGGESTED, DOUBT, PROBABILITY = "label_was", "suggested", "doubt", "suggested_probability"
_BLOCK_ROWS = 65_536
#: So many lists of candidates are merged by one task.
_FAN_IN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Rows that were asked about, for whoever shows progress."""

    progress_rows: int


def find_doubtful(
    snapshot: Snapshot,
    features: FeatureConfig,
    train: TrainConfig,
    execute: Execute,
    cache: Path,
    scratch: Path,
    *,
    folds: int = 5,
    limit: int = 200,
) -> pa.Table:
    """The rows with the most doubtful labels, the most doubtful first, with all their columns.

    Added are "label_was", "suggested" (the likeliest label), its probability, and "doubt": how much more probable it is
    than the row's own label.

    Parameters
    ----------
    snapshot
        The version.
    features, train
        Settings of the model; its split gives way to folds, by the same group if it has one.
    execute
        Runs the tasks.
    cache, scratch
        Folders that all workers see.
    folds
        At least 2; each costs one training.
    limit
        Rows at most.

    Raises
    ------
    DataError
        If a column is missing, or the rows cannot train a classifier.
    """
    require_columns(snapshot.schema, (SOURCE, POSITION), snapshot.version.dataset)
    found: list[pa.Table] = []
    for fold in range(folds):
        asked = fold_settings(train, fold, folds)
        folder = scratch / f"fold-{fold}"
        fit_model(snapshot, features, asked, cache, execute, {}).model.save(folder)
        plan = plan_split(snapshot, asked, scratch / f"split-{fold}", execute)
        tasks = [
            delayed(doubtful_rows, pure=False)(spans, snapshot.schema, str(folder), asked, plan, limit)
            for spans in cut(snapshot, _BLOCK_ROWS)
        ]
        told = [delayed(_told, pure=False)(task) for task in tasks]
        while len(tasks) > 1:
            tasks = [
                delayed(most_doubtful, pure=False)(tasks[at : at + _FAN_IN], limit)
                for at in range(0, len(tasks), _FAN_IN)
            ]
        found.append(execute("review", [*tasks, *told])[0])
    return most_doubtful(found, limit)


def fold_settings(train: TrainConfig, fold: int, folds: int) -> TrainConfig:
    """The settings of the model that does not learn from one fold."""
    split = SplitConfig(test=1 / folds, fold=fold, seed=train.split.seed, group=train.split.group, drop_shared=None)
    plain = {"start": None, "calibration": "none", "threshold": None, "learning_curve": False}
    return train.model_copy(update={"split": split, **plain})


def doubtful_rows(
    spans: Sequence[Span], schema: pa.Schema, model_folder: str, train: TrainConfig, plan: SplitPlan, limit: int
) -> pa.Table:
    """The most doubtful rows of one block's share of the fold."""
    table = read_spans(spans, schema.names, schema=schema)
    labels, text = as_text(table[train.label]), as_text(table[train.text])
    asked = sides_of(table, text, train, plan).tests & np.asarray(pc.is_valid(labels))
    table, labels, text = (one.filter(pa.array(asked)) for one in (table, labels, text))
    model = opened_model(model_folder)
    chances = model.predict_proba(text)
    best = chances.argmax(axis=1) if len(text) else np.zeros(0, np.int64)
    places = places_of(labels, model.labels)
    rows = np.arange(len(text))
    likeliest = chances[rows, best]
    # A label that no other fold has was never learned: nothing speaks for it.
    own = np.where(places < 0, 0.0, chances[rows, places])
    for name, column in (
        (LABEL_WAS, labels),
        (SUGGESTED, pa.array(model.labels, pa.string()).take(pa.array(best))),
        (PROBABILITY, pa.array(likeliest)),
        (DOUBT, pa.array(likeliest - own)),
    ):
        table = table.append_column(name, column)
    return most_doubtful([table.filter(pa.array((places != best) & (likeliest > own)))], limit)


def most_doubtful(tables: Sequence[pa.Table], limit: int) -> pa.Table:
    """The `limit` most doubtful rows of all, by source and position where they are equally so."""
    together = pa.concat_tables(tables)
    order = [(DOUBT, "descending"), (SOURCE, "ascending"), (POSITION, "ascending")]
    return together.take(pc.sort_indices(together, order)[:limit])


def corrected(table: pa.Table, label: str) -> pa.Table:
    """The rows of a reviewed table whose label was changed, without what the review added."""
    changed = pc.not_equal(as_text(table[label]), as_text(table[LABEL_WAS]))
    kept = [name for name in table.column_names if name not in (LABEL_WAS, SUGGESTED, DOUBT, PROBABILITY)]
    return table.filter(pc.fill_null(changed, True)).select(kept)


def _told(table: pa.Table) -> Asked:
    return Asked(progress_rows=table.num_rows)
