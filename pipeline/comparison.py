"""Two models on the same rows, and whether the difference is more than chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from dask import delayed
from scipy.stats import binomtest

from pipeline.execute import Execute
from pipeline.scoring import is_trained_on
from pipeline.train.columns import as_text, needed_columns, require_columns
from pipeline.train.config import TrainConfig
from pipeline.train.evaluate import Tally, opened_model, tally
from pipeline.train.model import TrainedModel
from pipeline.train.sides import SplitPlan, sides_of
from pipeline.train.split_plan import plan_split
from storage.scan import Span, cut, read_spans
from storage.versions import Snapshot

_BLOCK_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the models: its folder, what it was trained with, and the split to keep to where it knows the dataset."""

    folder: str
    train: TrainConfig
    plan: SplitPlan | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paired:
    """What two models make of the same rows.

    Attributes
    ----------
    first, second
        The tally of each.
    agreement
        Rows by whether the first is right (first axis: no, yes) and the second (second axis), shape (2, 2), int64.
    """

    first: Tally
    second: Tally
    agreement: npt.NDArray[np.int64]

    def merge(self, other: "Paired") -> "Paired":
        """Of the rows of both; merge in a fixed order."""
        return Paired(
            first=self.first.merge(other.first),
            second=self.second.merge(other.second),
            agreement=self.agreement + other.agreement,
        )

    @property
    def progress_rows(self) -> int:
        """Rows done with it, for whoever shows progress."""
        return self.first.rows

    def significance(self) -> dict[str, Any]:
        """Whether the accuracies differ by more than chance.

        "rows", "only_first_right" and "only_second_right", "difference" (second minus first) with "low" and "high", its
        95 % interval (normal, for paired shares), and "p_value" of McNemar's exact test: how likely rows that only one
        of them gets right would be dealt out at least so unevenly were both equally good.
        """
        rows = int(self.agreement.sum())
        first, second = int(self.agreement[1, 0]), int(self.agreement[0, 1])
        difference = (second - first) / rows if rows else 0.0
        error = math.sqrt(max(first + second - (second - first) ** 2 / rows, 0.0)) / rows if rows else 0.0
        p_value = float(binomtest(second, first + second).pvalue) if first + second else 1.0
        return {
            "rows": rows,
            "only_first_right": first,
            "only_second_right": second,
            "difference": difference,
            "low": difference - 1.96 * error,
            "high": difference + 1.96 * error,
            "p_value": p_value,
        }


def compare_models(
    first: Path,
    second: Path,
    snapshot: Snapshot,
    execute: Execute,
    scratch: Path,
    *,
    label: str | None = None,
) -> Paired:
    """Both models on the labelled rows of a version that neither has learned from.

    A model that learned from a version of this dataset is only asked about rows that its split keeps for testing: that
    is a matter of each row alone, so that it holds for other versions too.

    Parameters
    ----------
    first, second
        Where the models lie.
    snapshot
        The version.
    execute
        Runs the tasks.
    scratch
        A folder that all workers see.
    label
        The column with the true labels; that of the first model's training where not given.

    Raises
    ------
    DataError
        If a column is missing.
    """
    sides = [_side(folder, snapshot, scratch / f"split-{at}", execute) for at, folder in enumerate((first, second))]
    column = label or sides[0].train.label
    needed = [column]
    for side in sides:
        needed += needed_columns(side.train) if side.plan is not None else [side.train.text]
    columns = tuple(dict.fromkeys(needed))
    require_columns(snapshot.schema, columns, snapshot.version.dataset)
    tasks = [
        delayed(compare_spans, pure=False)(spans, snapshot.schema, columns, column, sides)
        for spans in cut(snapshot, _BLOCK_ROWS)
    ]
    empty = [Tally.empty(len(opened_model(side.folder).labels)) for side in sides]
    total = Paired(first=empty[0], second=empty[1], agreement=np.zeros((2, 2), np.int64))
    for part in execute("evaluate", tasks):
        total = total.merge(part)
    return total


def _side(folder: Path, snapshot: Snapshot, scratch: Path, execute: Execute) -> Side:
    model = opened_model(str(folder))
    train = TrainConfig.model_validate(model.lineage.get("train") or {})
    if is_trained_on(model, snapshot):
        return Side(folder=str(folder), train=train, plan=plan_split(snapshot, train, scratch, execute))
    if model.lineage.get("dataset") == snapshot.version.dataset:
        told = model.lineage.get("split") or {}
        return Side(folder=str(folder), train=train, plan=SplitPlan(shares=told.get("shares") or {}))
    return Side(folder=str(folder), train=train, plan=None)


def compare_spans(
    spans: Sequence[Span], schema: pa.Schema, columns: Sequence[str], label: str, sides: Sequence[Side]
) -> Paired:
    """What both models make of one block's labelled rows that test both."""
    table = read_spans(spans, columns, schema=schema)
    labels = as_text(table[label])
    counted = np.asarray(pc.is_valid(labels))
    for side in sides:
        if side.plan is not None:
            counted &= sides_of(table, as_text(table[side.train.text]), side.train, side.plan).tests
    rows = pa.array(counted)
    truth = labels.filter(rows).to_pylist()
    right, tallies = [], []
    for side in sides:
        model = opened_model(side.folder)
        chances = model.predict_proba(as_text(table[side.train.text]).filter(rows))
        decided = model.decide(chances)
        tallies.append(tally(chances, truth, model.labels, decided, curves=True))
        right.append(_right(model, decided, truth))
    agreement = np.zeros((2, 2), np.int64)
    np.add.at(agreement, (right[0], right[1]), 1)
    return Paired(first=tallies[0], second=tallies[1], agreement=agreement)


def _right(model: TrainedModel, decided: npt.NDArray[np.int64], truth: Sequence[str]) -> npt.NDArray[np.int64]:
    given = [model.labels[place] if place >= 0 else None for place in decided.tolist()]
    return np.array([one == other for one, other in zip(given, truth, strict=True)], np.int64)
