"""Near-duplicates by rensa (Rust): its R-MinHash and LSH, candidates verified by exact Jaccard similarity."""

from collections.abc import Iterator
from typing import Any

from rensa import RMinHash, RMinHashLSH

from benchmarks.peers.near_rows import BANDS, THRESHOLD, VALUES, clusters, shingles, texts_of, timed, verified


def _minhash(shingle_set: set[str]) -> RMinHash:
    made = RMinHash(num_perm=BANDS * VALUES, seed=1)
    made.update(list(shingle_set))
    return made


def find(folder: str, chinese: bool, **_: Any) -> dict[str, float]:
    """Time and quality of the whole flow."""
    texts = texts_of(folder)

    def work() -> dict[int, int]:
        sets = [shingles(text, chinese=chinese) for text in texts]
        index = RMinHashLSH(threshold=THRESHOLD, num_perm=BANDS * VALUES, num_bands=BANDS)

        def candidates() -> Iterator[tuple[int, int]]:
            for row, shingle_set in enumerate(sets):
                made = _minhash(shingle_set)
                yield from ((other, row) for other in index.query(made))
                index.insert(row, made)

        return clusters(verified(candidates(), sets))

    return timed(work, folder)


def sign(folder: str, chinese: bool, **_: Any) -> None:
    """Signatures alone, from texts."""
    for text in texts_of(folder):
        _minhash(shingles(text, chinese=chinese))
