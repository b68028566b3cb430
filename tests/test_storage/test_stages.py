"""Stages of models: one in production of each name, a history that only grows, names that find a model."""

import pyarrow as pa
import pytest

from storage.errors import ModelNotFoundError
from storage.fingerprint import fingerprint_of
from storage.parquet import write_part
from storage.store import Store
from storage.versions import CommitRequest


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    for number in range(3):
        table = pa.table({"text": [f"t{number}"], "label": ["a"], "_source": ["a.csv"], "_position": [number]})
        part = write_part(table, store.staging(f"r{number}") / "part.parquet")
        store.commit(
            CommitRequest(
                dataset="tickets", mode="replace", parts=(part,), schema=table.schema,
                fingerprint=fingerprint_of(table, ["text", "label"]), run=f"r{number}",
            )
        )  # fmt: skip
    for number, name in enumerate(("tickets", "tickets", "other")):
        folder = store.staging(f"m{number}") / "model"
        folder.mkdir(parents=True)
        (folder / "weights").write_text(str(number))
        store.save_model(f"m{number}", folder, {"name": name, "dataset": "tickets", "version": number})
    return store


def stages(store):
    return {record["id"]: record.get("stage") for record in store.models()}


def test_the_next_in_production_retires_the_last_of_its_name(store):
    assert stages(store) == {"m0": None, "m1": None, "m2": None}
    store.set_stage("m2", "production")
    store.set_stage("m0", "candidate")
    store.set_stage("m0", "production", message="first", author="ann")
    changes = store.set_stage("m1", "production", message="better", author="bob")
    assert [(one.model, one.stage, one.message) for one in changes] == [
        ("m1", "production", "better"), ("m0", "retired", "replaced by m1"),
    ]  # fmt: skip
    assert stages(store) == {"m0": "retired", "m1": "production", "m2": "production"}
    history = store.stage_history("m0")
    assert [(one.stage, one.author) for one in history] == [
        ("candidate", ""),
        ("production", "ann"),
        ("retired", "bob"),
    ]
    assert [one.at for one in history] == sorted(one.at for one in history)
    assert store.set_stage("m1", "production") == []
    assert Store.open(store.uri).model("m1")["stage"] == "production"


def test_a_name_and_stage_find_a_model(store):
    store.set_stage("m0", "production")
    assert store.model("tickets@production")["id"] == "m0"
    store.set_stage("m1", "production")
    assert store.model_path("tickets@production").name == "m1"
    assert store.model("tickets@retired")["id"] == "m0"
    with pytest.raises(ModelNotFoundError, match="no model of other is in stage production"):
        store.model("other@production")
    with pytest.raises(ModelNotFoundError):
        store.set_stage("m9", "candidate")
    with pytest.raises(ValueError, match="no stage"):
        store.set_stage("m0", "live")


def test_a_stage_keeps_its_version_and_says_so(store):
    store.set_stage("m0", "production")
    report = store.vacuum("tickets", older_than_hours=0)
    assert {pin.version: pin.names for pin in report.pins} == {
        0: ("model m0 (production)",), 1: ("model m1",), 2: ("model m2",),
    }  # fmt: skip
    assert store.snapshot("tickets", 0).version.rows == 1
    assert store.verify() == []


def test_history_in_sql(store):
    store.set_stage("m0", "candidate")
    store.set_stage("m0", "production", message="why")
    with store.sql("SELECT model, stage, message FROM _system.stages ORDER BY serial") as result:
        rows = result.read_all().to_pylist()
    assert [row["stage"] for row in rows] == ["candidate", "production"]
    assert rows[1]["message"] == "why"
