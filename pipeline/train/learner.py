"""Learning online, row by row: what `OnlineLogisticRegression` does, for rows known to be good, without scikit-learn.

Workers learn and score with this, and so do not load scikit-learn, which takes longer than most of their tasks.
"""

from collections.abc import Mapping
from inspect import signature
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from pipeline.text.hashing import read_only
from pipeline.train.logistic_kernel import clocks_of, learning, new_state, probabilities, row_scores, settled
from pipeline.train.order import shuffled_rows

Floats = npt.NDArray[np.float32]
#: Rows as CSR: bounds, indices, values.
Parts = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], Floats]
PART_CANNOT_BALANCE = (
    'class_weight="balanced" needs all rows at once; give partial_fit the weights themselves, '
    "such as {class: rows / (classes * rows of the class)}"
)


class OnlineLearner:
    """See `pipeline.train.logistic.OnlineLogisticRegression`, which has the same parameters and attributes."""

    def __init__(
        self,
        *,
        learning_rate: float = 0.5,
        l2: float = 1e-5,
        l1: float = 0.0,
        first_square: float = 0.1,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        epochs: int = 6,
        shuffle: bool = True,
        random_state: int = 0,
    ) -> None:
        self.learning_rate = learning_rate
        self.l2 = l2
        self.l1 = l1
        self.first_square = first_square
        self.class_weight = class_weight
        self.epochs = epochs
        self.shuffle = shuffle
        self.random_state = random_state

    def get_params(self) -> dict[str, Any]:
        """The parameters by name."""
        return {name: getattr(self, name) for name in PARAMETERS}

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """Probabilities, shape (rows, classes). A learner by itself takes rows as CSR in canonical format."""
        return probabilities(self._scores(X))

    def learn(
        self,
        bounds: npt.NDArray[Any],
        indices: npt.NDArray[np.int32],
        values: Floats,
        targets: npt.NDArray[np.int32],
        weights: Floats | None = None,
    ) -> Self:
        """The estimator after one more pass, over rows that are known to be good: what `partial_fit` makes of them.

        Checking rows takes a third of the time of learning them, in each pass anew.

        Parameters
        ----------
        bounds, indices, values
            The rows as CSR; values are finite, and no row holds a feature twice.
        targets
            The number of each row's class among `classes_`.
        weights
            How much each row counts; all the same where not given.
        """
        given = self.class_weight or {}
        if given == "balanced":
            raise ValueError(PART_CANNOT_BALANCE)
        by_class = np.array([given.get(label, 1.0) for label in self.classes_.tolist()], np.float32)
        parts = (read_only(bounds.astype(np.int64)), read_only(indices), read_only(values))
        row_weights = by_class[targets] if weights is None else by_class[targets] * weights
        self._learn(parts, read_only(targets), row_weights)
        return self

    def started(self, classes: npt.NDArray[Any], features: int) -> Self:
        """The estimator, ready for its first rows: all weights zero."""
        self._start(classes, features)
        self.n_features_in_ = features
        return self

    def __sizeof__(self) -> int:
        """Bytes of memory: by these Dask's scheduler tells whether a step is better done where the estimator lies."""
        return object.__sizeof__(self) + (self.state_.nbytes if hasattr(self, "state_") else 0)

    def settle(self) -> None:
        """Takes all outstanding pull, so that `weights_` are what `coef_` gives."""
        self.weights_[:] = self._settled()
        self.seen_[:] = self.rows_seen_

    @property
    def weights_(self) -> Floats:
        """Weights before the outstanding pull, shape (features, columns): a view that can be written."""
        return self.state_[:, 2 : 1 + self.state_.shape[1] // 2]

    @property
    def squares_(self) -> Floats:
        """Sums of squared gradients, shape (features, columns): a view that can be written."""
        return self.state_[:, 1 + self.state_.shape[1] // 2 :]

    @property
    def seen_(self) -> npt.NDArray[np.int64]:
        """Rows learned when each feature was last seen, shape (features,): a view that can be written."""
        return clocks_of(self.state_)[:, 0]

    @property
    def coef_(self) -> Floats:
        """The weights with all their pull, shape (columns, features) as in scikit-learn."""
        return self._settled().T

    def _start(self, classes: npt.NDArray[Any], features: int) -> None:
        if len(classes) < 2:
            raise ValueError(f"there is only one class, {classes.tolist()}; a classifier needs two or more classes")
        columns = 1 if len(classes) == 2 else len(classes)
        self.classes_ = classes
        self.state_ = new_state(features, columns, self.first_square)
        self.intercept_ = np.zeros(columns, np.float32)
        self.intercept_squares_ = np.ones(columns, np.float32)
        self.rows_seen_ = 0
        self.loss_ = np.nan
        self.losses_: list[tuple[int, float]] = []
        self.torn_ = False

    def _learn(self, parts: Parts, targets: npt.NDArray[np.int32], row_weights: Floats) -> None:
        if self.torn_:
            raise RuntimeError("an earlier call of partial_fit was cut off in its middle; fit a new estimator")
        rows = len(targets)
        order = shuffled_rows(rows, self.random_state, self.rows_seen_) if self.shuffle else np.arange(rows)
        # Whoever tries a failed call again must not learn rows twice.
        self.torn_ = True
        loss = learning(len(self.intercept_))(
            *parts,
            targets,
            row_weights,
            order,
            self.state_,
            clocks_of(self.state_),
            self.intercept_,
            self.intercept_squares_,
            self.rows_seen_,
            np.float32(self.learning_rate),
            float(self.l2),
            float(self.l1),
        )
        self.torn_ = False
        self.rows_seen_ += rows
        self.loss_ = loss / rows
        self.losses_.append((rows, loss))

    def _settled(self) -> Floats:
        return settled(
            read_only(self.state_),
            read_only(clocks_of(self.state_)),
            self.rows_seen_,
            np.float32(self.learning_rate),
            float(self.l2),
            float(self.l1),
        )

    def _scores(self, X: Any) -> Floats:  # noqa: N803 - as above
        return row_scores(*parts_of(X), read_only(self._settled()), read_only(self.intercept_))


#: The names of all parameters.
PARAMETERS = tuple(signature(OnlineLearner).parameters)


def parts_of(matrix: Any) -> Parts:
    """The parts of a CSR matrix in canonical format, in the types that the compiled loops take."""
    return (
        read_only(matrix.indptr.astype(np.int64)),
        read_only(matrix.indices.astype(np.int32, copy=False)),
        read_only(matrix.data),
    )
