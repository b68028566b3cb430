"""Raw text of any size for measuring: seeded, streamed, with a Zipf vocabulary and dirt at set rates.

The same seed and size give the same bytes. Memory does not grow with size.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

_CHUNK_ROWS = 20_000
_LABELS = ("complaint", "inquiry", "suggestion")
_CONSONANTS, _VOWELS = "bcdfghklmnprstvw", "aeiou"


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


def csv_chunks(size_bytes: int, seed: int = 0, *, chinese_share: float = 0.3) -> Iterator[bytes]:
    """The bytes of one CSV file (columns id, text, label) of about `size_bytes`, chunk by chunk, header first.

    5 % of the texts have runs of blanks and blank edges, 2 % full-width characters, 3 % line breaks inside quotes,
    20 % commas inside quotes, and 0.5 % are empty.
    """
    rng = np.random.default_rng(seed)
    words = np.array(vocabulary(30_000, seed, chinese_share), dtype=object)
    weights = 1.0 / np.arange(1, len(words) + 1) ** 1.05
    cumulative = np.cumsum(weights / weights.sum())
    written = 0
    yield b"id,text,label\n"
    first = 0
    while written < size_bytes:
        lengths = np.maximum(1, rng.lognormal(2.6, 0.7, _CHUNK_ROWS)).astype(np.int64)
        drawn = words[np.minimum(np.searchsorted(cumulative, rng.random(int(lengths.sum()))), len(words) - 1)]
        ends = np.cumsum(lengths)
        dirt = rng.random(_CHUNK_ROWS)
        labels = rng.integers(0, 3, _CHUNK_ROWS)
        lines = []
        for row in range(_CHUNK_ROWS):
            text = " ".join(drawn[ends[row] - lengths[row] : ends[row]])
            lines.append(f"{first + row},{_dirty(text, dirt[row])},{_LABELS[labels[row]]}\n")
        chunk = "".join(lines).encode()
        first += _CHUNK_ROWS
        written += len(chunk)
        yield chunk


def _dirty(text: str, dirt: float) -> str:
    if dirt < 0.05:
        return "  " + text.replace(" ", "   ", 2) + " "
    if dirt < 0.07:
        return text.replace("a", "\uff41").replace("1", "\uff11")
    if dirt < 0.10:
        return '"' + text.replace(" ", "\n", 1) + '"'
    if dirt < 0.30:
        return '"' + text.replace(" ", ", ", 1) + '"'
    if dirt < 0.305:
        return ""
    return text


def write_csv(folder: Path, size_bytes: int, files: int, seed: int = 0) -> list[Path]:
    """CSV files that hold `size_bytes` together, each with a seed of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(files):
        path = folder / f"part-{number:04d}.csv"
        with path.open("wb") as file:
            for chunk in csv_chunks(size_bytes // files, seed + number):
                file.write(chunk)
        paths.append(path)
    return paths
