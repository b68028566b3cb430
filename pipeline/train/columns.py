"""The columns a model learns from: checked once against the version, then read block by block."""

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.frame import SOURCE
from pipeline.text.hashing import hash_contents
from pipeline.train.config import SplitConfig, TrainConfig

_OTHER_KEY = 0x5851F42D4C957F2D


def needed_columns(train: TrainConfig) -> tuple[str, ...]:
    """Names of the columns that training reads, without repetition."""
    names = [train.text, train.label]
    if train.split.column is not None:
        names.append(train.split.column)
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


def rows_that_test(table: pa.Table, text: pa.Array, split: SplitConfig) -> npt.NDArray[np.bool_]:
    """Which rows test the model, shape (rows,).

    It depends on each row alone: on its text, its source file, or its column, as `split` says.

    Parameters
    ----------
    table
        Holds the split's column, or the source, where `split` needs it.
    text
        Each row's text.
    split
        Which rows test.
    """
    if split.column is not None:
        marked = pc.equal(as_text(table[split.column]), pa.scalar(str(split.test), pa.large_string()))
        return np.asarray(pc.fill_null(marked, False))
    if split.test_files:
        sources = as_text(table[SOURCE]).dictionary_encode()
        # The last item is for a null source, whose code becomes -1.
        tests = np.array([_matches(name, split.test_files) for name in [*sources.dictionary.to_pylist(), None]])
        return np.asarray(tests[np.asarray(pc.fill_null(sources.indices, -1))])
    return hash_contents(text, split.seed) < np.uint64(float(split.test) * 2**64)


def rows_that_validate(text: pa.Array, train: TrainConfig) -> npt.NDArray[np.bool_]:
    """Which rows tell when to stop, should they not test, shape (rows,): equal texts are on one side."""
    if train.validation == 0:
        return np.zeros(len(text), np.bool_)
    # Another key than that of the test rows, so that both choices know nothing of one another.
    return hash_contents(text, train.split.seed ^ _OTHER_KEY) < np.uint64(train.validation * 2**64)


def _matches(source: str | None, patterns: Sequence[str]) -> bool:
    # A pattern without a folder means the file's name, wherever it lies.
    if source is None:
        return False
    name = PurePosixPath(source).name
    return any(fnmatchcase(source, pattern) or fnmatchcase(name, pattern) for pattern in patterns)
