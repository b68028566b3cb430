"""How good a model is on the rows that test: counts that merge block by block, and the figures made from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from dask import delayed

from pipeline.execute import Execute
from pipeline.passed_file import PassedFile
from pipeline.text.portable_math import portable_log
from pipeline.train.hashed import HashedBlock
from pipeline.train.model import TrainedModel, load_model

#: Probabilities are kept above this before their logarithm is taken, as scikit-learn does.
_LEAST = float(np.finfo(np.float64).eps)


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
        Rows by label, and by predicted class, for labels that no training row has.
    no_features
        Rows without any feature, for which the model can only say what is frequent.
    """

    confusion: npt.NDArray[np.int64]
    loss: float = 0.0
    unknown: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    no_features: int = 0

    @classmethod
    def empty(cls, classes: int) -> "Tally":
        """The tally of no rows."""
        return cls(confusion=np.zeros((classes, classes), np.int64))

    def merge(self, other: "Tally") -> "Tally":
        """The tally of the rows of both. Losses are added up as floats: merge in a fixed order."""
        nothing = (0,) * len(self.confusion)
        unknown = {
            label: tuple(
                left + right
                for left, right in zip(self.unknown.get(label, nothing), other.unknown.get(label, nothing), strict=True)
            )
            for label in sorted({*self.unknown, *other.unknown})
        }
        return Tally(
            confusion=self.confusion + other.confusion,
            loss=self.loss + other.loss,
            unknown=unknown,
            no_features=self.no_features + other.no_features,
        )

    @property
    def progress_rows(self) -> int:
        """Rows done with it, for whoever shows progress."""
        return self.rows

    @property
    def rows(self) -> int:
        """Rows that were tested."""
        return int(self.confusion.sum()) + sum(map(sum, self.unknown.values()))


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


def tally(probabilities: npt.NDArray[np.float64], labels: Sequence[str], classes: Sequence[str]) -> Tally:
    """The tally of these predictions.

    Parameters
    ----------
    probabilities
        Of each class, shape (rows, classes).
    labels
        The true labels, one a row.
    classes
        The model's labels.
    """
    places = {label: place for place, label in enumerate(classes)}
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    unknown: dict[str, list[int]] = {}
    loss = 0.0
    for row, label in enumerate(labels):
        place = places.get(label)
        if place is None:
            unknown.setdefault(label, [0] * len(classes))[predicted[row]] += 1
            loss -= portable_log(_LEAST)
        else:
            confusion[place, predicted[row]] += 1
            loss -= portable_log(max(float(probabilities[row, place]), _LEAST))
    return Tally(
        confusion=confusion,
        loss=loss,
        unknown={label: tuple(counts) for label, counts in sorted(unknown.items())},
    )


def label_figures(total: Tally, classes: Sequence[str]) -> list[LabelFigures]:
    """Figures of each label that has test rows or was predicted, by label; a share of nothing is 0."""
    unknown_columns = np.array([*total.unknown.values()], np.int64).reshape(-1, len(classes)).sum(axis=0)
    predicted = total.confusion.sum(axis=0) + unknown_columns
    support = total.confusion.sum(axis=1)
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
    """Accuracy, macro F1, mean log loss and the number of test rows.

    A label that no training row has counts as one with probability 0 and F1 0.
    """
    figures = label_figures(total, classes)
    return {
        "accuracy": int(total.confusion.trace()) / total.rows if total.rows else 0.0,
        "macro_f1": sum(one.f1 for one in figures) / len(figures) if figures else 0.0,
        "log_loss": total.loss / total.rows if total.rows else 0.0,
        "test_rows": total.rows,
    }


def evaluate(model: PassedFile, blocks: Sequence[HashedBlock], classes: int, execute: Execute) -> Tally:
    """The tally of the test rows of all blocks, merged in the order of the blocks."""
    tasks = [delayed(evaluate_block, pure=False)(model, block) for block in blocks if block.test_rows]
    total = Tally.empty(classes)
    for part in execute("evaluate", tasks):
        total = total.merge(part)
    return total


@lru_cache(maxsize=2)
def opened_model(folder: str) -> TrainedModel:
    """The model in `folder`, kept for the next block of the same worker."""
    return load_model(folder)


def evaluate_block(passed: PassedFile, block: HashedBlock) -> Tally:
    """The tally of one block's test rows."""
    model = opened_model(passed.path)
    hashed = block.test_matrix()
    part = tally(model.probabilities(hashed), block.test_label_texts(), model.labels)
    without = int((np.diff(hashed.indptr) == 0).sum())
    return Tally(confusion=part.confusion, loss=part.loss, unknown=part.unknown, no_features=without)
