"""The columns a model learns from: checked once against the version, then read block by block."""

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import DataError
from pipeline.frame import SOURCE
from pipeline.ingest.reading.columns.casting import cast_text
from pipeline.ingest.reading.columns.column_types import parse_type
from pipeline.train.config import TrainConfig

#: Characters of a text that an error shows.
_SHOWN = 60


def needed_columns(train: TrainConfig) -> tuple[str, ...]:
    """Names of the columns that training reads, without repetition."""
    names = [train.text, train.label]
    split = train.split
    names += [name for name in (train.weight, split.column, split.group, split.time) if name is not None]
    if train.split.test_files:
        names.append(SOURCE)
    return tuple(dict.fromkeys(names))


def require_columns(schema: pa.Schema, names: Sequence[str], dataset: str) -> None:
    """Nothing where `schema` has all `names` and each can be read as text.

    Raises
    ------
    DataError
        If a column is missing, or holds nested or binary values.
    """
    for name in names:
        if name not in schema.names:
            close = get_close_matches(name, schema.names, 1)
            hint = f'Did you mean "{close[0]}"? ' if close else ""
            raise DataError(
                f'dataset {dataset} has no column "{name}"',
                f"{hint}Its columns: {', '.join(schema.names)}; set text, label and split in [train]",
            )
        kind = schema.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise DataError(
                f'column "{name}" of dataset {dataset} holds {kind}, which cannot be read as text',
                "Name another column in [train]",
            )


def weights_of(table: pa.Table, train: TrainConfig) -> npt.NDArray[np.float32] | None:
    """How much each row counts, shape (rows,), NaN where that is no number; None where all count the same."""
    if train.weight is None:
        return None
    numbers, _ = cast_text(table[train.weight].combine_chunks().cast(pa.string()), parse_type("float"))
    # What is too large becomes infinite.
    with np.errstate(over="ignore"):
        return np.asarray(numbers.fill_null(np.nan)).astype(np.float32)


def require_weights(
    weights: npt.NDArray[np.float32], trains: npt.NDArray[np.bool_], table: pa.Table, train: TrainConfig
) -> None:
    """Nothing where the weights of all rows that train are numbers of 0 or more.

    Raises
    ------
    DataError
        If one is not.
    """
    bad = trains & ~((weights >= 0) & np.isfinite(weights))
    if bad.any():
        cell, text = (table[name][int(np.argmax(bad))].as_py() for name in (train.weight, train.text))
        raise DataError(
            f'column "{train.weight}" holds no number of 0 or more in {int(bad.sum())} of the rows that train: '
            f"{cell!r} beside the text {str(text)[:_SHOWN]!r}",
            "Leave such rows out with a check in the job, or leave weight out of [train]",
        )


def as_text(column: pa.ChunkedArray) -> pa.Array:
    """A column as one text array; numbers and truth values as they are written."""
    return column.combine_chunks().cast(pa.large_string())
