"""Tasks as bytes, which a scheduler hands on without loading what they are made of.

Dask's scheduler takes a graph apart into objects and makes bytes of each again, for which it has to import all that
the tasks mention. Packed, a task is a call of this module with two byte strings, and imports nothing but this.
"""

import pickle
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any

import cloudpickle
from dask._task_spec import Alias, DataNode, GraphNode, Task, TaskRef

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type, TaskRef)


def packed(graph: Mapping[Any, GraphNode]) -> dict[Any, GraphNode]:
    """The graph with each task as bytes; its keys and what depends on what are as they were.

    What many tasks share, such as settings, is in the graph once.
    """
    common = list(_common(graph.values()))
    places = {id(value): place for place, value in enumerate(common)}
    shared = _dumps(common, {})
    return {key: _packed(node, places, shared) for key, node in graph.items()}


def _packed(node: GraphNode, places: Mapping[int, int], shared: bytes) -> GraphNode:
    if isinstance(node, Alias):
        return node
    below = tuple(node.dependencies)
    return Task(node.key, run, _dumps((node, below), places), shared, *map(TaskRef, below))


def run(payload: bytes, shared: bytes, *values: Any) -> Any:
    """What a packed task answers.

    Parameters
    ----------
    payload, shared
        The task, and what it shares with others.
    values
        The answers of the tasks that it depends on.
    """
    reader = _Reader(BytesIO(payload))
    # Every task has its own copy, as it would without packing: whoever changes it changes nobody else's.
    reader.common = pickle.loads(shared)  # noqa: S301 - made by `packed`
    node, below = reader.load()
    return node(dict(zip(below, values, strict=True)))


def _common(nodes: Iterable[GraphNode]) -> Iterator[Any]:
    """The objects that are arguments of more than one task."""
    user: dict[int, int] = {}
    found: set[int] = set()
    for number, node in enumerate(nodes):
        for value in _values(node):
            if user.setdefault(id(value), number) != number and id(value) not in found:
                found.add(id(value))
                yield value


def _values(value: Any) -> Iterator[Any]:
    """The arguments in a task or a container of them, whatever they are nested in."""
    if isinstance(value, Task):
        for argument in (*value.args, *value.kwargs.values()):
            yield from _values(argument)
    elif isinstance(value, DataNode):
        yield from _values(value.value)
    elif isinstance(value, dict):
        # A look for any mapping would have Python ask each class there is whether the value is one of it.
        for item in value.values():
            yield from _values(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _values(item)
    elif not isinstance(value, (*_PLAIN, GraphNode)):
        yield value


class _Numbering:
    """What makes a pickler write numbers in the place of shared objects."""

    places: Mapping[int, int]

    def persistent_id(self, value: Any) -> int | None:
        return self.places.get(id(value))


class _Plain(_Numbering, pickle.Pickler):
    """For all that can be imported."""


class _Any(_Numbering, cloudpickle.Pickler):  # type: ignore[misc]
    """For functions that cannot be imported too."""


class _Reader(pickle.Unpickler):
    common: list[Any]

    def persistent_load(self, pid: int) -> Any:
        return self.common[pid]


def _dumps(value: Any, places: Mapping[int, int]) -> bytes:
    try:
        found = _written(_Plain, value, places)
        if b"__main__" not in found:
            return found
    except Exception:  # noqa: BLE001, S110 - what pickle refuses, and how, is up to the object
        pass
    return _written(_Any, value, places)


def _written(kind: type[_Plain | _Any], value: Any, places: Mapping[int, int]) -> bytes:
    buffer = BytesIO()
    pickler = kind(buffer, protocol=5)
    pickler.places = places
    pickler.dump(value)
    return buffer.getvalue()
