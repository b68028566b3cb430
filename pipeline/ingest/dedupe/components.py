"""Connected components of a graph that need not fit into one machine's memory.

Alternating rounds of large-star and small-star (R. Kiveris et al., "Connected Components in MapReduce and Beyond", SoCC
2014) over edge files that are partitioned by a hash of the node. After the last round every node that is not the
smallest of its component has exactly one edge, to the smallest. Where all edges fit into one task, one union-find does
the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import numpy as np
import numpy.typing as npt
from numba import uint64

from pipeline.execute import Execute
from pipeline.ingest.dedupe.key_files import bucket_count, read_bucket, write_records
from storage.compiled import kernel
from storage.murmur import mixed

#: One edge, filed under the hash of `node`; `hi` is that hash.
EDGE_RECORD = np.dtype([("hi", "<u8"), ("node", "<u8"), ("other", "<u8")])
#: What an edge takes in memory while a round works on it.
_EDGE_BYTES = 6 * EDGE_RECORD.itemsize
#: Rounds end long before: each at least halves the depth of the trees.
_MOST_ROUNDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeFile:
    """Edges between nodes: what a task that wrote them answers with.

    Attributes
    ----------
    path
        A file of `EDGE_RECORD`, partitioned by the hash of the node.
    edges
        How many.
    digest
        A sum over its edges, whatever their order: equal sets of edges have equal sums.
    """

    path: str
    edges: int
    digest: int = 0


@kernel
def _mix_all(values: Any) -> Any:
    out = np.empty(len(values), np.uint64)
    for i in range(len(values)):
        out[i] = mixed(values[i] * uint64(0x9E3779B97F4A7C15) + uint64(0x632BE59BD9B4E019))
    return out


def write_edges(nodes: npt.NDArray[np.uint64], others: npt.NDArray[np.uint64], path: Path) -> EdgeFile:
    """The edges, filed under the hashes of `nodes`, written whole or not at all."""
    records = np.empty(len(nodes), EDGE_RECORD)
    records["hi"], records["node"], records["other"] = _mix_all(np.ascontiguousarray(nodes)), nodes, others
    write_records(records, path)
    digest = int(_mix_all(records["hi"] ^ (_mix_all(np.ascontiguousarray(others)) >> np.uint64(1))).sum())
    return EdgeFile(path=str(path), edges=len(records), digest=digest)


def _read(files: Sequence[EdgeFile], part: int, parts: int) -> tuple[Any, Any]:
    """All edges filed in one part, each once, sorted by node and other."""
    records = np.concatenate(
        [read_bucket(file.path, part, parts, EDGE_RECORD) for file in files if file.edges] or [np.empty(0, EDGE_RECORD)]
    )
    nodes, others = records["node"], records["other"]
    order = np.lexsort((others, nodes))
    nodes, others = nodes[order], others[order]
    if len(nodes):
        new = np.concatenate([[True], (nodes[1:] != nodes[:-1]) | (others[1:] != others[:-1])])
        nodes, others = nodes[new], others[new]
    return nodes, others


def both_ways(files: Sequence[EdgeFile], part: int, parts: int, path: Path) -> EdgeFile:
    """The edges of one part, filed under both of their nodes: what `large_star` needs."""
    nodes, others = _read(files, part, parts)
    return write_edges(np.concatenate([nodes, others]), np.concatenate([others, nodes]), path)


def large_star(files: Sequence[EdgeFile], part: int, parts: int, path: Path) -> EdgeFile:
    """Each node's larger neighbours joined to the smallest of the node and its neighbours.

    `files` hold edges both ways; those written are filed under their larger node.
    """
    nodes, others = _read(files, part, parts)
    least = np.minimum(nodes, _first_of_each(nodes, others))
    larger = others > nodes
    return write_edges(others[larger], least[larger], path)


def small_star(files: Sequence[EdgeFile], part: int, parts: int, path: Path) -> EdgeFile:
    """Each node and its smaller neighbours joined to the smallest of them.

    `files` hold edges under their larger node, and so do those written.
    """
    nodes, others = _read(files, part, parts)
    least = _first_of_each(nodes, others)
    firsts = np.concatenate([[True], nodes[1:] != nodes[:-1]]) if len(nodes) else np.empty(0, np.bool_)
    rest = ~firsts
    return write_edges(
        np.concatenate([nodes[firsts], others[rest]]), np.concatenate([least[firsts], least[rest]]), path
    )


def _first_of_each(nodes: npt.NDArray[Any], others: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """For each edge, sorted by node and other, the smallest other of its node."""
    if not len(nodes):
        return others
    firsts = np.concatenate([[True], nodes[1:] != nodes[:-1]])
    least: npt.NDArray[Any] = others[np.flatnonzero(firsts)[np.cumsum(firsts) - 1]]
    return least


@kernel
def _find(parents: Any, i: Any) -> Any:
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@kernel
def _unite(parents: Any, lefts: Any, rights: Any) -> None:
    for edge in range(len(lefts)):
        a, b = _find(parents, lefts[edge]), _find(parents, rights[edge])
        if a < b:
            parents[b] = a
        elif b < a:
            parents[a] = b
    for i in range(len(parents)):
        parents[i] = _find(parents, i)


def unite(files: Sequence[EdgeFile], path: Path) -> EdgeFile:
    """All edges at once: each node that is not the smallest of its component joined to the smallest."""
    lefts, rights = _read(files, 0, 1)
    nodes, places = np.unique(np.concatenate([lefts, rights]), return_inverse=True)
    parents = np.arange(len(nodes))
    _unite(parents, places[: len(lefts)], places[len(lefts) :])
    moved = parents != np.arange(len(nodes))
    return write_edges(nodes[moved], nodes[parents[moved]], path)


def connect(edges: Sequence[EdgeFile], folder: Path, execute: Execute, memory_bytes: int) -> tuple[EdgeFile, ...]:
    """Files in which each node that is not the smallest of its component has one edge, to the smallest.

    Parameters
    ----------
    edges
        Edge files, in any orientation.
    folder
        Where rounds write their files.
    execute
        Runs the tasks of a round.
    memory_bytes
        What one task may take; with edges for several tasks, rounds are made until nothing changes.
    """
    total = sum(file.edges for file in edges)
    parts = bucket_count(2 * total, memory_bytes, _EDGE_BYTES)
    if parts == 1:
        (united,) = execute("near-duplicates", [dask.delayed(unite)(tuple(edges), folder / "united")])
        return (united,)
    current, before = tuple(edges), -1
    for number in range(_MOST_ROUNDS):
        for step in (both_ways, large_star, small_star):
            files, name = dask.delayed(current, traverse=False), step.__name__
            tasks = [
                dask.delayed(step)(files, part, parts, folder / f"round-{number}" / f"{name}-{part}")
                for part in range(parts)
            ]
            current = tuple(execute("near-duplicates", tasks))
        digest = sum(file.digest for file in current) % 2**64
        if digest == before:
            return current
        before = digest
    raise AssertionError(f"components did not settle within {_MOST_ROUNDS} rounds; please report this defect")


def roots_of(files: Sequence[EdgeFile], part: int, parts: int) -> tuple[Any, Any]:
    """The nodes of one part that are not the smallest of their component, ascending, and the smallest of each."""
    return _read(files, part, parts)
