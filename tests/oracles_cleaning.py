"""Slow, obvious references for cleaning, checks and deduplication."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from pipeline.frame import FATE, POSITION, REASON, RECORD, SOURCE, SOURCE_TYPE

#: The members of the Unicode property White_Space.
WHITESPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def make_frame(columns: dict[str, Any], dead: Sequence[bool] | None = None, source: str = "in.csv") -> pa.Table:
    """A frame of these content columns; rows of `dead` were rejected before."""
    content = {name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in columns.items()}
    content = {n: v.cast(pa.string()) if pa.types.is_null(v.type) else v for n, v in content.items()}
    rows = len(next(iter(content.values())))
    dead = dead if dead is not None else [False] * rows
    return pa.table(
        {
            **content,
            SOURCE: pa.array([source] * rows, pa.string()).cast(SOURCE_TYPE),
            POSITION: pa.array(range(0, 10 * rows, 10), pa.int64()),
            FATE: pa.array(["rejected" if d else None for d in dead], pa.string()),
            REASON: pa.array(["earlier" if d else None for d in dead], pa.string()),
            RECORD: pa.nulls(rows, pa.string()),
        }
    )


def collapse(text: str) -> str:
    """Runs of white space as one blank."""
    return re.sub(f"[{WHITESPACE}]+", " ", text)


def map_live(function: Callable[[str], str], texts: Sequence[str | None], dead: Sequence[bool]) -> list[str | None]:
    """The function applied to each live text."""
    return [t if t is None or d else function(t) for t, d in zip(texts, dead, strict=True)]


def first_rows(keys: Sequence[Any]) -> dict[int, int]:
    """For each item that repeats an earlier one, the index of the first equal item."""
    first: dict[Any, int] = {}
    return {i: first[key] for i, key in enumerate(keys) if first.setdefault(key, i) != i}


def murmur128(data: bytes, h1: int, h2: int) -> tuple[int, int]:
    """MurmurHash3_x64_128 of `data` in plain Python."""
    c1, c2, wide = 0x87C37B91114253D5, 0x4CF5AD432745937F, 2**64 - 1

    def rotate(x: int, r: int) -> int:
        return ((x << r) | (x >> (64 - r))) & wide

    def mix(x: int) -> int:
        x = ((x ^ (x >> 33)) * 0xFF51AFD7ED558CCD) & wide
        x = ((x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53) & wide
        return x ^ (x >> 33)

    whole = len(data) - len(data) % 16
    for i in range(0, whole, 16):
        k1, k2 = int.from_bytes(data[i : i + 8], "little"), int.from_bytes(data[i + 8 : i + 16], "little")
        h1 ^= rotate(k1 * c1 & wide, 31) * c2 & wide
        h1 = ((rotate(h1, 27) + h2) * 5 + 0x52DCE729) & wide
        h2 ^= rotate(k2 * c2 & wide, 33) * c1 & wide
        h2 = ((rotate(h2, 31) + h1) * 5 + 0x38495AB5) & wide
    tail = data[whole:]
    if len(tail) > 8:
        h2 ^= rotate(int.from_bytes(tail[8:], "little") * c2 & wide, 33) * c1 & wide
    if tail:
        h1 ^= rotate(int.from_bytes(tail[:8], "little") * c1 & wide, 31) * c2 & wide
    h1, h2 = h1 ^ len(data), h2 ^ len(data)
    h1 = (h1 + h2) & wide
    h2 = (h2 + h1) & wide
    h1, h2 = mix(h1), mix(h2)
    h1 = (h1 + h2) & wide
    return h1, (h2 + h1) & wide


def shingles(text: str, words: int = 3, characters: int = 4) -> set[tuple[str, ...]]:
    """The shingle set of a text of ASCII letters, digits, blanks, Han characters and simple punctuation."""
    text = text.lower()
    han = sum("\u4e00" <= c <= "\u9fff" for c in text)
    letters = sum(c.isascii() and c.isalnum() for c in text)
    if han and han >= letters:
        tokens, size = [c for c in text if c.isalnum()], characters
    else:
        tokens, size = re.findall("[a-z0-9]+|[\u4e00-\u9fff]", text), words
    size = min(size, len(tokens))
    return {tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)} if tokens else set()


def jaccard(left: set[Any], right: set[Any]) -> float:
    """Shared members by all members."""
    return len(left & right) / len(left | right)


def components(edges: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Each node that is not the smallest of its component, with the smallest."""
    near: dict[int, set[int]] = {}
    for a, b in edges:
        near.setdefault(a, set()).add(b)
        near.setdefault(b, set()).add(a)
    smallest: dict[int, int] = {}
    for start in sorted(near):
        waiting = [start] if start not in smallest else []
        while waiting:
            node = waiting.pop()
            if node not in smallest:
                smallest[node] = start
                waiting += near[node]
    return {node: root for node, root in smallest.items() if node != root}
