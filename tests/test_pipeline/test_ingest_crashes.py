"""Records that kill their process: found, rejected by name, and nothing else with them."""

import sys

import psutil
import pyarrow as pa
import pytest

from pipeline.config import parse_job
from pipeline.errors import DataError, TaskDiedError
from pipeline.execute import run_here
from pipeline.frame import POSITION, REASON, SOURCE
from pipeline.ingest import examination
from pipeline.ingest.crashes import CRASHED, Crash, known_crashes, remember_crashes, without_crashes
from pipeline.ingest.examination import examine_block
from pipeline.ingest.flow import prepare
from pipeline.ingest.reading.plan import plan_source
from pipeline.ingest.stage_block import BlockWork
from storage.store import Store

DEADLY = """
import os, signal
import numpy as np

def clean(text):
    if "kill" in text:
        os.kill(os.getpid(), signal.SIGKILL)
    if "exit" in text:
        os._exit(7)
    if "fill" in text:
        while True:
            kept.append(np.ones(4_000_000))
    return text.upper()

kept = []
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "deadly_cleaning.py").write_text(DEADLY)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("deadly_cleaning", None)


def job_of(place, texts, block="64MB"):
    (place / "a.csv").write_text("text\n" + "".join(f"{text}\n" for text in texts))
    return parse_job(
        {
            "name": "x",
            "store": str(place / "store"),
            "source": {"files": ["a.csv"], "root": str(place), "block": block},
            "clean": [{"op": "python", "function": "deadly_cleaning:clean"}],
            "dataset": {"name": "x"},
        }
    )


class Dying:
    """An `Execute` whose workers die under blocks with records that are not known yet."""

    def __init__(self, deadly, memory_bytes=0):
        self.deadly = deadly
        self.memory_bytes = memory_bytes
        self.examined = 0
        self.folder = None

    def __call__(self, stage, tasks, *, sizes=None):
        if stage == "examine":
            self.examined += len(tasks)
        if stage == "clean" and self.deadly - len(known_crashes(self.folder)) > 0:
            error = TaskDiedError("killed")
            error.tasks, error.memory_bytes = tuple(range(len(tasks))), self.memory_bytes
            raise error
        return run_here(stage, tasks)


def prepared(place, job, execute):
    store, notes = Store.open(place / "store", create=True), []
    execute.folder = store.staging("run-1")
    return prepare(job, store, "run-1", execute, note=notes.append, allow_code=True), notes


def test_exactly_the_deadly_records_are_rejected(place):
    texts = [f"text {n}" for n in range(300)]
    texts[0] = "kill at the start"
    texts[150] = "exit in the middle"
    texts[151] = "kill beside it"
    texts[299] = "kill at the end"
    found, notes = prepared(place, job_of(place, texts), Dying(4))
    assert found.ledger.rejected == {CRASHED: 4}
    assert found.ledger.kept == 296
    positions, at = [], len("text\n")
    for text in texts:
        if text.startswith(("kill", "exit")):
            positions.append(at)
        at += len(text) + 1
    told = [note for note in notes if "kills the process" in note]
    assert [note.split(" kills")[0] for note in told] == [f"the record of a.csv at {at}" for at in positions]


def test_a_record_that_fills_the_memory_is_one_too(place):
    texts = [f"text {n}" for n in range(40)]
    texts[17] = "fill it"
    # The limit is that of a whole worker: what this process holds already counts.
    limit = 2 * psutil.Process().memory_info().rss + 1_500_000_000
    found, _ = prepared(place, job_of(place, texts), Dying(1, memory_bytes=limit))
    assert found.ledger.rejected == {CRASHED: 1}


def test_blocks_that_die_over_no_single_record_are_told_as_before(place):
    execute = Dying(1)
    with pytest.raises(TaskDiedError, match="killed"):
        prepared(place, job_of(place, ["one", "two"]), execute)
    assert execute.examined == 1


def test_a_function_that_kills_over_any_record_ends_the_search(place, monkeypatch):
    monkeypatch.setattr(examination, "MOST_CRASHES", 1)
    with pytest.raises(DataError, match=r"more than 1 records .* lastly a.csv at 12.*Python functions"):
        prepared(place, job_of(place, ["kill 1", "kill 2", "kill 3"]), Dying(3))


def test_a_block_that_cannot_be_read_has_no_deadly_records(place, monkeypatch):
    job = job_of(place, ["one"])
    execute = Dying(0)
    prepared(place, job, execute)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    execute.deadly = 1
    with pytest.raises(TaskDiedError):
        prepared(place, job, execute)


def test_known_records_are_found_by_row_id_in_any_block(tmp_path):
    def table(sources, positions):
        names = pa.array(sources).dictionary_encode()
        nothing = pa.nulls(len(sources), pa.string())
        return pa.table({SOURCE: names, POSITION: pa.array(positions, pa.int64()), "_fate": nothing, REASON: nothing})

    assert without_crashes(table(["a"], [5]), tmp_path)[REASON].to_pylist() == [None]
    remember_crashes([Crash(source="a", position=5)], tmp_path)
    remember_crashes([], tmp_path)
    remember_crashes([Crash(source="b", position=7)], tmp_path)
    assert len(known_crashes(tmp_path)) == 2
    found = without_crashes(table(["a", "b", "a", "b", "c"], [5, 5, 7, 7, 7]), tmp_path)
    assert found[REASON].to_pylist() == [CRASHED, None, None, CRASHED, None]
    assert without_crashes(table([], []), tmp_path).num_rows == 0


def test_an_examination_of_a_healthy_block_finds_nothing(place):
    job = job_of(place, ["one", "two"])
    plan = plan_source(job.source, place, run_here, place / "unpacked")
    work = BlockWork(
        schema=plan.schema,
        operations=job.clean,
        checks=(),
        folder=str(place / "staging"),
        label=None,
        keys=None,
        waits=False,
    )
    assert examine_block(plan.blocks[0], work, 0) == ()
    assert known_crashes(place / "staging") == frozenset()
