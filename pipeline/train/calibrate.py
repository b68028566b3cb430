"""Fitting calibration and thresholds on the rows that validate, which the model did not learn from."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError
from pipeline.execute import Execute, task_of
from pipeline.passed_file import PassedFile
from pipeline.text.hashing import read_only
from pipeline.text.portable_math import portable_exp, portable_log
from pipeline.train.calibration import Calibration
from pipeline.train.config import ThresholdConfig, TrainConfig
from pipeline.train.decision import Decision
from pipeline.train.evaluate import in_batches, opened_model
from pipeline.train.hashed import HashedBlock
from pipeline.train.score_bins import BINS, ScoreBins, centre_odds, edge_chance
from storage.compiled import kernel

Floats = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

_STEPS, _NEAR = 100, 1e-7
_LOWEST, _HIGHEST = 1e-2, 1e2
#: What keeps a curvature from zero where all rows are alike, and the shortest step that is tried.
_FLAT, _LEAST_SHARE = 1e-12, 1e-10


def require_validation(blocks: Sequence[HashedBlock], train: TrainConfig) -> None:
    """Nothing where rows validate, or none need to.

    Raises
    ------
    DataError
        If there are none to calibrate with.
    """
    rows = sum(block.validation_rows for block in blocks)
    if rows == 0 and (train.calibration != "none" or train.threshold is not None):
        raise DataError(
            f"no row is there to calibrate with: validation = {train.validation} of the training rows are none",
            "Set a larger validation in [train], or leave calibration and threshold out",
        )


def fit_temperature(model: PassedFile, blocks: Sequence[HashedBlock], folder: Path, execute: Execute) -> Calibration:
    """The temperature at which the rows that validate are likeliest.

    Their scores are written to `folder` once, a file a block, and read through memory maps for each step.
    """
    folder = folder / f"scores-{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    held = {folder / f"{number:08d}": block for number, block in enumerate(filter(_validates, blocks))}
    tasks = [task_of(write_scores, model, dict(batch)) for batch in in_batches(list(held.items()))]
    places = [place for batch in execute("calibrate", tasks) for place in batch]
    scale: float = execute("calibrate", [task_of(best_scale, places)])[0]
    return Calibration(method="temperature", scale=scale)


def _validates(block: HashedBlock) -> bool:
    return block.validation_rows > 0


def write_scores(passed: PassedFile, blocks: Mapping[Path, HashedBlock]) -> list[str]:
    """Where the scores and label numbers of each block's rows that validate are: two files that start so."""
    model = opened_model(passed.path)
    for place, block in blocks.items():
        np.save(f"{place}.scores.npy", model.scores(block.validation_matrix()))
        np.save(f"{place}.targets.npy", block.validation_targets(model.labels).astype(np.int64))
    return list(map(str, blocks))


def best_scale(places: Sequence[str]) -> float:
    """What to multiply scores by so that the true labels are likeliest: a root of the slope of a convex function."""
    pairs = [(np.load(f"{p}.scores.npy", mmap_mode="r"), np.load(f"{p}.targets.npy", mmap_mode="r")) for p in places]

    def slope(scale: float) -> float:
        return sum(loss_slope(read_only(scores), read_only(targets), scale) for scores, targets in pairs)

    low, high = _LOWEST, _HIGHEST
    if slope(low) >= 0:
        return low
    if slope(high) <= 0:
        return high
    for _ in range(_STEPS):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
        if high - low < _NEAR * low:
            break
    return float(np.float32(np.sqrt(low * high)))


