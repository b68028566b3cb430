"""Online logistic regression for sparse text features, as a scikit-learn estimator."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from pipeline.text.hashing import read_only
from pipeline.train.logistic_kernel import clocks_of, learn_rows, new_state, probabilities, row_scores, settled
from pipeline.train.order_kernel import shuffled_rows

_Floats = npt.NDArray[np.float32]
_Parts = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], _Floats]
_PART_CANNOT_BALANCE = (
    'class_weight="balanced" needs all rows at once; give partial_fit the weights themselves, '
    "such as {class: rows / (classes * rows of the class)}"
)


class OnlineLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Logistic regression, binary or multinomial, that learns row by row with a step of its own for each weight.

    The result depends on the parameters and on the rows in the order given, to the last bit; never on the machine, on
    threads, or on how rows are grouped into calls of `partial_fit` (with ``shuffle=False``).

    Parameters
    ----------
    learning_rate
        The first step of each weight.
    l2
        Strength of the pull towards zero for each row: scikit-learn's ``1 / (C * rows)``.
    l1
        Strength of the pull that ends at zero for each row; makes weights exactly zero.
    first_square
        What each sum of squared gradients starts from; more means shorter first steps.
    class_weight
        None, a mapping from class to weight, or "balanced" (for `fit` only, which sees all rows).
    epochs
        Passes of `fit`.
    shuffle
        Whether the rows of each call are learned in a shuffled order instead of the one given.
    random_state
        Decides the shuffled orders, an int.

    Attributes
    ----------
    classes_
        The classes, sorted, shape (classes,).
    state_
        All that is known of the features, feature by feature, as `logistic_kernel.new_state` lays it out; `weights_`,
        `squares_` and `seen_` are views of it, with one column for two classes, else a column a class. `coef_` gives
        the weights as scikit-learn does.
    intercept_
        Shape (columns,), float32.
    rows_seen_
        Rows learned so far, repetitions counted.
    loss_
        Mean loss of the rows of the last call, each taken before it was learned from.
    losses_
        Rows and summed loss of each call, in order: in the first pass over rows an honest measure of what is learned
        (progressive validation; Blum, Kalai, Langford 1999).

    Examples
    --------
    >>> rows = sparse.csr_matrix(np.eye(2, dtype=np.float32))
    >>> OnlineLogisticRegression().fit(rows, ["late", "paid"]).predict(rows).tolist()
    ['late', 'paid']
    """

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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """The estimator after `epochs` passes over all rows, whatever it had learned before forgotten."""
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float32)  # noqa: N806
        check_classification_targets(y)
        self._start(unique_labels(y), X.shape[1])
        targets, weights = self._targets(y), self._row_weights(y, sample_weight)
        if not weights.any():
            raise ValueError("all sample weights are zero; there is nothing to learn")
        for _ in range(self.epochs):
            self._learn(_parts(X), targets, weights)
        return self

    def partial_fit(
        self,
        X: Any,  # noqa: N803
        y: Any,
        classes: Sequence[Any] | npt.NDArray[Any] | None = None,
        sample_weight: Any = None,
    ) -> Self:
        """The estimator after one more pass, over these rows.

        Parameters
        ----------
        X, y
            Rows, dense or sparse, shape (rows, features), and their classes.
        classes
            All classes there will ever be; needed in the first call.
        sample_weight
            A weight for each row.

        Raises
        ------
        ValueError
            If the first call names no classes, `y` holds another class, or `class_weight` is "balanced": a part of
            the rows cannot say how frequent a class is.
        """
        first = not hasattr(self, "state_")
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float32, reset=first)  # noqa: N806
        check_classification_targets(y)
        if self.class_weight == "balanced":
            raise ValueError(_PART_CANNOT_BALANCE)
        if first:
            if classes is None:
                raise ValueError("the first call of partial_fit needs all classes: partial_fit(X, y, classes=...)")
            self._start(unique_labels(classes), X.shape[1])
        elif classes is not None and not np.array_equal(unique_labels(classes), self.classes_):
            raise ValueError(f"classes = {list(classes)} differ from those of the first call, {self.classes_.tolist()}")
        self._learn(_parts(X), self._targets(y), self._row_weights(y, sample_weight))
        return self

    def learn(
        self,
        bounds: npt.NDArray[Any],
        indices: npt.NDArray[np.int32],
        values: _Floats,
        targets: npt.NDArray[np.int32],
    ) -> Self:
        """The estimator after one more pass, over rows that are known to be good: what `partial_fit` makes of them.

        Checking rows takes a third of the time of learning them, in each pass anew.

        Parameters
        ----------
        bounds, indices, values
            The rows as CSR; values are finite, and no row holds a feature twice.
        targets
            The number of each row's class among `classes_`.
        """
        given = self.class_weight or {}
        if given == "balanced":
            raise ValueError(_PART_CANNOT_BALANCE)
        by_class = np.array([given.get(label, 1.0) for label in self.classes_.tolist()], np.float32)
        parts = (read_only(bounds.astype(np.int64)), read_only(indices), read_only(values))
        self._learn(parts, read_only(targets), by_class[targets])
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
    def weights_(self) -> _Floats:
        """Weights before the outstanding pull, shape (features, columns): a view that can be written."""
        return self.state_[:, 2 : 1 + self.state_.shape[1] // 2]

    @property
    def squares_(self) -> _Floats:
        """Sums of squared gradients, shape (features, columns): a view that can be written."""
        return self.state_[:, 1 + self.state_.shape[1] // 2 :]

    @property
    def seen_(self) -> npt.NDArray[np.int64]:
        """Rows learned when each feature was last seen, shape (features,): a view that can be written."""
        return clocks_of(self.state_)[:, 0]

    @property
    def coef_(self) -> _Floats:
        """The weights with all their pull, shape (columns, features) as in scikit-learn."""
        return self._settled().T

    def decision_function(self, X: Any) -> _Floats:  # noqa: N803
        """Scores, shape (rows, classes); shape (rows,) for two classes, positive for the second."""
        scores = self._scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """Probabilities, shape (rows, classes)."""
        return probabilities(self._scores(X))

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        """The likeliest class of each row, shape (rows,); the first of several."""
        scores = self._scores(X)
        best = (scores[:, 0] > 0).astype(np.intp) if scores.shape[1] == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[best])

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

    def _learn(self, parts: _Parts, targets: npt.NDArray[np.int32], row_weights: _Floats) -> None:
        if self.torn_:
            raise RuntimeError("an earlier call of partial_fit was cut off in its middle; fit a new estimator")
        rows = len(targets)
        order = shuffled_rows(rows, self.random_state, self.rows_seen_) if self.shuffle else np.arange(rows)
        # Whoever tries a failed call again must not learn rows twice.
        self.torn_ = True
        loss = learn_rows(
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

    def _targets(self, y: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        targets = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        strange = self.classes_[targets] != y
        if strange.any():
            raise ValueError(f"y holds {y[strange][0]!r}, which is none of the classes {self.classes_.tolist()}")
        return targets.astype(np.int32)

    def _row_weights(self, y: npt.NDArray[Any], sample_weight: Any) -> _Floats:
        weights = np.ones(len(y), np.float32)
        if self.class_weight is not None:
            given = self.class_weight if self.class_weight == "balanced" else dict(self.class_weight)
            present = np.unique(y)
            if given != "balanced":
                given = {label: given.get(label, 1.0) for label in present.tolist()}
            by_class = compute_class_weight(given, classes=present, y=y)
            weights *= by_class[np.searchsorted(present, y)].astype(np.float32)
        if sample_weight is not None:
            weights = weights * np.asarray(sample_weight, np.float32)
        return weights

    def _settled(self) -> _Floats:
        check_is_fitted(self, "state_")
        return settled(
            read_only(self.state_),
            read_only(clocks_of(self.state_)),
            self.rows_seen_,
            np.float32(self.learning_rate),
            float(self.l2),
            float(self.l1),
        )

    def _scores(self, X: Any) -> _Floats:  # noqa: N803
        check_is_fitted(self, "state_")
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)  # noqa: N806
        return row_scores(*_parts(X), read_only(self._settled()), read_only(self.intercept_))


def _parts(rows: Any) -> _Parts:
    matrix = rows if sparse.issparse(rows) else sparse.csr_matrix(rows)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return (
        read_only(matrix.indptr.astype(np.int64)),
        read_only(matrix.indices.astype(np.int32, copy=False)),
        read_only(matrix.data),
    )
