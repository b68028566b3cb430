"""How good a model is on the rows that test: counts that merge block by block, and the figures made from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial, reduce
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from dask import delayed

from pipeline.execute import Execute, task_of
from pipeline.passed_file import PassedFile
from pipeline.text.portable_math import portable_logs
from pipeline.train.hashed import HashedBlock
from pipeline.train.input_profile import InputProfile
from pipeline.train.model import TrainedModel, load_model
from pipeline.train.score_bins import ScoreBins, calibration_figures, curves_of

#: Probabilities are kept above this before their logarithm is taken, as scikit-learn does.
_LEAST = float(np.finfo(np.float64).eps)
#: So many tallies are merged by one task; more than so many are taken in batches of as many.
_FAN_IN, _MANY = 8, 32

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Word of rows that were tested, for whoever shows progress."""

    progress_rows: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tally:
    """What the rows that test add up to.

    Attributes
    ----------
    confusion
        Rows by true (first axis) and predicted label, shape (classes, classes), int64.
    loss
        Sum of the negative log-probabilities of the true labels.
    unknown
        Rows by label, and by predicted class with "none" as the last, for labels that no training row has.
    no_features
        Rows without any feature, for which the model can only say what is frequent.
    undecided
        Rows by true label that got no label, since none reached its threshold, shape (classes,), int64.
    bins
        Probabilities counted in bins, for curves; None where nobody wants them.
    profile
        What the model saw of the rows; None where nobody wants it.
    """

    confusion: npt.NDArray[np.int64]
    undecided: npt.NDArray[np.int64]
    bins: ScoreBins | None = None
    profile: InputProfile | None = None
    loss: float = 0.0
    unknown: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    no_features: int = 0

    @classmethod
    def empty(cls, classes: int) -> "Tally":
        """The tally of no rows."""
        return cls(confusion=np.zeros((classes, classes), np.int64), undecided=np.zeros(classes, np.int64))

    def merge(self, other: "Tally") -> "Tally":
        """The tally of the rows of both. Losses are added up as floats: merge in a fixed order."""
        nothing = (0,) * (len(self.confusion) + 1)
        unknown = {
            label: tuple(
                left + right
                for left, right in zip(self.unknown.get(label, nothing), other.unknown.get(label, nothing), strict=True)
            )
            for label in sorted({*self.unknown, *other.unknown})
        }
        return Tally(
            confusion=self.confusion + other.confusion,
            undecided=self.undecided + other.undecided,
            bins=self.bins.merge(other.bins) if self.bins and other.bins else self.bins or other.bins,
            profile=self.profile.merge(other.profile)
            if self.profile and other.profile
            else self.profile or other.profile,
            loss=self.loss + other.loss,
            unknown=unknown,
            no_features=self.no_features + other.no_features,
        )

    @property
    def rows(self) -> int:
        """Rows that were tested."""
        return int(self.confusion.sum()) + int(self.undecided.sum()) + sum(map(sum, self.unknown.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFigures:
    """Precision, recall and F1 of one label, and how many test rows have it."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        return {
            "label": self.label,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "support": self.support,
        }


def tally(
    probabilities: npt.NDArray[np.float64],
    labels: Sequence[str],
    classes: Sequence[str],
    decided: npt.NDArray[np.int64] | None = None,
    *,
    curves: bool = False,
) -> Tally:
    """The tally of these predictions.

    Parameters
    ----------
    probabilities
        Of each class, shape (rows, classes).
    labels
        The true labels, one a row.
    classes
        The model's labels.
    decided
        The number of the label that each row got, -1 for none; the likeliest where not given.
    curves
        Whether to count probabilities in bins too.
    """
    places = {label: place for place, label in enumerate(classes)}
    predicted = probabilities.argmax(axis=1) if decided is None else decided
    # The last column is for rows that got no label.
    confusion = np.zeros((len(classes), len(classes) + 1), np.int64)
    unknown: dict[str, list[int]] = {}
    targets = np.array([places.get(label, -1) for label in labels], np.int64)
    known = targets >= 0
    np.add.at(confusion, (targets[known], predicted[known]), 1)
    for row in np.flatnonzero(~known).tolist():
        unknown.setdefault(labels[row], [0] * (len(classes) + 1))[predicted[row]] += 1
    chances = np.full(len(targets), _LEAST)
    chances[known] = np.maximum(probabilities[known, targets[known]], _LEAST)
    # One after the other, in the order of the rows: the last bits of a sum depend on that.
    losses = np.add.accumulate(-portable_logs(chances))
    return Tally(
        confusion=confusion[:, :-1],
        undecided=confusion[:, -1],
        bins=ScoreBins.of(probabilities, targets) if curves else None,
        loss=float(losses[-1]) if len(losses) else 0.0,
        unknown={label: tuple(counts) for label, counts in sorted(unknown.items())},
    )


def label_figures(total: Tally, classes: Sequence[str]) -> list[LabelFigures]:
    """Figures of each label that has test rows or was predicted, by label; a share of nothing is 0."""
    unknown_columns = np.array([*total.unknown.values()], np.int64).reshape(-1, len(classes) + 1).sum(axis=0)
    predicted = total.confusion.sum(axis=0) + unknown_columns[:-1]
    support = total.confusion.sum(axis=1) + total.undecided
    figures = [
        _figures(label, int(total.confusion[place, place]), int(predicted[place]), int(support[place]))
        for place, label in enumerate(classes)
        if predicted[place] or support[place]
    ]
    figures += [_figures(label, 0, 0, sum(counts)) for label, counts in total.unknown.items()]
    return sorted(figures, key=lambda one: one.label)


def _figures(label: str, right: int, predicted: int, support: int) -> LabelFigures:
    precision = right / predicted if predicted else 0.0
    recall = right / support if support else 0.0
    f1 = 2 * right / (predicted + support) if predicted + support else 0.0
    return LabelFigures(label=label, precision=precision, recall=recall, f1=f1, support=support)


def metrics(total: Tally, classes: Sequence[str]) -> dict[str, float | int]:
    """Accuracy, macro F1, mean log loss and the number of test rows; with bins also areas and calibration.

    These are "roc_auc" and "average_precision" (means over the labels that have them), "calibration_error" and "brier".
    A label that no training row has counts as one with probability 0 and F1 0. Where rows may get no label, "decided"
    is the share that got one; the others count as mistakes.
    """
    figures = label_figures(total, classes)
    found: dict[str, float | int] = {
        "accuracy": int(total.confusion.trace()) / total.rows if total.rows else 0.0,
        "macro_f1": sum(one.f1 for one in figures) / len(figures) if figures else 0.0,
        "log_loss": total.loss / total.rows if total.rows else 0.0,
        "test_rows": total.rows,
    }
    if undecided := int(total.undecided.sum()):
        found["decided"] = 1 - undecided / total.rows
    if total.bins is not None:
        curves = [curves_of(total.bins, place, label) for place, label in enumerate(classes)]
        for name in ("roc_auc", "average_precision"):
            values = [value for one in curves if (value := getattr(one, name)) is not None]
            if values:
                found[name] = sum(values) / len(values)
        calibrated = calibration_figures(total.bins)
        found |= {"calibration_error": calibrated["expected_error"], "brier": calibrated["brier"]}
    return found


def evaluation(total: Tally, classes: Sequence[str]) -> dict[str, Any]:
    """All there is to tell of the rows that test, as plain values for JSON.

    "labels", "confusion" (first axis: true label, second: predicted), "undecided" (by true label), "per_class" (a dict
    a label: "label", "precision", "recall", "f1", "support"), "no_features" (rows without any), and with bins "curves"
    (a dict a label: "label", "roc_auc", "average_precision", "roc", "precision_recall") and "calibration"
    ("expected_error", "brier", "bins"), and "profile" as `InputProfile.to_dict` gives it.
    """
    found: dict[str, Any] = {
        "labels": list(classes),
        "confusion": total.confusion.tolist(),
        "undecided": total.undecided.tolist(),
        "per_class": [one.to_dict() for one in label_figures(total, classes)],
        "no_features": total.no_features,
    }
    if total.bins is not None:
        found["curves"] = [curves_of(total.bins, at, label).to_dict() for at, label in enumerate(classes)]
        found["calibration"] = calibration_figures(total.bins)
    if total.profile is not None:
        found["profile"] = total.profile.to_dict()
    return found


def evaluate(
    model: PassedFile, blocks: Sequence[HashedBlock], classes: int, execute: Execute, *, validation: bool = False
) -> Tally:
    """The tally of the test rows of all blocks, or of those that validate, merged in the order of the blocks."""
    held = [block for block in blocks if (block.validation_rows if validation else block.test_rows)]
    tally_of = partial(evaluate_block, model, validation=validation)
    return merged_tallies("calibrate" if validation else "evaluate", tally_of, held, classes, execute)


def in_batches(items: Sequence[_Item]) -> list[Sequence[_Item]]:
    """The items in order, so many together as one task looks at: one, or as many as are merged where they are many.

    A scheduler keeps something of each task, which shall not grow with the data as blocks do.
    """
    size = 1 if len(items) <= _MANY else _FAN_IN
    return [items[at : at + size] for at in range(0, len(items), size)]


def merged_tallies(
    stage: str, tally_of: Callable[[_Item], Tally], items: Sequence[_Item], classes: int, execute: Execute
) -> Tally:
    """The tallies that `tally_of` gives of `items`, merged in a fixed tree by tasks: no process ever holds them all."""
    if not items:
        return Tally.empty(classes)
    tasks = [task_of(_tallied, tally_of, batch) for batch in in_batches(items)]
    level: list[Any] = list(tasks)
    # A batch of several is a whole branch of the tree.
    while len(level) > 1:
        level = [delayed(_merged, pure=False)(level[at : at + _FAN_IN]) for at in range(0, len(level), _FAN_IN)]
    told = [delayed(_told, pure=False)(task) for task in tasks]
    total: Tally = execute(stage, [level[0], *told])[0]
    return total


def _tallied(tally_of: Callable[[_Item], Tally], items: Sequence[_Item]) -> Tally:
    return reduce(Tally.merge, map(tally_of, items))


def _merged(parts: Sequence[Tally]) -> Tally:
    return reduce(Tally.merge, parts)


def _told(part: Tally) -> Counted:
    return Counted(progress_rows=part.rows)


@lru_cache(maxsize=2)
def opened_model(folder: str) -> TrainedModel:
    """The model in `folder`, kept for the next block of the same worker."""
    return load_model(folder)


def evaluate_block(passed: PassedFile, block: HashedBlock, *, validation: bool = False) -> Tally:
    """The tally of one block's test rows, or of those that validate."""
    model = opened_model(passed.path)
    hashed, labels = block.held_out(validation=validation)
    chances = model.probabilities(hashed)
    decided = model.decide(chances)
    part = tally(chances, labels, model.labels, decided, curves=True)
    profile = InputProfile.of(hashed, model.known(hashed), decided, len(model.labels))
    return replace(part, no_features=int((np.diff(hashed.indptr) == 0).sum()), profile=profile)