@kernel
def loss_slope(scores: Floats, targets: Longs, scale: float) -> float:
    """The derivative of the summed log loss by the number that scores are multiplied by."""
    columns = scores.shape[1]
    chances = np.empty(columns, np.float64)
    total = 0.0
    for row in range(scores.shape[0]):
        target = targets[row]
        if target < 0:
            continue
        if columns == 1:
            score = np.float64(scores[row, 0])
            total += (1.0 / (1.0 + portable_exp(-scale * score)) - target) * score
            continue
        highest = np.float64(scores[row].max())
        whole = 0.0
        for column in range(columns):
            chances[column] = portable_exp(scale * (np.float64(scores[row, column]) - highest))
            whole += chances[column]
        for column in range(columns):
            total += chances[column] / whole * np.float64(scores[row, column])
        total -= np.float64(scores[row, target])
    return total


def fit_isotonic(bins: ScoreBins) -> Calibration:
    """The rising steps of each label's share of rows by log-odds, pooling neighbours that fall (Ayer et al. 1955).

    Shares keep from 0 and 1 what one row more could change.
    """
    steps = []
    for positives, negatives in zip(bins.positives, bins.negatives, strict=True):
        used = np.flatnonzero(positives + negatives)
        if len(used) == 0:
            used = np.array([0, BINS - 1])
        steps.append(_rising(centre_odds()[used], positives[used], (positives + negatives)[used]))
    return Calibration(method="isotonic", steps=tuple(steps))


def _rising(odds: Doubles, hits: Longs, rows: Longs) -> tuple[tuple[float, float], ...]:
    # Blocks of first and last place, hits and rows; whole numbers are compared without rounding.
    blocks: list[list[int]] = []
    for place in range(len(odds)):
        blocks.append([place, place, int(hits[place]), int(rows[place])])
        while len(blocks) > 1 and blocks[-2][2] * blocks[-1][3] >= blocks[-1][2] * blocks[-2][3]:
            _, last, more_hits, more_rows = blocks.pop()
            blocks[-1][1] = last
            blocks[-1][2] += more_hits
            blocks[-1][3] += more_rows
    points = []
    least = 1.0 / (2 + int(rows.sum()))
    for first, last, right, whole in blocks:
        share = min(max(right / max(whole, 1), least), 1.0 - least)
        points += [(float(odds[place]), share) for place in sorted({first, last})]
    return tuple(points)


def fit_platt(bins: ScoreBins) -> Calibration:
    """A logistic curve over each label's log-odds under which the rows are likeliest.

    Targets keep from 0 and 1 what one row more could change (Platt 1999); the search is Newton's method with halved
    steps (Lin, Lin, Weng 2007).
    """
    odds = read_only(centre_odds())
    lines = [
        logistic_line(odds, read_only(positives), read_only(negatives))
        for positives, negatives in zip(bins.positives, bins.negatives, strict=True)
    ]
    return Calibration(method="platt", lines=tuple(lines))


@kernel
def logistic_line(odds: Doubles, positives: Longs, negatives: Longs) -> tuple[float, float]:
    """Slope and shift of the line of log-odds that makes these counts likeliest."""
    hits, misses = positives.sum(), negatives.sum()
    high, low = (hits + 1.0) / (hits + 2.0), 1.0 / (misses + 2.0)
    slope, shift = 0.0, portable_log((hits + 1.0) / (misses + 1.0))
    loss = _line_loss(odds, positives, negatives, high, low, slope, shift)
    for _ in range(_STEPS):
        down_slope, down_shift = 0.0, 0.0
        bend_slope, bend_both, bend_shift = _FLAT, 0.0, _FLAT
        for place in range(len(odds)):
            rows = positives[place] + negatives[place]
            if rows == 0:
                continue
            chance = 1.0 / (1.0 + portable_exp(-(slope * odds[place] + shift)))
            surplus = rows * chance - (positives[place] * high + negatives[place] * low)
            bend = rows * chance * (1.0 - chance)
            down_slope += surplus * odds[place]
            down_shift += surplus
            bend_slope += bend * odds[place] * odds[place]
            bend_both += bend * odds[place]
            bend_shift += bend
        whole = bend_slope * bend_shift - bend_both * bend_both
        step_slope = (bend_both * down_shift - bend_shift * down_slope) / whole
        step_shift = (bend_both * down_slope - bend_slope * down_shift) / whole
        share = 1.0
        while share > _LEAST_SHARE:
            new_slope, new_shift = slope + share * step_slope, shift + share * step_shift
            new_loss = _line_loss(odds, positives, negatives, high, low, new_slope, new_shift)
            if new_loss < loss:
                break
            share /= 2.0
        if share <= _LEAST_SHARE:
            break
        slope, shift, loss = new_slope, new_shift, new_loss
    return slope, shift


