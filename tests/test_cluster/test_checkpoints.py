"""Checkpoints: equal work has equal names in any process, and an answer counts only with its files as they were."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import dask
import numpy as np
import pyarrow as pa
import pytest
from dask import delayed
from hypothesis import given
from hypothesis import strategies as st

from cluster.checkpoints import Checkpoints, keep, restore
from cluster.task_content import Contents, merged_graph
from pipeline.passed_file import PassedFile

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    path: str
    rows: int


def names(tasks, salt=""):
    contents = Contents(merged_graph(tasks), salt)
    return [contents.name(task.key) for task in tasks]


def work(*values):
    return len(values)


def write(path, text, log):
    Path(path).write_text(text)
    with open(log, "a") as file:
        file.write(f"{text}\n")
    return Part(path=str(path), rows=len(text))


def add(left, right):
    return left + right


@given(VALUES, VALUES)
def test_names_differ_where_the_arguments_do(left, right):
    one, same, other = (delayed(work, pure=False)(value) for value in (left, left, right))
    assert one.key != same.key
    assert names([one]) == names([same])
    # 1, 1.0 and True are equal to Python and different work.
    assert (names([one]) == names([other])) == (repr(left) == repr(right))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (np.arange(3), np.arange(4)),
        (np.arange(3), np.arange(3.0)),
        (pa.schema([("a", pa.int64())]), pa.schema([("a", pa.int32())])),
        (Part(path="a", rows=1), Part(path="a", rows=2)),
        (Path("a"), Path("b")),
        (Path("a"), "a"),
        (work, add),
        ({1, 2}, {1, 3}),
        ([1, [2]], [[1], 2]),
        ("ab", b"ab"),
        (PassedFile(path="a", digest="1"), PassedFile(path="a", digest="2")),
    ],
)
def test_values_of_many_kinds_have_names_of_their_own(left, right):
    first, second = names([delayed(work)(left)]), names([delayed(work)(right)])
    assert first != second
    assert first == names([delayed(work)(left)])


def test_what_a_task_is_made_from_is_part_of_its_name():
    def chain(start, length):
        task = delayed(work, pure=False)(start)
        for step in range(length):
            task = delayed(add, pure=False)(task, step)
        return task

    assert names([chain(1, 3000)]) == names([chain(1, 3000)])  # longer than Python's stack is deep
    assert names([chain(1, 30)]) != names([chain(2, 30)])
    assert names([chain(1, 30)]) != names([chain(1, 31)])
    assert names([chain(1, 1)], "salt") != names([chain(1, 1)], "other salt")


IN_ANOTHER_PROCESS = """
import dask, dask.dataframe as dd, pandas as pd
from cluster.task_content import Contents, merged_graph
from pipeline.passed_file import PassedFile
import json
def frame(number): return pd.DataFrame({"a": [number]})
rows = dd.from_map(json.dumps, [1, 2, 3], meta=pd.DataFrame({"a": [1]}), enforce_metadata=False)
parts = rows.map_partitions(json.dumps, {"b": 1}, meta=pd.DataFrame()).to_delayed()
tasks = [dask.delayed(json.dumps)(part) for part in parts]
contents = Contents(merged_graph(tasks), "")
print(*(contents.name(task.key) for task in tasks))
"""


def test_names_of_fused_tasks_are_the_same_in_another_process():
    told = {
        subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS], capture_output=True, text=True, check=True, timeout=60
        ).stdout
        for _ in range(2)
    }
    assert len(told) == 1
    assert len(set(told.pop().split())) == 3


@pytest.fixture
def place(tmp_path):
    return Checkpoints(tmp_path / "done", tmp_path, "salt"), tmp_path


def run(checkpoints, tasks, stage="write", batch=1):
    prepared = checkpoints.prepare(stage, tasks, batch)
    answers = dict(prepared.known)
    found = dask.get(prepared.graph, list(prepared.pending)) if prepared.pending else ()
    for numbers, answer in zip(prepared.pending.values(), found, strict=True):
        answers |= dict(zip(numbers, answer if len(numbers) > 1 else [answer], strict=True))
    return [answers[number] for number in range(len(tasks))], sorted(prepared.places)


def tasks_for(folder, texts):
    return [delayed(write, pure=False)(folder / str(n), text, folder / "log") for n, text in enumerate(texts)]


def test_what_is_done_is_not_done_again(place):
    checkpoints, folder = place
    first, done = run(checkpoints, tasks_for(folder, "abc"))
    assert done == [0, 1, 2]
    again, done = run(checkpoints, tasks_for(folder, "abc"))
    assert (again, done) == (first, [])
    assert sorted((folder / "log").read_text().split()) == ["a", "b", "c"]
    _, done = run(checkpoints, tasks_for(folder, "abX"))
    assert done == [2]
    _, done = run(checkpoints, tasks_for(folder, "abX"), stage="another stage")
    assert done == [0, 1, 2]


def counted(log, value, *below):
    with open(log, "a") as file:
        file.write(f"{value}\n")
    return value + sum(below)


def test_work_and_its_checkpoint_are_one_task_for_dask_and_nothing_is_done_twice(place):
    checkpoints, folder = place

    def task(value, *below):
        return delayed(counted, pure=False)(folder / "log", value, *below)

    shared = task(1)
    wanted = task(10)
    # A line of two, two that share one, one that another needs too, and that other.
    tasks = [task(100, task(2)), task(200, shared), task(300, shared), wanted, task(400, wanted)]
    prepared = checkpoints.prepare("sums", tasks)
    assert len(prepared.graph) == len(tasks) + len({shared.key, wanted.key})
    assert run(checkpoints, tasks, "sums") == ([102, 201, 301, 10, 410], [0, 1, 2, 3, 4])
    done = (folder / "log").read_text().split()
    assert sorted(map(int, done)) == [1, 2, 10, 100, 200, 300, 400]
    assert run(checkpoints, tasks, "sums") == ([102, 201, 301, 10, 410], [])


def test_what_a_batch_had_done_when_it_failed_is_not_done_again(place):
    checkpoints, folder = place

    def tasks(fails_at=None):
        return [delayed(link, pure=False)(0, n, folder / "log", fails=n == fails_at) for n in range(7)]

    prepared = checkpoints.prepare("sums", tasks(fails_at=4), 3)
    assert list(prepared.pending.values()) == [(0, 1, 2), (3, 4, 5), (6,)]
    _, second, _ = prepared.pending
    assert prepared.reached(second) == 3
    with pytest.raises(ZeroDivisionError):
        dask.get(prepared.graph, second)
    assert prepared.reached(second) == 4
    assert (folder / "log").read_text().split() == ["3"]
    with pytest.raises(ZeroDivisionError):
        dask.get(prepared.graph, second)
    assert (folder / "log").read_text().split() == ["3"]
    assert run(checkpoints, tasks(), "sums", batch=3) == (list(range(7)), [0, 1, 2, 4, 5, 6])
    assert run(checkpoints, tasks(), "sums", batch=2) == (list(range(7)), [])
    assert sorted((folder / "log").read_text().split()) == list("0123456")


def test_tasks_that_need_another_are_not_put_together(place):
    checkpoints, folder = place
    shared = delayed(counted, pure=False)(folder / "log", 1)
    tasks = [delayed(counted, pure=False)(folder / "log", n, *below) for n in (10, 20) for below in ((), (shared,))]
    assert list(checkpoints.prepare("sums", tasks, 8).pending.values()) == [(0, 2), (1,), (3,)]
    assert run(checkpoints, tasks, "sums", batch=8)[0] == [10, 11, 20, 21]


@pytest.mark.parametrize("damage", ["gone", "shorter", "rewritten"])
def test_an_answer_whose_file_is_not_as_it_was_does_not_count(place, damage):
    checkpoints, folder = place
    run(checkpoints, tasks_for(folder, "abc"))
    if damage == "gone":
        (folder / "1").unlink()
    else:
        (folder / "1").write_text("" if damage == "shorter" else "x")
    answers, done = run(checkpoints, tasks_for(folder, "abc"))
    assert done == [1]
    assert (folder / "1").read_text() == "b"
    assert [answer.rows for answer in answers] == [1, 1, 1]


def test_a_checkpoint_cut_short_does_not_count(tmp_path):
    path = tmp_path / "kept"
    assert keep({"a": [1, 2]}, str(path), str(tmp_path)) == {"a": [1, 2]}
    assert restore(path) == ({"a": [1, 2]},)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert restore(path) is None
    assert restore(tmp_path / "nothing") is None


def test_a_file_that_is_passed_is_named_after_its_content():
    here, there = (delayed(work, pure=False)([PassedFile(path=path, digest="1")]) for path in ("a", "b"))
    assert names([here]) == names([there])


def test_none_is_an_answer_like_any_other(tmp_path):
    keep(None, str(tmp_path / "kept"), str(tmp_path))
    assert restore(tmp_path / "kept") == (None,)


def test_a_long_chain_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr("cluster.checkpoints.CHAIN_INTERVAL_S", 0.0)
    checkpoints = Checkpoints(tmp_path / "done", tmp_path, "")

    def chain(fails_at=None):
        task = delayed(link, pure=False)(0, 0, tmp_path / "log", fails=False)
        for step in range(1, 20):
            task = delayed(link, pure=False)(task, step, tmp_path / "log", fails=step == fails_at)
        return task

    # The task that fails has another argument, so that what comes after it has another name, as it should.
    with pytest.raises(ZeroDivisionError):
        run(checkpoints, [chain(fails_at=15)])
    assert len((tmp_path / "log").read_text().split()) == 15
    (answer,), _ = run(checkpoints, [chain()])
    assert answer == sum(range(20))
    assert (tmp_path / "log").read_text().split() == [str(step) for step in range(20)]


def link(before, step, log, *, fails):
    if fails:
        raise ZeroDivisionError
    with open(log, "a") as file:
        file.write(f"{step}\n")
    return before + step
