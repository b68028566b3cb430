"""What tasks answered, kept beside the files they wrote, so that work that is done is not done again.

A checkpoint is named after what its task does (`cluster.task_content`) and is written by the worker that did it. It
counts as long as every file that the answer names lies there as it was.
"""

import hashlib
import logging
import os
import pickle
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path, PurePath
from stat import S_ISDIR
from typing import Any

from dask._task_spec import Alias, GraphNode, Task, TaskRef, cull

from cluster.packed import packed
from cluster.task_content import Contents, merged_graph

LOG = logging.getLogger("textmill.worker")
#: Within one long chain of tasks, what comes between is kept at most this often.
CHAIN_INTERVAL_S = float(os.environ.get("TEXTMILL_CHAIN_INTERVAL_S", "10"))
#: A chain shorter than this is done anew.
_SHORT_CHAIN = 8
_DIGEST_BYTES = 32
_last_kept = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Tasks of which some are done.

    Attributes
    ----------
    known
        Position -> answer, of those that are done.
    pending
        Key in `graph` -> the positions of those that it answers, of the others. Several are done one after the other,
        and their answers come as a list. Each keeps its answer as soon as it is through.
    graph
        What these need.
    places
        Position -> where its answer is kept, of the others.
    """

    known: dict[int, Any]
    pending: dict[Any, tuple[int, ...]]
    graph: dict[Any, GraphNode]
    places: dict[int, Path]

    def reached(self, key: Any) -> int:
        """The position that the work of a key has come to: the first without an answer."""
        numbers = self.pending[key]
        return next((number for number in numbers if not self.places[number].exists()), numbers[-1])


class Checkpoints:
    """The checkpoints of one run.

    Parameters
    ----------
    folder
        Where they lie; all workers see it.
    root
        Only paths below it belong to the run.
    salt
        What the answers depend on besides the tasks: the input as it is, the version of textmill.
    """

    def __init__(self, folder: Path, root: Path, salt: str) -> None:
        self._folder = folder
        self._root = root
        self._salt = salt

    def prepare(self, stage: str, tasks: Sequence[Any], batch: int = 1) -> Prepared:
        """The answers that are there and the tasks that are left, so many together where none needs another."""
        contents = Contents(merged_graph(tasks), f"{self._salt}/{stage}")
        folder = self._place(stage)
        folder.mkdir(parents=True, exist_ok=True)
        known: dict[int, Any] = {}
        left: dict[int, tuple[Any, Path]] = {}
        for number, task in enumerate(tasks):
            path = folder / contents.name(task.key)
            found = restore(path)
            if found:
                known[number] = found[0]
            else:
                left[number] = (task.key, path)
        graph = dict(contents.graph)
        if len(tasks) == 1 and left:
            key, _ = left[0]
            self._keep_chain(graph, contents, key, folder)
        users = Counter(key for key, _ in left.values())
        for node in graph.values():
            users.update(node.dependencies)
        nodes: dict[int, Task] = {}
        for number, (key, path) in left.items():
            told = f"{stage}: block {number + 1} of {len(tasks)} is through"
            kept = Task(f"kept-{number}-{path.name}", keep, TaskRef(key), str(path), str(self._root), told)
            # One task for Dask, so that no work is through whose checkpoint still waits for its turn. A single task's
            # chain stays as it is: its links are kept one by one.
            alone = _alone(graph, key, users) if len(tasks) > 1 else ()
            nodes[number] = Task.fuse(*alone, kept)
        places = {number: path for number, (_, path) in left.items()}
        pending: dict[Any, tuple[int, ...]] = {}
        for numbers in _batches(nodes, batch):
            node = nodes[numbers[0]]
            if len(numbers) > 1:
                node = Task(node.key, in_turn, [(str(places[number]), nodes[number]) for number in numbers])
            graph[node.key] = node
            pending[node.key] = numbers
        return Prepared(known=known, pending=pending, graph=packed(cull(graph, list(pending))), places=places)

    def drop(self, stage: str) -> None:
        """Nothing; what the tasks of a stage have answered is done again."""
        shutil.rmtree(self._place(stage), ignore_errors=True)

    def _place(self, stage: str) -> Path:
        return self._folder / stage.replace(" ", "-")

    def _keep_chain(self, graph: dict[Any, GraphNode], contents: Contents, key: Any, folder: Path) -> None:
        """Nothing; a long chain in `graph` starts where an earlier attempt left it, and keeps what comes between."""
        links = list(_chain(graph, key))
        if len(links) < _SHORT_CHAIN:
            return
        for link in links[1:]:
            path = folder / f"{contents.name(link)}.link"
            if path.exists() and restore(path):
                graph[link] = Task(link, _restored, str(path))
                break
            inner = ("before", link)
            node = graph[link]
            graph[inner] = node.substitute({}, key=inner)
            graph[link] = Task(link, keep_at_times, TaskRef(inner), str(path), str(self._root))


def _batches(nodes: Mapping[int, Task], batch: int) -> Iterator[tuple[int, ...]]:
    """The positions, so many together where their tasks need no other."""
    lonely = [number for number, node in nodes.items() if not node.dependencies]
    yield from (tuple(lonely[at : at + batch]) for at in range(0, len(lonely), batch))
    yield from ((number,) for number, node in nodes.items() if node.dependencies)


def in_turn(tasks: Sequence[tuple[str, Task]]) -> list[Any]:
    """What tasks answer, one after the other; the path of each one's checkpoint tells what was done before."""
    return [found[0] if (found := restore(Path(path))) else task({}) for path, task in tasks]


