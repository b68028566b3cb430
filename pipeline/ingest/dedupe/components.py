"""Connected components of a graph that need not fit into one machine's memory.

Alternating rounds of large-star and small-star (R. Kiveris et al., "Connected Components in MapReduce and Beyond", SoCC
2014) over edge files that are partitioned by a hash of the node. After the last round every node that is not the
smallest of its component has exactly one edge, to the smallest. Where all edges fit into one task, one union-find does
the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import numpy as np
import numpy.typing as npt

from pipeline.execute import Execute
from pipeline.ingest.dedupe.key_files import bucket_count, bucket_run, read_bucket, write_records
from pipeline.ingest.dedupe.sorted_runs import once_each, stretches
from storage.compiled import kernel
from storage.murmur import mixed

#: One edge, filed under the hash of `node`; `hi` is that hash.
EDGE_RECORD = np.dtype([("hi", "<u8"), ("node", "<u8"), ("other", "<u8")])
#: What an edge takes in memory while a round works on it: its record three times over, and what is written for it.
_EDGE_BYTES = 10 * EDGE_RECORD.itemsize
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
        out[i] = mixed(values[i] * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x632BE59BD9B4E019))
    return out


def write_edges(nodes: npt.NDArray[np.uint64], others: npt.NDArray[np.uint64], path: Path) -> EdgeFile:
    """The edges, each once, filed under the hashes of `nodes`, written whole or not at all."""
    records = np.empty(len(nodes), EDGE_RECORD)
    records["hi"], records["node"], records["other"] = _mix_all(np.ascontiguousarray(nodes)), nodes, others
    records = once_each(records[np.lexsort((records["other"], records["hi"]))])
    write_records(records, path)
    marks = _mix_all(records["hi"] ^ (_mix_all(np.ascontiguousarray(records["other"])) >> np.uint64(1)))
    return EdgeFile(path=str(path), edges=len(records), digest=int(marks.sum()))


def _read(files: Sequence[EdgeFile], part: int, parts: int, most: int) -> Iterator[npt.NDArray[Any]]:
    """All edges filed in one part, each once, sorted by the hash of the node and by the other, in stretches."""
    runs = [bucket_run(file.path, part, parts) for file in files if file.edges]
    for records in stretches(runs, EDGE_RECORD, ["hi", "other"], most):
        yield once_each(records)


class _EdgeRuns:
    """Edges on their way to files of bounded size."""

    def __init__(self, path: Path, most: int) -> None:
        self._path = path
        self._most = most
        self._waiting: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
        self._count = 0
        self._files: list[EdgeFile] = []

    def add(self, nodes: npt.NDArray[Any], others: npt.NDArray[Any]) -> None:
        """Nothing; the edges will be in a file."""
        self._waiting.append((nodes, others))
        self._count += len(nodes)
        if self._count >= self._most:
            self._write()

    def finish(self) -> tuple[EdgeFile, ...]:
        """All files, whole; none for no edge."""
        if self._count:
            self._write()
        return tuple(self._files)

    def _write(self) -> None:
        nodes, others = (np.concatenate(side) for side in zip(*self._waiting, strict=True))
        self._files.append(write_edges(nodes, others, self._path.with_name(f"{self._path.name}-{len(self._files)}")))
        self._waiting, self._count = [], 0


def _with_least(files: Sequence[EdgeFile], part: int, parts: int, most: int) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Stretches of edges: nodes, others, the smallest other of each edge's node, and whether it is that one.

    A node's smallest other comes first, so that it is known for a node whose edges fill several stretches.
    """
    node_before, least_before = None, np.uint64(0)
    for records in _read(files, part, parts, most):
        nodes, others = records["node"].copy(), records["other"].copy()
        firsts = np.concatenate([[True], nodes[1:] != nodes[:-1]])
        goes_on = node_before is not None and nodes[0] == node_before
        least = others[np.flatnonzero(firsts)[np.cumsum(firsts) - 1]]
        if goes_on:
            least[nodes == nodes[0]] = least_before
            firsts[0] = False
        node_before, least_before = nodes[-1], least[-1]
        yield nodes, others, least, firsts


