"""Work on just those rows that need it."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc


def on_rows(texts: pa.Array, need: pa.Array, transform: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """The texts with `transform` applied where `need` is true; null needs nothing.

    Parameters
    ----------
    texts
        Text array.
    need
        Boolean array of the same length.
    transform
        From the texts in need to as many texts of the same type.
    """
    mask = pc.fill_null(need, False)
    some = texts.filter(mask)
    if len(some) == 0:
        return texts
    if len(some) == len(texts):
        return transform(texts)
    return pc.replace_with_mask(texts, mask, transform(some))


def each_text(texts: pa.Array, function: Callable[[str], str]) -> pa.Array:
    """The texts mapped one by one by a Python function, each distinct text once; null stays null."""
    encoded = texts.dictionary_encode()
    mapped = pa.array([function(text) for text in encoded.dictionary.to_pylist()], texts.type)
    return mapped.take(encoded.indices)
