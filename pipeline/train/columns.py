"""The columns a model learns from: checked once against the version, then read block by block."""

from collections.abc import Sequence
from difflib import get_close_matches

import pyarrow as pa

from pipeline.errors import DataError
from pipeline.frame import SOURCE
from pipeline.train.config import TrainConfig


def needed_columns(train: TrainConfig) -> tuple[str, ...]:
    """Names of the columns that training reads, without repetition."""
    names = [train.text, train.label]
    names += [name for name in (train.split.column, train.split.group, train.split.time) if name is not None]
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


def as_text(column: pa.ChunkedArray) -> pa.Array:
    """A column as one text array; numbers and truth values as they are written."""
    return column.combine_chunks().cast(pa.large_string())