def _alone(graph: Mapping[Any, GraphNode], key: Any, users: Mapping[Any, int]) -> Iterator[GraphNode]:
    """The task `key` and those below it, one after the other, as long as one alone needs them."""
    while key in graph and users[key] == 1:
        node = graph[key]
        yield node
        if len(node.dependencies) != 1:
            return
        (key,) = node.dependencies


def _chain(graph: Mapping[Any, GraphNode], key: Any) -> Iterator[Any]:
    """Keys from `key` downwards, as long as each task gets the result of one with the same function."""
    node = graph[key]
    while isinstance(node, Alias):
        key = node.target
        node = graph[key]
    function = getattr(node, "func", None)
    while isinstance(node, Task) and node.func is function:
        yield key
        below = [one.key for one in node.args if isinstance(one, TaskRef)]
        if not below or below[0] not in graph:
            return
        key = below[0]
        node = graph[key]


def keep(answer: Any, path: str, root: str, told: str = "") -> Any:
    """The answer itself, once it is kept at `path` with the state of the files under `root` that it names.

    The worker's log has `told` then, with the checkpoint's name.
    """
    files = {name: _state(name) for name in _named_files(answer, root)}
    payload = pickle.dumps((answer, files), protocol=5)
    target = Path(path)
    aside = target.with_name(f".{target.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        with open(aside, "xb") as file:
            file.write(hashlib.sha256(payload).digest() + payload)
        aside.replace(target)
    except FileNotFoundError:
        # The run is over for whoever started it, and its folder gone.
        return answer
    if told:
        LOG.info("%s", told, extra={"facts": {"stage": target.parent.name, "checkpoint": target.name}})
    return answer


def keep_at_times(answer: Any, path: str, root: str) -> Any:
    """The answer itself, kept only where this worker has kept none for a while."""
    global _last_kept
    now = time.monotonic()
    if now - _last_kept >= CHAIN_INTERVAL_S:
        keep(answer, path, root)
        _last_kept = time.monotonic()
    return answer


def restore(path: Path) -> tuple[Any] | None:
    """The answer kept at `path`, in a tuple; None where there is none, or where a file that it names has changed."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        return None
    answer, files = pickle.loads(payload)  # noqa: S301 - this run's own, and whole
    return (answer,) if all(_state(name) == state for name, state in files.items()) else None


def _restored(path: str) -> Any:
    found = restore(Path(path))
    if found is None:
        raise FileNotFoundError(f"{path}: the checkpoint was there and is gone; resume the job")
    return found[0]


def _state(path: str) -> tuple[int, int] | None:
    """Size and time of the last change of a file, (-1, 0) for a folder, None for nothing."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return (-1, 0) if S_ISDIR(found.st_mode) else (found.st_size, found.st_mtime_ns)


def _named_files(value: Any, root: str) -> Iterator[str]:
    """All paths under `root` anywhere in `value` that exist."""
    if isinstance(value, (str, PurePath)):
        text = str(value)
        if text.startswith(root) and Path(text).exists():
            yield text
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _named_files(getattr(value, field.name), root)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _named_files(item, root)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _named_files(item, root)
