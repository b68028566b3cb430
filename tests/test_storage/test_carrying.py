"""A version carried out and in is the same; where rows came from and went to can be asked."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from oracles_storage import fates_of, rows_of, stage

from storage import errors
from storage.store import Store


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store", create=True)


def sourced(*rows):
    return pa.table(
        {"text": [r[0] for r in rows], "_source": [r[1] for r in rows], "_position": list(range(len(rows)))}
    )


def filled(store, tmp_path):
    fates = fates_of(("a.csv", 9, "rejected", "short_row", None, None, "x"))
    store.commit(
        stage(store, "r1", [sourced(("a", "a.csv"), ("b", "b.csv"))], fates=[fates], ledger={"read": 3}, author="me")
    )
    wide = sourced(("c", "b.csv")).append_column("n", pa.array([1]))
    store.commit(stage(store, "r2", [wide], mode="append"))
    # Making room for a column takes a number of the log, so this is version 2.
    store.record_run("r2", {"state": "succeeded", "dataset": {"name": "reviews", "version": 2}})
    (tmp_path / "m").mkdir()
    lineage = {"dataset": "reviews", "version": 2, "seed": 7}
    (tmp_path / "m" / "lineage.json").write_text(json.dumps(lineage))
    (tmp_path / "m" / "weights").write_bytes(b"w")
    store.save_model("m1", tmp_path / "m", {"dataset": "reviews", "version": 2, "run": "r2", "sha256": "beef"})
    return store


def test_a_version_comes_back_as_it_was_in_any_store(store, tmp_path):
    filled(store, tmp_path)
    exported = store.export("reviews", tmp_path / "out", models=True)
    paths = sorted((tmp_path / "out" / "data").iterdir())
    assert [row for path in paths for row in pq.read_table(path).to_pylist()] == rows_of(store)
    (tmp_path / "out").rename(tmp_path / "carried")
    other = Store.open(tmp_path / "other", create=True)
    other.commit(stage(other, "own", [pa.table({"x": [1]})], dataset="mine"))
    version = other.import_version(tmp_path / "carried", name="mine")
    assert (version.mode, version.number, version.copied_from) == ("import", 1, "reviews@2")
    assert (version.fingerprint, version.ledger, version.rows) == (exported.fingerprint, exported.ledger, 3)
    assert rows_of(other, "mine") == rows_of(store)
    assert other.import_version(tmp_path / "carried", name="mine").number == 1
    record = other.model("m1")
    assert (record["dataset"], record["version"], record["sha256"]) == ("mine", 1, "beef")
    lineage = json.loads((other.model_path("m1") / "lineage.json").read_text())
    assert lineage == {"dataset": "mine", "version": 1, "seed": 7}
    assert other.run("r2")["dataset"] == {"name": "mine", "version": 1}
    assert other.verify() == []
    assert [pin.names for pin in other.vacuum("mine", older_than_hours=0).pins] == [("model m1",)]
    older = other.import_version(exported_again(store, tmp_path, at=0), name="older")
    assert (other.fates("older").num_rows, older.author) == (1, "me")


def exported_again(store, tmp_path, at):
    store.export("reviews", tmp_path / "again", at=at)
    return tmp_path / "again"


def spoil_byte(folder):
    path = folder / "data" / "000000.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def spoil_manifest(change):
    def spoil(folder):
        manifest = json.loads((folder / "manifest.json").read_text())
        change(manifest)
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_byte,
        lambda folder: (folder / "data" / "000000.parquet").unlink(),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{"),
        spoil_manifest(lambda m: m["version"].update(fingerprint="sha256:0")),
        spoil_manifest(lambda m: m["fingerprint"].update(rows=1)),
        spoil_manifest(lambda m: m.update(format=9)),
        spoil_manifest(lambda m: m["files"].update({"../../etc/passwd": "0"})),
    ],
)
def test_a_spoiled_folder_is_refused_whole(store, tmp_path, spoil):
    filled(store, tmp_path)
    store.export("reviews", tmp_path / "out")
    spoil(tmp_path / "out")
    other = Store.open(tmp_path / "other", create=True)
    with pytest.raises(errors.CarriedFolderError):
        other.import_version(tmp_path / "out")
    assert other.names() == []


def test_an_export_overwrites_nothing(store, tmp_path):
    filled(store, tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").write_text("x")
    with pytest.raises(errors.CarriedFolderError, match="not an empty folder"):
        store.export("reviews", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.doc"]


def test_a_source_file_is_followed_to_versions_and_models(store, tmp_path):
    filled(store, tmp_path)
    assert store.sources("reviews") == {"a.csv": 1, "b.csv": 2}
    assert store.sources("reviews", 0) == {"a.csv": 1, "b.csv": 1}
    reached = {"dataset": "reviews", "version": 2, "rows": 2, "models": ["m1"]}
    assert store.lineage("b.csv")[0] == reached
    assert [each["version"] for each in store.lineage("b.csv")] == [2, 0]
    assert store.lineage("nope.csv") == []
    store.delete("reviews", "_source = 'b.csv'")
    assert store.sources("reviews") == {"a.csv": 1}
    store.vacuum("reviews", older_than_hours=0)
    assert [each["version"] for each in store.lineage("b.csv")] == [2]
    query = "SELECT source, rows FROM _system.sources JOIN _system.models USING (dataset, version) ORDER BY source"
    for _ in range(2):
        with store.sql(query) as result:
            assert result.read_all().to_pylist() == [{"source": "a.csv", "rows": 1}, {"source": "b.csv", "rows": 2}]
        shutil.rmtree(Path(store.uri) / "_cache" / "sources")


def test_a_model_names_its_rows(store, tmp_path):
    filled(store, tmp_path)
    store.delete("reviews", "true")
    with store.sql("SELECT count(*) AS n FROM reviews", at={"reviews": "model:m1"}) as result:
        assert result.read_all().to_pylist() == [{"n": 3}]
    assert len(rows_of(store, at="model:m")) == 3
    assert store.models_of("reviews", 2) == ["m1"]
    with pytest.raises(errors.ModelNotFoundError):
        store.version("reviews", "model:x")
    store.copy("reviews", "trial")
    with pytest.raises(errors.VersionNotFoundError, match="did not learn from it"):
        store.version("trial", "model:m1")


def test_a_model_that_is_there_stays_as_it_is(store, tmp_path):
    filled(store, tmp_path).export("reviews", tmp_path / "out", models=True)
    other = Store.open(tmp_path / "other", create=True)
    other.import_version(tmp_path / "out", name="first")
    assert other.import_version(tmp_path / "out", name="second").number == 0
    assert other.model("m1")["dataset"] == "first"
    assert other.verify() == []


def test_another_model_of_the_same_id_is_refused_before_anything_is_changed(store, tmp_path):
    filled(store, tmp_path).export("reviews", tmp_path / "out", models=True)
    other = Store.open(tmp_path / "other", create=True)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "weights").write_bytes(b"of another")
    other.save_model("m1", tmp_path / "m", {})
    with pytest.raises(errors.ModelExistsError, match="Nothing was imported"):
        other.import_version(tmp_path / "out")
    assert (other.names(), other.runs()) == ([], [])
