"""The ``[train]`` table of a job file: which columns, which rows test the model, and how it learns."""

from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline.settings import Settings
from pipeline.train.split_config import SplitConfig

#: Solvers that can be named in a job file.
Solver = Literal["incremental", "lbfgs"]
#: `l2` where the job does not say and the optimum is looked for.
_FULL_PULL = 0.1


class ThresholdConfig(Settings):
    """Thresholds of probability that are chosen on the rows that validate, instead of taking the likeliest label.

    With two labels there is one threshold, for the second label or the one named. With more labels each has its own, or
    only the one named.
    """

    target: Literal["f1", "precision", "recall"] = "f1"
    """What to reach: the largest `f1`, or at least so much `precision` (with the most recall) or `recall` (with the
    most precision). Where each of several labels has a threshold for precision or recall, a text that reaches none gets
    no label."""

    at_least: float = Field(default=0.9, gt=0, le=1)
    """The precision or recall to reach."""

    label: str | None = None
    """The only label that has a threshold."""


class TrainConfig(Settings):
    """Which columns a model learns from, which rows test it, and how it learns."""

    solver: Solver = "incremental"
    """How the model learns: `incremental` (online logistic regression with a step size of its own for each weight), or
    `lbfgs` (one incremental pass, then gradients over all rows until the optimum is reached)."""

    text: str = "text"
    """The column with the text."""

    label: str = "label"
    """The column with the label."""

    weight: str | None = None
    """A column with a number of 0 or more: how much each row counts when the model learns. All count the same where not
    given, and in tests."""

    split: SplitConfig = SplitConfig()
    """Which rows test the model: `{ test = 0.2, seed = 42 }`, `{ stratify = true }`, `{ group = "customer" }`,
    `{ time = "created_at", cut = 2024-06-01 }`, `{ test_files = ["*test.csv"] }` or
    `{ column = "split", test = "test" }`."""

    epochs: int = Field(default=6, ge=1, le=1000)
    """How often every training row is seen."""

    learning_rate: float = Field(default=0.5, gt=0)
    """The first step of each weight; later steps shrink with the gradients that the weight has seen."""

    l2: float = Field(default=0.03, ge=0)
    """Strength of the pull of all weights towards zero; 0.1 is scikit-learn's C = 10. Not given: 0.1 for `lbfgs`, which
    goes all the way to the optimum, and 0.03 for a few incremental epochs, which stop short of it."""

    start: str | None = None
    """An earlier model of the same dataset, by its id or as `NAME@production`, that learning goes on from: only rows
    that were added since its version are learned. The features, the split and `validation` must be as they were."""

    l1: float = Field(default=0, ge=0)
    """Strength of a pull that makes weights exactly zero; 0 for none. For `incremental` only."""

    validation: float = Field(default=0, ge=0, lt=1)
    """The share of training rows that is set aside to see after each epoch whether learning still helps, chosen as test
    rows are; the epoch that was best for them is kept. 0: all rows are learned in all epochs."""

    calibration: Literal["none", "temperature", "platt", "isotonic"] = "none"
    """What makes probabilities mean what they say, fitted on the rows that validate: one number that all scores are
    multiplied by (`temperature`), a logistic curve for each label (`platt`), or the share of rows seen at each
    probability (`isotonic`, for many rows)."""

    threshold: ThresholdConfig | None = None
    """How thresholds are chosen, as in `{ target = "precision", at_least = 0.95, label = "spam" }`; the likeliest label
    where not given."""

    learning_curve: bool = False
    """Whether to measure the accuracy after an epoch over ever more of the training rows: one epoch's work more."""

    patience: int = Field(default=1, ge=1)
    """With `validation`: learning stops after so many epochs in a row that did not help."""

    average: bool = False
    """Whether the model is the mean of those at the ends of the last half of the epochs, which steadies it."""

    lanes: int = Field(default=1, ge=1, le=1024)
    """Parts of the rows that are learned side by side in each epoch and then merged, each weight by what the parts know
    of it. More lanes use more workers at once, and each should have many rows, or the model is worse. Another number is
    another model; the number of workers is not."""

    iterations: int = Field(default=300, ge=1)
    """Steps of `lbfgs` at most."""

    class_weight: Literal["none", "balanced"] = "none"
    """`balanced` gives every class the same say: rows weigh rows / (classes * rows of their class), counted over
    all training rows, times their `weight` where there is one."""

    block_rows: int = Field(default=16_384, ge=1)
    """Rows of a training block. The rows of 16 blocks are mixed before they are learned; another number is another
    order of rows, and so another model."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Decides the order in which blocks and rows are learned."""

    @model_validator(mode="before")
    @classmethod
    def _pull_of_the_solver(cls, given: Any) -> Any:
        return {"l2": _FULL_PULL, **given} if isinstance(given, dict) and given.get("solver") == "lbfgs" else given

    @model_validator(mode="after")
    def _settings_suit_the_solver(self) -> "TrainConfig":
        if self.solver == "lbfgs" and self.l1 > 0:
            raise ValueError('l1 is for solver = "incremental"; remove it, or choose that solver')
        if self.solver == "lbfgs" and self.l2 == 0:
            raise ValueError('solver = "lbfgs" needs l2 above 0, or there may be no optimum; write l2 = 0.1')
        if self.validation == 0 and (self.calibration != "none" or self.threshold is not None):
            raise ValueError("calibration and threshold are fitted on rows that validate; write validation = 0.1")
        if self.start is not None and self.solver == "lbfgs":
            raise ValueError(
                "start is for the incremental solver: lbfgs finds the optimum of all rows, wherever it starts"
            )
        if self.start is not None and self.split.stratify:
            raise ValueError(
                "start and stratify exclude each other: with more rows other rows test, which the model has learned"
            )
        if self.start is not None and self.learning_curve:
            raise ValueError("a learning curve starts from nothing; leave start or learning_curve out")
        if self.average and self.validation > 0:
            raise ValueError("average and validation exclude each other; give one of them")
        return self
