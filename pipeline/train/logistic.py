"""Online logistic regression for sparse text features, as a scikit-learn estimator."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from pipeline.train.learner import PART_CANNOT_BALANCE, Floats, OnlineLearner, Parts, parts_of


class OnlineLogisticRegression(ClassifierMixin, BaseEstimator, OnlineLearner):  # type: ignore[misc] # scikit-learn has no types
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
            raise ValueError(PART_CANNOT_BALANCE)
        if first:
            if classes is None:
                raise ValueError("the first call of partial_fit needs all classes: partial_fit(X, y, classes=...)")
            self._start(unique_labels(classes), X.shape[1])
        elif classes is not None and not np.array_equal(unique_labels(classes), self.classes_):
            raise ValueError(f"classes = {list(classes)} differ from those of the first call, {self.classes_.tolist()}")
        self._learn(_parts(X), self._targets(y), self._row_weights(y, sample_weight))
        return self

    def decision_function(self, X: Any) -> Floats:  # noqa: N803
        """Scores, shape (rows, classes); shape (rows,) for two classes, positive for the second."""
        scores = self._scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        """The likeliest class of each row, shape (rows,); the first of several."""
        scores = self._scores(X)
        best = (scores[:, 0] > 0).astype(np.intp) if scores.shape[1] == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _targets(self, y: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        targets = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        strange = self.classes_[targets] != y
        if strange.any():
            raise ValueError(f"y holds {y[strange][0]!r}, which is none of the classes {self.classes_.tolist()}")
        return targets.astype(np.int32)

    def _row_weights(self, y: npt.NDArray[Any], sample_weight: Any) -> Floats:
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

    def _settled(self) -> Floats:
        check_is_fitted(self, "state_")
        return super()._settled()

    def _scores(self, X: Any) -> Floats:  # noqa: N803
        check_is_fitted(self, "state_")
        return super()._scores(_canonical(validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)))


def _canonical(rows: Any) -> Any:
    """The rows as CSR in canonical format."""
    matrix = rows if sparse.issparse(rows) else sparse.csr_matrix(rows)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix


def _parts(rows: Any) -> Parts:
    return parts_of(_canonical(rows))
