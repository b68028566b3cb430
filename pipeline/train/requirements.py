"""What rows must be like to train and test a classifier, checked once they are counted."""

from collections.abc import Mapping, Sequence

from pipeline.errors import DataError
from pipeline.text.tfidf import Weighting
from pipeline.train.config import TrainConfig
from pipeline.train.hashed import HashedBlock


def require_trainable(
    blocks: Sequence[HashedBlock], train: TrainConfig, learned: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Rows that train by label, in the order of the labels; those that an earlier model has `learned` count too.

    Raises
    ------
    DataError
        If there are no rows, no rows on one side, or fewer than two labels that train.
    """
    rows = sum(block.rows for block in blocks)
    testing = sum(block.test_rows for block in blocks)
    counts: dict[str, int] = dict(learned or {})
    for block in blocks:
        for label, number in block.train_labels.items():
            counts[label] = counts.get(label, 0) + number
    counts = dict(sorted(counts.items()))
    if not counts and not testing:
        raise DataError(
            f'none of the {rows} rows of the version has a label in column "{train.label}": there is nothing to learn',
            "Name the column with the labels as label in [train], or see `textmill fates` for why rows were left out",
        )
    if not counts or not testing:
        side, other = ("train", "test") if not counts else ("test", "train")
        raise DataError(
            f"no row is there to {side}: all {testing + sum(counts.values())} rows with a label {other}",
            "Change split in [train]: test is a share of the rows, test_files are patterns of source files, "
            "column and test name a column and its value",
        )
    if len(counts) < 2:
        raise DataError(
            f'all {sum(counts.values())} rows that train have the label "{next(iter(counts))}" in column '
            f'"{train.label}", and a classifier needs two labels or more',
            "Add rows of another label, or name another column as label in [train]",
        )
    return counts


def require_features(weighting: Weighting, train: TrainConfig) -> None:
    """Nothing where at least one bucket is in use.

    Raises
    ------
    DataError
        If none is.
    """
    if len(weighting.buckets) == 0:
        features = weighting.features
        raise DataError(
            f'no text in column "{train.text}" has a feature with analyzer "{features.analyzer}", '
            f"ngrams {list(features.ngram_range)} and min_df {features.min_df}",
            "Name the column that holds text as text in [train], use analyzer chinese or char for text without spaces, "
            "or lower min_df in [features]",
        )
