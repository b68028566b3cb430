"""Runs and models are found again, by id or its start, and a model is there whole or not at all."""

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from oracles_storage import stage

from storage import errors
from storage.store import Store
from storage.system import SystemTable


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store", create=True)


def staged_model(store, model="m1", weights=b"weights"):
    folder = store.staging(model) / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(weights)
    return folder


def test_the_last_record_of_a_run_counts(store):
    assert store.runs() == []
    store.record_run("run-a1", {"state": "running", "ledger": {"read": 1}})
    store.record_run("run-b2", {"state": "running"})
    store.record_run("run-a1", {"state": "succeeded", "说明": "完成"})
    assert store.runs() == [
        {"run": "run-a1", "state": "succeeded", "说明": "完成"},
        {"run": "run-b2", "state": "running"},
    ]
    assert store.run("run-b")["run"] == "run-b2"
    with pytest.raises(errors.RunNotFoundError, match="2 start so: run-a1, run-b2"):
        store.run("run-")
    with pytest.raises(errors.RunNotFoundError, match="run-a1"):
        store.run("rum-a1")
    with pytest.raises(errors.RunNotFoundError):
        store.run("")


def test_many_records_are_compacted_and_none_is_lost(store):
    for number in range(140):
        store.record_run(f"run-{number}", {"n": number})
    assert [run["n"] for run in store.runs()] == list(range(139, -1, -1))
    table = DeltaTable(str(Path(store.uri) / "_system" / "runs"))
    assert len(table.file_uris()) < 70
    assert pa.table(table.to_pyarrow_table()).num_rows == 140


def test_a_model_is_moved_in_and_found(store):
    folder = staged_model(store)
    path = store.save_model("m1", folder, {"dataset": "reviews", "version": 0, "sha256": "x"})
    assert not folder.exists()
    assert (path / "weights.bin").read_bytes() == b"weights"
    assert path == store.model_path("m") == Path(store.uri) / "_models" / "m1"
    assert store.model("m1") == {"id": "m1", "dataset": "reviews", "version": 0, "sha256": "x"}
    assert store.models() == [store.model("m1")]
    with pytest.raises(errors.ModelNotFoundError, match="not in this store"):
        store.model_path("x9")


def test_an_id_belongs_to_one_model(store):
    store.save_model("m1", staged_model(store), {"n": 1})
    store.save_model("m1", staged_model(store), {"n": 2})
    assert store.models() == [{"id": "m1", "n": 2}]
    with pytest.raises(errors.ModelExistsError, match="another model has this id"):
        store.save_model("m1", staged_model(store, weights=b"other"), {"n": 3})
    assert store.model("m1")["n"] == 2
    with pytest.raises(errors.ModelNotFoundError, match="no staged folder"):
        store.save_model("m2", Path(store.uri) / "nope", {})


def test_a_model_that_died_on_its_way_is_not_shown(store):
    store.save_model("m1", staged_model(store), {"dataset": "reviews", "version": 0})
    (Path(store.uri) / "_models" / "m1").rename(Path(store.uri) / "gone")
    assert store.models() == []
    with pytest.raises(errors.ModelNotFoundError):
        store.model("m1")


def test_a_model_of_a_dataset_is_saved_under_its_lock(store):
    store.commit(stage(store, "r1", [pa.table({"text": ["a"]})]))
    store.save_model("m1", staged_model(store), {"dataset": "reviews", "version": 0})
    assert store.model("m1")["version"] == 0


def test_sql_sees_a_models_record_as_it_was_given(store):
    store.save_model("m1", staged_model(store), {"sha256": "x"})
    with store.sql("SELECT record, files FROM _system.models") as result:
        (row,) = result.read_all().to_pylist()
    assert json.loads(row["record"]) == {"sha256": "x"}
    assert json.loads(row["files"]) == {"weights.bin": hashlib.sha256(b"weights").hexdigest()}


def test_a_table_of_an_earlier_textmill_gets_the_columns_that_came_since(store):
    layout = store.layout.system("models")
    older = SystemTable(layout, pa.schema([("model", pa.string()), ("record", pa.string())]))
    older.append([{"model": "m0", "record": "{}"}])
    store.save_model("m1", staged_model(store), {"run": "r1"})
    rows = DeltaTable(str(layout.folder)).to_pyarrow_table().sort_by("serial").to_pylist()
    assert [(row["model"], row["run"]) for row in rows] == [("m0", None), ("m1", "r1")]
    assert store.model("m1")["run"] == "r1"


def test_names_in_hints_are_spelled_as_they_are(store):
    store.record_run("Run-A1", {})
    with pytest.raises(errors.RunNotFoundError, match="Did you mean 'Run-A1'"):
        store.run("Rum-A1")
    store.commit(stage(store, "r", [pa.table({"x": [1]})], dataset="Tickets"))
    with pytest.raises(errors.QueryError, match=r'Did you mean "Tickets"\? Known: Tickets'):
        store.sql("SELECT * FROM tickts")
