"""Hashed n-gram counts of Arrow text, equal to scikit-learn's `HashingVectorizer`."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from pipeline.text.config import FeatureConfig
from pipeline.text.grams import (
    CHAR_CODE,
    CHAR_WB_CODE,
    CHINESE_CODE,
    CHINESE_MARKS_CODE,
    CHINESE_WORD_CODE,
    WORD_CODE,
    hash_documents,
)
from pipeline.text.murmur import content_hashes
from pipeline.text.normal_hashes import normal_hashes
from pipeline.text.segmentation import in_words
from pipeline.text.stop_words import stop_table
from pipeline.text.unicode_tables import unicode_tables

_Item = TypeVar("_Item", bound=np.generic)

_CODES = {
    "word": WORD_CODE,
    "char": CHAR_CODE,
    "char_wb": CHAR_WB_CODE,
    "chinese": CHINESE_CODE,
    "chinese_word": CHINESE_WORD_CODE,
}


def analyzer_code(features: FeatureConfig) -> int:
    """The number that compiled code knows the analyzer by."""
    return CHINESE_MARKS_CODE if features.keep_punctuation else _CODES[features.analyzer]


def text_buffers(texts: pa.Array | pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Offsets, shape (rows + 1,), int64, and UTF-8 bytes of a text column; a null reads as an empty text.

    Parameters
    ----------
    texts
        Text of any Arrow layout: string, large_string, string_view, dictionary, chunked or sliced.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    texts = texts.cast(pa.large_string())
    if texts.null_count:
        texts = pc.fill_null(texts, "")
    if len(texts) == 0:
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int64, count=len(texts) + 1, offset=8 * texts.offset)
    letters = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return bounds - bounds[0], letters[bounds[0] : bounds[-1]]


def documents(
    texts: pa.Array | pa.ChunkedArray, features: FeatureConfig
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """As `text_buffers`, of texts that the analyzer can cut."""
    return text_buffers(in_words(texts, features))


def hash_texts(texts: pa.Array | pa.ChunkedArray, features: FeatureConfig) -> sparse.csr_matrix:
    """Signed n-gram counts, shape (rows, 2**bits), float32, indices sorted within a row, duplicates summed.

    With the analyzers `word`, `char` and `char_wb` the result equals
    ``HashingVectorizer(analyzer=..., ngram_range=..., n_features=2**bits, norm=None, lowercase=..., stop_words=...)``:
    the same indices, the same values. A null or empty text is an empty row.
    With `chinese_word`, words are runs of letters, digits and underscores, of one character too, in the text as
    `pipeline.text.segmentation.in_words` gives it.

    Parameters
    ----------
    texts
        Text of any Arrow layout.
    features
        Analyzer, n-grams, bits, lower-casing, stop words and punctuation are used; weighting is not.

    Examples
    --------
    >>> hash_texts(pa.array(["late again", None]), FeatureConfig()).shape
    (2, 1048576)
    """
    offsets, data = documents(texts, features)
    low, high = features.ngram_range
    tables = unicode_tables()
    bounds = np.zeros(len(offsets), np.int64)
    # Pages that are never written cost nothing, and growing moves pages, not bytes.
    room = 1024 + len(data) * (high - low + 1) * (1 if features.analyzer == "word" else 5) // 4
    indices, values = np.empty(room, np.int32), np.empty(room, np.float32)
    done = 0
    while True:
        done = hash_documents(
            read_only(offsets),
            read_only(data),
            analyzer_code(features),
            low,
            high,
            features.hash_bits,
            features.lowercase,
            tables.lower,
            tables.kinds,
            stop_table(features.stop_words),
            done,
            bounds,
            indices,
            values,
        )
        if done == len(offsets) - 1:
            break
        room *= 2
        indices.resize(room, refcheck=False)
        values.resize(room, refcheck=False)
    indices.resize(bounds[-1], refcheck=False)
    values.resize(bounds[-1], refcheck=False)
    return csr(bounds, indices, values, features.width)


def hash_contents(texts: pa.Array | pa.ChunkedArray, seed: int) -> npt.NDArray[np.uint64]:
    """A keyed 64-bit hash (MurmurHash64A) of each text's bytes, shape (rows,); equal texts have equal hashes."""
    offsets, data = text_buffers(texts)
    return content_hashes(read_only(offsets), read_only(data), np.uint64(seed))


def hash_normal_forms(texts: pa.Array | pa.ChunkedArray, seed: int) -> npt.NDArray[np.uint64]:
    """A keyed 64-bit hash (MurmurHash64A) of each text's normal form, shape (rows,).

    The normal form is the text's words (letters, digits and underscores) in lower case with one blank between two, or
    the lower-cased text where it has no word: texts that differ in case, punctuation or spacing alone hash the same.
    """
    offsets, data = text_buffers(texts)
    tables = unicode_tables()
    return normal_hashes(read_only(offsets), read_only(data), tables.lower, tables.kinds, np.uint64(seed))


def csr(
    bounds: npt.NDArray[np.int64], indices: npt.NDArray[np.int32], values: npt.NDArray[np.float32], width: int
) -> sparse.csr_matrix:
    """The CSR matrix of these parts, known to be sorted and without duplicates."""
    narrow = bounds.astype(np.int32) if bounds[-1] <= np.iinfo(np.int32).max else bounds
    matrix = sparse.csr_matrix((values, indices, narrow), shape=(len(bounds) - 1, width), copy=False)
    matrix.has_canonical_format = True
    return matrix


def read_only(array: npt.NDArray[_Item]) -> npt.NDArray[_Item]:
    """A contiguous view that cannot be written: one kind of array means one compiled version of what reads it."""
    view = np.ascontiguousarray(array).view()
    view.setflags(write=False)
    return view