@kernel
def _line_loss(
    odds: Doubles, positives: Longs, negatives: Longs, high: float, low: float, slope: float, shift: float
) -> float:
    loss = 0.0
    for place in range(len(odds)):
        rows = positives[place] + negatives[place]
        if rows == 0:
            continue
        score = slope * odds[place] + shift
        # log(1 + exp(score)) without an overflow.
        loss += rows * (max(score, 0.0) + portable_log(1.0 + portable_exp(-abs(score))))
        loss -= (positives[place] * high + negatives[place] * low) * score
    return loss


def choose_thresholds(bins: ScoreBins, labels: Sequence[str], threshold: ThresholdConfig) -> Decision:
    """The thresholds that reach the target on the rows that validate.

    Parameters
    ----------
    bins
        Of those rows.
    labels
        The model's labels.
    threshold
        The target. With two labels, or one label named, there is one threshold, and a text below it gets another label.

    Raises
    ------
    DataError
        If the label is none of the model's.
    """
    single = threshold.label if threshold.label is not None else labels[1] if len(labels) == 2 else None
    if single is not None and single not in labels:
        raise DataError(
            f'threshold.label = "{single}" is no label of the rows that train; there are {", ".join(labels)}',
            "Name one of these in [train.threshold]",
        )
    chosen = [single] if single is not None else list(labels)
    found = {label: _best_threshold(bins, labels.index(label), threshold) for label in chosen}
    if single is None:
        thresholds = tuple(found[label]["threshold"] for label in labels)
        return Decision(thresholds=thresholds, undecided=threshold.target != "f1", expected=found)
    return Decision(
        thresholds=tuple(found[label]["threshold"] if label == single else 0.0 for label in labels),
        undecided=False,
        single=labels.index(single),
        expected=found,
    )


def missed(decision: Decision, threshold: ThresholdConfig) -> tuple[str, ...]:
    """A sentence for each label whose threshold does not reach the target, which is then as near as can be."""
    if threshold.target == "f1":
        return ()
    return tuple(
        f'No threshold gives label "{label}" a {threshold.target} of {threshold.at_least:g} on the rows that validate; '
        f"it has the one with {facts[threshold.target]:.3f}."
        for label, facts in decision.expected.items()
        if facts[threshold.target] < threshold.at_least
    )


def _best_threshold(bins: ScoreBins, place: int, threshold: ThresholdConfig) -> dict[str, float]:
    hits = np.cumsum(bins.positives[place][::-1])[::-1]
    alarms = np.cumsum(bins.negatives[place][::-1])[::-1]
    support = max(int(hits[0]), 1)
    given = hits + alarms
    precision = np.where(given > 0, hits / np.maximum(given, 1), 0.0)
    recall = hits / support
    f1 = 2 * hits / np.maximum(given + support, 1)
    if threshold.target == "f1":
        at = int(f1.argmax())
    else:
        goal, other = (precision, recall) if threshold.target == "precision" else (recall, precision)
        reached = np.where(hits > 0, goal, 0.0)
        fitting = np.flatnonzero(reached >= min(threshold.at_least, reached.max()))
        at = int(fitting[other[fitting].argmax()])
    edge = min(max(edge_chance(at), 1e-6), 1 - 1e-6)
    return {"threshold": edge, "precision": float(precision[at]), "recall": float(recall[at]), "f1": float(f1[at])}