def both_ways(files: Sequence[EdgeFile], part: int, parts: int, path: Path, most: int) -> tuple[EdgeFile, ...]:
    """The edges of one part, filed under both of their nodes: what `large_star` needs."""
    written = _EdgeRuns(path, most)
    for records in _read(files, part, parts, most):
        written.add(records["node"].copy(), records["other"].copy())
        written.add(records["other"].copy(), records["node"].copy())
    return written.finish()


def large_star(files: Sequence[EdgeFile], part: int, parts: int, path: Path, most: int) -> tuple[EdgeFile, ...]:
    """Each node's larger neighbours joined to the smallest of the node and its neighbours.

    `files` hold edges both ways; those written are filed under their larger node.
    """
    written = _EdgeRuns(path, most)
    for nodes, others, least, _ in _with_least(files, part, parts, most):
        larger = others > nodes
        written.add(others[larger], np.minimum(nodes, least)[larger])
    return written.finish()


def small_star(files: Sequence[EdgeFile], part: int, parts: int, path: Path, most: int) -> tuple[EdgeFile, ...]:
    """Each node and its smaller neighbours joined to the smallest of them.

    `files` hold edges under their larger node, and so do those written.
    """
    written = _EdgeRuns(path, most)
    for nodes, others, least, firsts in _with_least(files, part, parts, most):
        # A node that goes on from the stretch before has repeated its first neighbour there, and not again here.
        rest = others != least
        written.add(nodes[firsts], least[firsts])
        written.add(others[rest], least[rest])
    return written.finish()


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


def forest(lefts: npt.NDArray[Any], rights: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Each node that is not the smallest of its component, ascending, and the smallest."""
    nodes, places = np.unique(np.concatenate([lefts, rights]), return_inverse=True)
    parents = np.arange(len(nodes))
    _unite(parents, places[: len(lefts)], places[len(lefts) :])
    moved = parents != np.arange(len(nodes))
    return nodes[moved], nodes[parents[moved]]


def unite(files: Sequence[EdgeFile], path: Path) -> tuple[EdgeFile, ...]:
    """All edges at once: each node that is not the smallest of its component joined to the smallest."""
    some = [read_bucket(file.path, 0, 1, EDGE_RECORD) for file in files]
    records = np.concatenate([np.empty(0, EDGE_RECORD), *some])
    return (write_edges(*forest(records["node"], records["other"]), path),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """Which component each node belongs to.

    Attributes
    ----------
    files
        Edges from each node that is not the smallest of its component to the smallest.
    parts
        In how many parts they are to be read.
    """

    files: tuple[EdgeFile, ...]
    parts: int


def connect(edges: Sequence[EdgeFile], folder: Path, execute: Execute, memory_bytes: int) -> Roots:
    """Edges from each node that is not the smallest of its component to the smallest, one each.

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
        return Roots(files=united, parts=1)
    most = max(1, memory_bytes // _EDGE_BYTES)
    current, before = tuple(edges), -1
    for number in range(_MOST_ROUNDS):
        for step in (both_ways, large_star, small_star):
            files, name = dask.delayed(current, traverse=False), step.__name__
            tasks = [
                dask.delayed(step)(files, part, parts, folder / f"round-{number}" / f"{name}-{part}", most)
                for part in range(parts)
            ]
            current = tuple(file for answer in execute("near-duplicates", tasks) for file in answer)
        digest = sum(file.digest for file in current) % 2**64
        if digest == before:
            return Roots(files=current, parts=parts)
        before = digest
    raise AssertionError(f"components did not settle within {_MOST_ROUNDS} rounds; please report this defect")


def roots_of(roots: Roots, part: int) -> tuple[Any, Any]:
    """The nodes of one part that are not the smallest of their component, and the smallest of each."""
    some = [read_bucket(file.path, part, roots.parts, EDGE_RECORD) for file in roots.files]
    records = once_each(_by_node(np.concatenate([np.empty(0, EDGE_RECORD), *some])))
    return records["node"], records["other"]


def _by_node(records: npt.NDArray[Any]) -> npt.NDArray[Any]:
    ordered: npt.NDArray[Any] = records[np.lexsort((records["other"], records["node"]))]
    return ordered
