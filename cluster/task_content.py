"""A name for what a task does: equal for equal work, whatever Dask calls the task and in whichever process.

Dask's own keys are of no use for that: half of them are drawn by chance. Here a task's name is a hash over its
function's name and its arguments, with other tasks among them standing for their own names, as in a Merkle tree.
"""

import hashlib
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType
from typing import Any

import cloudpickle
import numpy as np
import pyarrow as pa
from dask._task_spec import Alias, DataNode, GraphNode, Task, TaskRef, _execute_subgraph, convert_legacy_graph
from pydantic import BaseModel

_PLAIN = (type(None), bool, int, float, complex, str, bytes)


class Contents:
    """The names of the tasks in a graph.

    Parameters
    ----------
    graph
        Dask's tasks by key.
    salt
        What else the results depend on.
    """

    def __init__(self, graph: Mapping[Any, Any], salt: str) -> None:
        self.graph: dict[Any, GraphNode] = convert_legacy_graph(dict(graph))
        self._salt = salt
        self._of_key: dict[Any, bytes] = {}
        self._of_object: dict[int, bytes] = {}

    def name(self, key: Any) -> str:
        """The name of the task `key`, as hex digits."""
        return hashlib.sha256(self._salt.encode() + self._task(key)).hexdigest()[:40]

    def _task(self, key: Any) -> bytes:
        # A chain may be longer than Python's stack is deep: those below come first.
        waiting = [key]
        while waiting:
            at = waiting[-1]
            missing = [below for below in self.graph[at].dependencies if below not in self._of_key]
            if at in self._of_key or not missing:
                waiting.pop()
                self._of_key.setdefault(at, self._node(self.graph[at], self._of_key))
            else:
                waiting.extend(missing)
        return self._of_key[key]

    def _node(self, node: GraphNode, known: Mapping[Any, bytes]) -> bytes:
        if isinstance(node, Alias):
            return known[node.target]
        if isinstance(node, DataNode):
            return self._value(node.value, known)
        if not isinstance(node, Task):
            return self._opaque(node)
        if node.func is _execute_subgraph:
            return self._subgraph(node, known)
        pieces = [self._value(piece, known) for piece in (node.func, *node.args)]
        named = [_joined(name.encode(), self._value(value, known)) for name, value in sorted(node.kwargs.items())]
        return _joined(b"task", *pieces, *named)

    def _subgraph(self, node: Task, known: Mapping[Any, bytes]) -> bytes:
        """The name of a task that Dask has made of several."""
        inner, out, keys, *given = node.args
        below = {key: self._value(value, known) for key, value in zip(keys, given, strict=True)}
        waiting = [out]
        while waiting:
            at = waiting[-1]
            missing = [key for key in inner[at].dependencies if key not in below] if at not in below else []
            if missing:
                waiting.extend(missing)
            else:
                waiting.pop()
                if at not in below:
                    below[at] = self._node(inner[at], below)
        return below[out]

    def _value(self, value: Any, known: Mapping[Any, bytes]) -> bytes:
        if isinstance(value, TaskRef):
            return known[value.key]
        if isinstance(value, GraphNode):
            return self._node(value, known)
        if isinstance(value, _PLAIN):
            return _joined(type(value).__name__.encode(), repr(value).encode("utf-8", "surrogatepass"))
        if isinstance(value, (list, tuple)):
            return _joined(b"list", *(self._value(item, known) for item in value))
        if isinstance(value, (set, frozenset)):
            return _joined(b"set", *sorted(self._value(item, known) for item in value))
        if isinstance(value, Mapping):
            return _joined(b"map", *(self._value(pair, known) for pair in value.items()))
        # The same block or settings are in thousands of tasks.
        name = self._of_object.get(id(value))
        if name is None:
            name = self._of_object[id(value)] = self._object(value, known)
        return name

    def _object(self, value: Any, known: Mapping[Any, bytes]) -> bytes:
        kind = f"{type(value).__module__}.{type(value).__qualname__}".encode()
        if isinstance(named := getattr(type(value), "content_name", None), property):
            return _joined(kind, named.fget(value).encode() if named.fget else b"")
        if isinstance(value, PurePath):
            return _joined(b"path", str(value).encode())
        if isinstance(value, Enum):
            return _joined(kind, value.name.encode())
        if isinstance(value, BaseModel):
            return _joined(kind, self._value(value.__dict__, known))
        if is_dataclass(value) and not isinstance(value, type):
            return _joined(kind, *(self._value(getattr(value, field.name), known) for field in fields(value)))
        if isinstance(value, np.ndarray):
            return _joined(kind, str((value.dtype, value.shape)).encode(), np.ascontiguousarray(value).tobytes())
        if isinstance(value, pa.Schema):
            return _joined(kind, value.serialize().to_pybytes())
        if isinstance(value, partial):
            return _joined(kind, self._value([value.func, value.args, value.keywords], known))
        if isinstance(value, (type, FunctionType, BuiltinFunctionType)) and "<" not in value.__qualname__:
            return _joined(b"name", f"{value.__module__}.{value.__qualname__}".encode())
        return _joined(kind, self._opaque(value))

    def _opaque(self, value: Any) -> bytes:
        """A name from the pickled bytes. Equal values may differ in it: then work is done that was done already."""
        try:
            return hashlib.sha256(pickle.dumps(value, protocol=5)).digest()
        except Exception:  # noqa: BLE001 - what pickle refuses, and how, is up to the object
            return hashlib.sha256(cloudpickle.dumps(value, protocol=5)).digest()


def _joined(*pieces: bytes) -> bytes:
    total = hashlib.sha256()
    for piece in pieces:
        total.update(len(piece).to_bytes(8, "little"))
        total.update(piece)
    return total.digest()


def merged_graph(tasks: Iterable[Any]) -> dict[Any, Any]:
    """The tasks of all `dask.delayed` objects in one graph; what they share is taken once."""
    layers: dict[Any, Any] = {}
    for task in tasks:
        graph = task.__dask_graph__()
        for name, layer in getattr(graph, "layers", {id(graph): graph}).items():
            layers.setdefault(name, layer)
    merged: dict[Any, Any] = {}
    for layer in layers.values():
        merged.update(layer)
    return merged
