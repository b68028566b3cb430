"""Packed tasks: the same answers, what they share in the graph once, and nothing of it loaded by the scheduler."""

import sys

import dask
import numpy as np
import pyarrow as pa
from dask import delayed
from dask._task_spec import Alias, DataNode, Task, TaskRef, convert_legacy_graph
from hypothesis import given
from hypothesis import strategies as st

from cluster.execute import ClientExecute
from cluster.packed import packed
from cluster.progress import Silence
from cluster.providers.open import provider_of
from cluster.providers.provider import Places
from cluster.session import Session
from cluster.task_content import merged_graph
from pipeline.config import ClusterConfig
from pipeline.train.epoch_steps import in_steps

SCHEMA = pa.schema([("text", pa.string())])


def combined(*values, start=0):
    return start + sum(value if isinstance(value, int) else sum(value) for value in values)


def measured(array, schema, factor):
    array *= factor  # a task has arguments of its own: the others do not see this
    return float(array.sum()), schema.names


@given(st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(0, 20), max_size=3)), min_size=1, max_size=8))
def test_a_packed_graph_gives_what_the_graph_gives(steps):
    graph, keys = {}, []
    for number, (value, below) in enumerate(steps):
        refs = [TaskRef(keys[at % len(keys)]) for at in below] if keys else []
        key = ("step", number) if number % 2 else f"step-{number}"
        keys.append(key)
        graph[key] = Task(key, combined, value, *refs, start=number)
    graph["other"] = Alias("other", keys[-1])
    graph["data"] = DataNode("data", {"a": [1, 2]})
    wanted = [*keys, "other", "data"]
    assert dask.get(packed(graph), wanted) == dask.get(graph, wanted)
    assert {key: set(node.dependencies) for key, node in packed(graph).items()} == {
        key: set(node.dependencies) for key, node in graph.items()
    }


def test_what_tasks_share_is_there_once_and_each_has_its_own_copy():
    array = np.ones(200_000)
    tasks = [delayed(measured, pure=False)(array, SCHEMA, factor) for factor in range(1, 6)]
    graph = packed(convert_legacy_graph(merged_graph(tasks)))
    payloads = [node.args[0] for node in graph.values()]
    assert len({id(node.args[1]) for node in graph.values()}) == 1
    assert max(map(len, payloads)) < 2000
    answers = dask.get(graph, [task.key for task in tasks])
    assert list(answers) == [(200_000.0 * factor, ["text"]) for factor in range(1, 6)]


def test_functions_that_cannot_be_imported_are_packed_too():
    base = 3
    task = delayed(lambda value: value + base)(4)
    assert dask.get(packed(convert_legacy_graph(merged_graph([task]))), task.key) == 7


def test_the_scheduler_loads_nothing_that_tasks_mention(tmp_path):
    places = Places(scratch=tmp_path, logs=tmp_path / "logs")
    with Session(provider_of(ClusterConfig(workers=1), places)) as session:
        client = session.client
        execute = ClientExecute(client, Silence(), 120, 0)
        assert execute("cut", [delayed(in_steps)(range(count)) for count in range(3)]) == [[], [[0]], [[0], [1]]]
        assert not client.run_on_scheduler(loaded)
        assert all(client.run(loaded).values())


def make_loaded():
    def loaded():
        return "pipeline.train.epoch_steps" in sys.modules

    return loaded  # pickled by value: the cluster knows nothing of tests


loaded = make_loaded()
