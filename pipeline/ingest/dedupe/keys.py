"""The 128-bit keys that tell equal rows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.frame import column_or_null
from pipeline.ingest.dedupe.murmur import SEED, extend_keys
from pipeline.ingest.operations.operation import is_text, plain_texts
from pipeline.ingest.operations.text import CollapseWhitespace, NormalizeUnicode, Trim
from storage.memory import new_array


def exact_keys(table: pa.Table, columns: Sequence[str], normalize: Sequence[str] = ()) -> npt.NDArray[np.uint64]:
    """A key for each row, equal for rows with equal values in `columns`.

    Two rows of different values share a key with a probability of about 2**-128; among ten billion rows the chance
    of a single such pair is below 10**-18.

    Parameters
    ----------
    table
        Any table; a column that it lacks counts as null.
    columns
        The columns to compare, in this order. Null equals null, and not the empty text.
    normalize
        What makes no difference between texts, see `DedupeConfig.normalize`.

    Returns
    -------
    numpy.ndarray
        Shape (rows, 2), uint64. Depends on the values alone: not on chunks, dictionary encoding, or the machine.
    """
    keys = new_array((table.num_rows, 2), np.uint64)
    keys[:] = SEED
    for name in columns:
        extend_keys(keys, normalized(_as_text(column_or_null(table, name)), normalize))
    return keys


def normalized(texts: pa.ChunkedArray, normalize: Sequence[str]) -> pa.ChunkedArray:
    """The texts without the differences that `normalize` names, whatever the order it names them in."""
    chunks = texts.chunks
    if "nfkc" in normalize:
        chunks = [NormalizeUnicode().transform(chunk) for chunk in chunks]
    if "lowercase" in normalize:
        chunks = [pc.utf8_lower(chunk) for chunk in chunks]
    if "punctuation" in normalize:
        chunks = [pc.replace_substring_regex(chunk, r"[\p{P}\p{S}]+", "") for chunk in chunks]
    if "whitespace" in normalize:
        chunks = [Trim().transform(CollapseWhitespace().transform(chunk)) for chunk in chunks]
    return pa.chunked_array(chunks, texts.type)


def _as_text(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray:
    """The column's values spelled out, equal values the same way."""
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    column = plain_texts(column)
    kind = column.type
    if is_text(kind):
        return column
    if pa.types.is_floating(kind):
        column = pc.add(column, pa.scalar(0.0, kind))  # -0.0 equals 0.0
    elif pa.types.is_temporal(kind):
        column = pc.cast(column, pa.int32() if kind.bit_width == 32 else pa.int64())
    return pc.cast(column, pa.string())
