"""A dictionary of texts as a trie in arrays: finding its entries, and replacing the longest ones, compiled."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from storage.compiled import kernel

#: One more than the greatest code point: edges are numbered node * _POINTS + code point.
_POINTS = 0x110000


class Trie(NamedTuple):
    """Entries as arrays that compiled code reads.

    Attributes
    ----------
    edges, targets
        An open hash table: edge number (-1 where free) and the node it leads to; its size is a power of two.
    starts, stops
        For each node its value's place in `values`; start -1 where no entry ends there.
    values
        All values in UTF-8.
    """

    edges: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    values: npt.NDArray[np.uint8]


@kernel
def _slot(edges: Any, edge: Any) -> Any:
    mask = len(edges) - 1
    slot = (edge ^ (edge >> 17) ^ (edge >> 31)) * 0x9E3779B1 & mask
    while edges[slot] != edge and edges[slot] >= 0:
        slot = (slot + 1) & mask
    return slot


def build_trie(entries: Mapping[str, str]) -> Trie:
    """The trie of `entries`, from each key to its value."""
    children: dict[int, int] = {}
    values, places, nodes = bytearray(), {}, 1
    for key, value in entries.items():
        node = 0
        for character in key:
            edge = node * _POINTS + ord(character)
            if edge not in children:
                children[edge] = nodes
                nodes += 1
            node = children[edge]
        places[node] = (len(values), len(values) + len(value.encode()))
        values += value.encode()
    size = 16
    while size < 3 * len(children):
        size *= 2
    edges, targets = np.full(size, -1, np.int64), np.zeros(size, np.int64)
    for edge, target in children.items():
        slot = _slot(edges, edge)
        edges[slot], targets[slot] = edge, target
    starts, stops = np.full(nodes, -1, np.int64), np.zeros(nodes, np.int64)
    for node, (start, stop) in places.items():
        starts[node], stops[node] = start, stop
    return Trie(edges, targets, starts, stops, np.frombuffer(bytes(values), np.uint8))


@kernel
def _width(byte: Any) -> Any:
    if byte < 0xC0:
        return 1
    if byte < 0xE0:
        return 2
    return 3 if byte < 0xF0 else 4


@kernel
def _point(data: Any, i: Any, width: Any) -> Any:
    if width == 1:
        return np.int64(data[i])
    point = np.int64(data[i]) & (0x7F >> width)
    for j in range(i + 1, i + width):
        point = (point << 6) | (np.int64(data[j]) & 0x3F)
    return point


@kernel
def _longest(data: Any, i: Any, stop: Any, edges: Any, targets: Any, starts: Any) -> Any:
    """The node of the longest entry that begins at `i` (-1 for none), and where it ends."""
    node, found, end = np.int64(0), np.int64(-1), i
    while i < stop:
        width = _width(data[i])
        edge = node * _POINTS + _point(data, i, width)
        slot = _slot(edges, edge)
        if edges[slot] < 0:
            break
        node = targets[slot]
        i += width
        if starts[node] >= 0:
            found, end = node, i
    return found, end


@kernel
def _replace(
    data: Any, offsets: Any, edges: Any, targets: Any, starts: Any, stops: Any, values: Any, places: Any, out: Any
) -> Any:
    """How many bytes the result takes; written to `out` where that is long enough for it, else counted alone."""
    used = 0
    for row in range(len(offsets) - 1):
        places[row] = used
        i, stop = offsets[row], offsets[row + 1]
        while i < stop:
            node, end = _longest(data, i, stop, edges, targets, starts)
            if node < 0:
                end = i + _width(data[i])
                if used + 4 <= len(out):
                    for j in range(i, end):
                        out[used + j - i] = data[j]
                used += end - i
            else:
                length = stops[node] - starts[node]
                if used + length <= len(out):
                    for j in range(length):
                        out[used + j] = values[starts[node] + j]
                used += length
            i = end
    places[len(offsets) - 1] = used
    return used


def replace_longest(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], trie: Trie
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The texts, as bytes and offsets, with the longest entry at each place, from left to right, replaced."""
    places = np.empty(len(offsets), np.int64)
    room = int(offsets[-1] - offsets[0]) * 5 // 4 + 64
    out = np.empty(room, np.uint8)
    used = _replace(data, offsets, *trie, places, out)
    if used + 4 > room:
        out = np.empty(used + 4, np.uint8)
        _replace(data, offsets, *trie, places, out)
    return out[:used], places


@kernel
def _is_word(byte: Any) -> Any:
    """Whether a byte is an ASCII letter, digit or underscore."""
    return (
        (byte >= 0x30 and byte <= 0x39)
        or (byte >= 0x41 and byte <= 0x5A)
        or byte == 0x5F
        or (byte >= 0x61 and byte <= 0x7A)
    )


@kernel
def _begins_here(data: Any, i: Any, stop: Any, edges: Any, targets: Any, starts: Any) -> Any:
    """Whether an entry begins at `i` and does not end within a word."""
    node = np.int64(0)
    while i < stop:
        width = _width(data[i])
        edge = node * _POINTS + _point(data, i, width)
        slot = _slot(edges, edge)
        if edges[slot] < 0:
            return False
        node = targets[slot]
        i += width
        if starts[node] >= 0 and not (i < stop and _is_word(data[i - 1]) and _is_word(data[i])):
            return True
    return False


@kernel
def _hold_words(data: Any, offsets: Any, edges: Any, targets: Any, starts: Any, held: Any) -> None:
    for row in range(len(held)):
        i, start, stop = offsets[row], offsets[row], offsets[row + 1]
        while i < stop and not held[row]:
            within = i > start and _is_word(data[i - 1]) and _is_word(data[i])
            if not within and _begins_here(data, i, stop, edges, targets, starts):
                held[row] = True
            i += _width(data[i])


def holds_word(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], trie: Trie) -> npt.NDArray[np.bool_]:
    """Which texts, given as bytes and offsets, hold an entry that neither begins nor ends within an ASCII word."""
    held = np.zeros(len(offsets) - 1, np.bool_)
    _hold_words(data, offsets, trie.edges, trie.targets, trie.starts, held)
    return held
