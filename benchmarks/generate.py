"""Raw text of any size for measuring: seeded, streamed, English and Chinese, with a Zipf vocabulary and dirt at rates.

    python -m benchmarks.generate FOLDER --size 1GB [--files 8] [--seed 0] [--chinese 0.3] [--duplicates 0.03] ...

The same settings give the same bytes. Memory does not grow with size. A row's label follows from the meaning of its
words and from chance, so that there is something to learn.
"""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.settings import parse_size

LABELS = ("complaint", "inquiry", "suggestion")
_CHUNK_ROWS = 20_000
_WORDS = 30_000
_CONSONANTS, _VOWELS = "bcdfghklmnprstvw", "aeiou"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Shares of the rows, from 0 to 1.

    Attributes
    ----------
    chinese
        Texts in Chinese: words without blanks between them, a comma now and then.
    duplicates, near_duplicates
        Texts that repeat an earlier one; those that do but for one word at the end.
    blanks, full_width, line_breaks, commas
        Texts with runs of blanks, with full-width letters, with a line break and with commas inside quotes.
    empty
        Rows without a text.
    ragged
        Rows with a cell too many.
    noise
        Labels drawn by chance.
    """

    chinese: float = 0.3
    duplicates: float = 0.03
    near_duplicates: float = 0.02
    blanks: float = 0.05
    full_width: float = 0.02
    line_breaks: float = 0.03
    commas: float = 0.2
    empty: float = 0.005
    ragged: float = 0.0
    noise: float = 0.1


@cache
def vocabulary(words: int, seed: int, chinese_share: float) -> list[str]:
    """Distinct made-up words, most frequent first; every so many are Chinese."""
    rng = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < words:
        if rng.random() < chinese_share:
            word = "".join(chr(code) for code in rng.integers(0x4E00, 0x9000, rng.integers(1, 4)))
        else:
            letters = [rng.choice(list(_CONSONANTS)) + rng.choice(list(_VOWELS)) for _ in range(rng.integers(1, 5))]
            word = "".join(letters)
        found.setdefault(word)
    return list(found)


class _Writer:
    """Texts and labels, one chunk after the other."""

    def __init__(self, seed: int, rates: Rates) -> None:
        self._rng = np.random.default_rng(seed)
        self._rates = rates
        # One vocabulary for all files, or no word would mean the same in two of them.
        self._words = {chinese: pa.array(vocabulary(_WORDS, 0, float(chinese))) for chinese in (False, True)}
        weights = 1.0 / np.arange(1, _WORDS + 1) ** 1.05
        self._cumulative = np.cumsum(weights / weights.sum())
        self._meaning = np.random.default_rng(0).normal(0.0, 1.0, (_WORDS, len(LABELS)))
        self._earlier: tuple[pa.Array, npt.NDArray[Any]] | None = None

    def chunk(self, rows: int) -> tuple[pa.Array, npt.NDArray[np.int64]]:
        """Texts, of which some repeat those before, and their labels."""
        rng = self._rng
        lengths = np.maximum(1, rng.lognormal(2.6, 0.7, rows)).astype(np.int64)
        ends = np.cumsum(lengths)
        drawn = np.minimum(np.searchsorted(self._cumulative, rng.random(int(ends[-1]))), _WORDS - 1)
        chinese = rng.random(rows) < self._rates.chinese
        texts = self._joined(drawn, np.concatenate([[0], ends]), chinese)
        sums = np.add.reduceat(self._meaning[drawn], ends - lengths, axis=0)
        labels = np.where(rng.random(rows) < self._rates.noise, rng.integers(0, len(LABELS), rows), sums.argmax(axis=1))
        if self._earlier is not None:
            texts, labels = self._repeated(texts, labels)
        self._earlier = texts, labels
        return texts, labels

    def _joined(self, drawn: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], chinese: npt.NDArray[Any]) -> pa.Array:
        offsets, picks = pa.array(ends.astype(np.int32)), pa.array(drawn)
        english = pc.binary_join(pa.ListArray.from_arrays(offsets, self._words[False].take(picks)), " ")
        # As long in characters as in life: about two Chinese characters say what an English word does.
        other = pc.binary_join(pa.ListArray.from_arrays(offsets, self._words[True].take(picks)), "")
        paused = pc.replace_substring_regex(other, "^(.{6,12})(.{2,})", "\\1，\\2")
        return pc.if_else(pa.array(chinese), paused, english)

    def _repeated(self, texts: pa.Array, labels: npt.NDArray[np.int64]) -> tuple[pa.Array, npt.NDArray[np.int64]]:
        texts_before, labels_before = self._earlier or (texts, labels)
        chance = self._rng.random(len(texts))
        sources = self._rng.integers(0, len(texts_before), len(texts))
        exact = chance < self._rates.duplicates
        near = ~exact & (chance < self._rates.duplicates + self._rates.near_duplicates)
        copies = texts_before.take(pa.array(sources))
        changed = pc.binary_join_element_wise(copies, pa.array(np.where(near, "again", "")), " ")
        texts = pc.if_else(pa.array(near), changed, pc.if_else(pa.array(exact), copies, texts))
        return texts, np.where(exact | near, labels_before[sources], labels)


def _dirty(texts: pa.Array, rates: Rates, rng: np.random.Generator) -> pa.Array:
    """The texts as CSV cells, each with at most one kind of dirt."""
    chance, start = rng.random(len(texts)), 0.0
    kinds: list[tuple[float, Callable[[pa.Array], pa.Array]]] = [
        (
            rates.blanks,
            lambda some: pc.binary_join_element_wise(
                "  ", pc.replace_substring(some, " ", "   ", max_replacements=2), ""
            ),
        ),
        (rates.full_width, lambda some: pc.replace_substring(some, "a", "ａ")),
        (rates.line_breaks, lambda some: _quoted(pc.replace_substring(some, " ", "\n", max_replacements=1))),
        (rates.commas, lambda some: _quoted(pc.replace_substring(some, " ", ", ", max_replacements=1))),
        (rates.empty, lambda some: pc.replace_substring_regex(some, "(?s).*", "", max_replacements=1)),
    ]
    for rate, change in kinds:
        mask = pa.array((start <= chance) & (chance < start + rate))
        texts = pc.replace_with_mask(texts, mask, change(texts.filter(mask)))
        start += rate
    return texts


def _quoted(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', texts, '"', "")


def csv_chunks(size_bytes: int, seed: int = 0, *, rates: Rates | None = None, first_id: int = 0) -> Iterator[bytes]:
    """The bytes of one CSV file (columns id, text, label) of about `size_bytes`, chunk by chunk, header first.

    Parameters
    ----------
    size_bytes
        How much; the last chunk, of 20,000 rows or fewer, may go a little beyond.
    seed
        Of everything that is drawn.
    rates
        How much of what; the defaults of `Rates` where not given.
    first_id
        The id of the first row.
    """
    rates = rates or Rates()
    writer, rng = _Writer(seed, rates), np.random.default_rng([seed, 1])
    names = pa.array(LABELS)
    yield b"id,text,label\n"
    written, rows = 0, min(_CHUNK_ROWS, max(10, size_bytes // 100))
    while written < size_bytes:
        texts, labels = writer.chunk(rows)
        ids = pa.array(np.arange(first_id, first_id + rows)).cast(pa.string())
        ends = names.take(pa.array(labels))
        if rates.ragged:
            more = pc.binary_join_element_wise(ends, "more", ",")
            ends = pc.if_else(pa.array(rng.random(rows) < rates.ragged), more, ends)
        lines = pc.binary_join_element_wise(ids, _dirty(texts, rates, rng), ends, ",")
        whole = pa.ListArray.from_arrays(pa.array([0, rows], pa.int32()), lines)
        chunk: bytes = pc.binary_join(whole, "\n")[0].as_py().encode() + b"\n"
        first_id += rows
        written += len(chunk)
        yield chunk


def write_csv(folder: Path, size_bytes: int, files: int, seed: int = 0, *, rates: Rates | None = None) -> list[Path]:
    """CSV files that hold `size_bytes` together, each with a seed and with ids of its own; all cores write."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"part-{number:04d}.csv" for number in range(files)]
    tasks = [
        (path, size_bytes // files, seed * 10_000 + number, rates, number * 10**9) for number, path in enumerate(paths)
    ]
    if size_bytes < 20_000_000 or files == 1:
        for task in tasks:
            _write_file(*task)
        return paths
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as pool:
        list(pool.map(_write_file, *zip(*tasks, strict=True)))
    return paths


def _write_file(path: Path, size_bytes: int, seed: int, rates: Rates | None, first_id: int) -> None:
    with path.open("wb") as file:
        for chunk in csv_chunks(size_bytes, seed, rates=rates, first_id=first_id):
            file.write(chunk)


def main(arguments: Sequence[str] | None = None) -> None:
    """Nothing; the files lie in the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=parse_size, default=100_000_000, metavar="SIZE")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    names = [field.name for field in fields(Rates)]
    for name in names:
        share = getattr(Rates(), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=share, help=f"share of rows: {share:g}")
    given = parser.parse_args(arguments)
    rates = Rates(**{name: getattr(given, name) for name in names})
    write_csv(given.folder, given.size, given.files, given.seed, rates=rates)


if __name__ == "__main__":
    main()
