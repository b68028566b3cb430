"""What near-duplicate contenders share: the rows, and how good a set of found duplicates is. Standard library alone."""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

#: Words or characters that make a shingle, least similarity, and how signatures are cut: the same for everyone.
WORDS, CHARACTERS, THRESHOLD, BANDS, VALUES = 3, 4, 0.8, 21, 6


def texts_of(folder: str) -> list[str]:
    """The rows: one a line."""
    return (Path(folder) / "texts.txt").read_text(encoding="utf-8").splitlines()


def shingles(text: str, *, chinese: bool) -> set[str]:
    """The runs of words, or of characters, that a text is compared by."""
    parts = list(text) if chinese else text.split(" ")
    size = min(CHARACTERS if chinese else WORDS, len(parts))
    joint = "" if chinese else " "
    return {joint.join(parts[at : at + size]) for at in range(len(parts) - size + 1)}


def timed(work: Callable[[], dict[int, int]], folder: str) -> dict[str, float]:
    """Seconds of `work`, which answers the row that stays for each that goes; and its recall and precision.

    Recall is over all planted pairs that are similar enough: both must be in one cluster. Precision is the share of the
    rows taken out that are similar enough to some other row.
    """
    cpu, began = time.process_time(), time.perf_counter()
    stays = work()
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    pairs = json.loads((Path(folder) / "pairs.json").read_text())
    together = sum(stays.get(i, i) == stays.get(j, j) for i, j in pairs)
    similar = {row for pair in pairs for row in pair}
    return {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "recall": together / len(pairs),
        "precision": sum(row in similar for row in stays) / max(1, len(stays)),
        "found": float(len(stays)),
    }


def clusters(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """For each row that is not the first of its cluster, the first."""
    parents: dict[int, int] = {}

    def find(row: int) -> int:
        while row in parents:
            row = parents[row]
        return row

    for pair in pairs:
        first, last = sorted(map(find, pair))
        if first != last:
            parents[last] = first
    return {row: find(row) for row in parents}


def verified(candidates: Iterable[tuple[int, int]], sets: list[set[str]]) -> Iterable[tuple[int, int]]:
    """The pairs whose exact Jaccard similarity is at least the threshold."""
    for i, j in candidates:
        common = len(sets[i] & sets[j])
        if common >= THRESHOLD * (len(sets[i]) + len(sets[j]) - common):
            yield i, j


def counted(folder: str, **_: Any) -> dict[str, int]:
    """How many rows there are."""
    return {"rows": len(texts_of(folder))}
