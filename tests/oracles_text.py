"""Slow, obvious references for features and training, and versions made of a table, for tests."""

import math
import re
import unicodedata

import numpy as np
import pyarrow.parquet as pq

from pipeline.text.unicode_tables import IDEOGRAPH, unicode_tables
from storage.versions import DataFile, Snapshot, Version


def is_ideograph(character):
    return bool(unicode_tables().kinds[ord(character)] & IDEOGRAPH)


def is_word(character):
    return character.isalnum() or character == "_"


def is_punctuation(character):
    return unicodedata.category(character) in {"Pd", "Ps", "Pe", "Pc", "Po", "Pi", "Pf"} and not is_word(character)


def chinese_grams(text, low, high, keep_punctuation=False):
    """The n-grams of the Chinese analyzer, built from strings."""
    text = text.lower()
    if not any(map(is_word, text)):
        return []
    runs, after_lone = [], False
    apart = text if keep_punctuation else "".join(f" {one} " if is_punctuation(one) else one for one in text)
    for piece in apart.split():
        if not keep_punctuation and is_punctuation(piece[0]):
            after_lone = False
            continue
        lone = len(piece) == 1 and is_ideograph(piece)
        if lone and after_lone:
            runs[-1] += piece
        else:
            runs.append(piece)
        # A run that ends in an ideograph alone between spaces goes on only with another such ideograph.
        after_lone = lone
    grams = []
    for run in runs:
        units = f" {run} "
        for length in range(low, high + 1):
            grams += [units[at : at + length] for at in range(len(units) - length + 1)]
    if low == 1:
        letters = "".join(one if is_word(one) and not is_ideograph(one) else " " for one in text)
        grams += [word for word in re.split(" +", letters) if len(word) >= 3]
    return grams


def murmur_64a(data, seed):
    """MurmurHash64A with Python's integers."""
    mask, m = 2**64 - 1, 0xC6A4A7935BD1E995
    state = (seed ^ (len(data) * m)) & mask
    whole = len(data) // 8 * 8
    for at in range(0, whole, 8):
        word = int.from_bytes(data[at : at + 8], "little") * m & mask
        word ^= word >> 47
        state = (state ^ (word * m & mask)) * m & mask
    if data[whole:]:
        state = (state ^ int.from_bytes(data[whole:], "little")) * m & mask
    state = (state ^ (state >> 47)) * m & mask
    return state ^ (state >> 47)


def online_logistic(rows, targets, classes, rate, l2, first_square):
    """Weights and intercept after one pass over dense rows in float64, each weight pulled at each row it is in.

    The pull of the rows a feature is not in is saved up and taken when it is in a row again, all at once.
    """
    columns = 1 if classes == 2 else classes
    weights = np.zeros((rows.shape[1], columns))
    squares = np.full_like(weights, first_square)
    intercept, intercept_squares = np.zeros(columns), np.ones(columns)
    seen = np.zeros(rows.shape[1])
    for clock, (row, target) in enumerate(zip(rows, targets, strict=True), start=1):
        inside = np.flatnonzero(row)
        pull = (clock - seen[inside]) * l2 * rate
        weights[inside] /= 1 + pull[:, None] / np.sqrt(squares[inside])
        seen[inside] = clock
        scores = intercept + row @ weights
        if columns == 1:
            slope = np.array([1 / (1 + math.exp(-scores[0])) - target])
        else:
            slope = np.exp(scores - scores.max())
            slope /= slope.sum()
            slope[target] -= 1
        intercept_squares += slope**2
        intercept -= rate * slope / np.sqrt(intercept_squares)
        gradient = np.outer(row[inside], slope)
        squares[inside] += gradient**2
        weights[inside] -= rate * gradient / np.sqrt(squares[inside])
    pull = (len(rows) - seen) * l2 * rate
    return weights / (1 + pull[:, None] / np.sqrt(squares)), intercept


def snapshot_of(table, folder, files=1, row_group_rows=1000):
    """A version's snapshot made of `table`, in `files` files of about equal size."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = []
    for number in range(files):
        start, stop = table.num_rows * number // files, table.num_rows * (number + 1) // files
        path = folder / f"part-{number:03d}.parquet"
        pq.write_table(table.slice(start, stop - start), path, row_group_size=row_group_rows)
        stored.append(DataFile(path=str(path), rows=stop - start, bytes=path.stat().st_size))
    version = Version(
        dataset="tickets",
        number=1,
        fingerprint="sha256:0",
        rows=table.num_rows,
        bytes=sum(file.bytes for file in stored),
        files=files,
        created_at="2026-01-01T00:00:00+00:00",
        run="run",
        mode="replace",
        message="",
        author="",
        ledger={},
    )
    return Snapshot(version=version, schema=table.schema, files=tuple(stored), uniform=True)
