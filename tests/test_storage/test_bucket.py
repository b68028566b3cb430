"""A store in a bucket, against a real S3 server with conditional writes."""

import json
import secrets
from contextlib import ExitStack

import polars as pl
import pyarrow as pa
import pytest
from child_processes import process
from oracles_storage import rows_of, stage
from s3_server import make_bucket, s3_server

from storage import vacuum as vacuuming
from storage.buckets import bucket_client, file_system
from storage.edits.columns import ColumnChanges
from storage.errors import BucketError, ModelExistsError, QueryError, StoreNotFoundError, VersionVacuumedError
from storage.places import ObjectPath
from storage.store import Store


@pytest.fixture(scope="module")
def server():
    with s3_server() as variables:
        yield variables


@pytest.fixture
def uri(server, monkeypatch, tmp_path):
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TEXTMILL_WORK", str(tmp_path / "work"))
    bucket_client.cache_clear()
    file_system.cache_clear()
    return f"{make_bucket(server, f'b{secrets.token_hex(6)}')}/a/store"


@pytest.fixture
def store(uri):
    return Store.open(uri, create=True)


def table(*numbers):
    return pa.table({"n": list(numbers), "text": [f"text {n}" for n in numbers]})


def append(store, run, *numbers, mode="append"):
    return store.commit(stage(store, run, [table(*numbers)], dataset="d", mode=mode))


def rows(store, **at):
    with store.sql("SELECT n FROM d", at={"d": at["at"]} if at else None) as result:
        return [row["n"] for row in result.read_all().to_pylist()]


def test_a_store_is_made_and_found_again(uri, store):
    with pytest.raises(StoreNotFoundError, match="no textmill store"):
        Store.open(f"{uri}/elsewhere")
    assert Store.open(uri).uri == uri
    assert Store.open(uri).names() == []
    assert store.verify() == []


def test_a_bucket_that_is_not_there_is_told(uri):
    with pytest.raises((BucketError, StoreNotFoundError)):
        Store.open("s3://nowhere-at-all/store", create=True)


def test_what_is_not_empty_is_no_place_for_a_store(uri):
    ObjectPath.parse(f"{uri}/notes.txt").write_bytes(b"mine")
    with pytest.raises(StoreNotFoundError, match="not empty"):
        Store.open(uri, create=True)


def test_versions_queries_tags_and_rollback(store):
    first = append(store, "one", 1, 2, 3, mode="replace")
    second = append(store, "two", 4, 5)
    assert (first.rows, second.rows, second.files) == (3, 5, 2)
    assert rows(store) == [1, 2, 3, 4, 5]
    assert rows(store, at=first.number) == [1, 2, 3]
    store.tag("d", first.number, "gold")
    assert rows(store, at="gold") == [1, 2, 3]
    assert store.diff("d", "gold").added_rows == 2
    assert rows_of(store, "d") == table(1, 2, 3, 4, 5).to_pylist()
    back = store.rollback("d", "gold")
    assert (back.fingerprint, rows(store)) == (first.fingerprint, [1, 2, 3])
    assert store.verify() == []


def test_the_same_run_commits_once(store):
    request = stage(store, "one", [table(1, 2)], dataset="d", mode="append")
    assert store.commit(request).number == store.commit(request).number
    assert rows(store) == [1, 2]


def test_a_bucket_gives_the_bytes_and_facts_of_a_folder(store, tmp_path):
    other = Store.open(tmp_path / "folder", create=True)
    for one in (store, other):
        append(one, "one", 1, 2, 3, mode="replace")
        append(one, "two", 4, 5)
        one.delete("d", "n = 2", run="three")
        one.upsert("d", table(3, 9).to_batches(), table(3).schema, ["n"], run="four")
        one.change_columns("d", ColumnChanges(rename={"text": "body"}), run="five")
        one.compact("d", run="six")
    names = [[file.path.rpartition("/")[2] for file in one.snapshot("d").files] for one in (store, other)]
    assert names[0] == names[1]
    assert [version.fingerprint for version in store.versions("d")] == [v.fingerprint for v in other.versions("d")]
    assert rows(store) == rows(other) == [1, 4, 5, 3, 9]
    assert store.verify() == []


def test_pages_stay_on_their_version(store):
    append(store, "one", *range(20), mode="replace")
    with store.sql("SELECT n FROM d ORDER BY n DESC", limit=8) as page:
        seen, cursor = page.read_all()["n"].to_pylist(), page.cursor
    append(store, "two", 100)
    while cursor:
        with store.sql("SELECT n FROM d ORDER BY n DESC", limit=8, cursor=cursor) as page:
            seen, cursor = seen + page.read_all()["n"].to_pylist(), page.cursor
    assert seen == list(reversed(range(20)))


def test_untrusted_queries_see_nothing_else_in_the_bucket(uri, store):
    append(store, "one", 1, mode="replace")
    secret = store.snapshot("d").files[0].path
    store.commit(stage(store, "two", [table(2)], dataset="other", mode="replace"))
    for attack in (
        f"SELECT * FROM read_parquet('{uri}/other/*.parquet'), d",
        f"SELECT * FROM d, read_text('{uri}/textmill.json')",
        f"COPY (SELECT * FROM d) TO '{uri}/d/stolen.parquet'",
        f"SELECT * FROM d, glob('{uri}/**')",
    ):
        with pytest.raises(QueryError), store.sql(attack) as result:
            result.read_all()
    assert secret in [file.path for file in store.snapshot("d").files]
    assert store.verify() == []


def test_vacuum_removes_what_no_version_needs(store):
    first = append(store, "one", 1, mode="replace")
    append(store, "two", 2, mode="replace")
    store.tag("d", first.number, "gold")
    assert store.vacuum("d", older_than_hours=0).files == 0
    store.untag("d", "gold")
    done = store.vacuum("d", older_than_hours=0)
    assert (done.files, done.versions) == (1, (first.number,))
    with pytest.raises(VersionVacuumedError):
        store.snapshot("d", first.number)
    assert rows(store) == [2]
    assert store.verify() == []


def test_damage_is_found(uri, store):
    append(store, "one", *range(50), mode="replace")
    append(store, "two", *range(50))
    kept = [ObjectPath.parse(file.path) for file in store.snapshot("d").files]
    content = bytearray(kept[0].read_bytes())
    content[40] ^= 1
    kept[0].write_bytes(bytes(content))
    kept[1].unlink()
    ObjectPath.parse(f"{uri}/d/foreign.parquet").write_bytes(b"x")
    assert sorted(problem.kind for problem in store.verify()) == ["changed", "foreign", "missing"]


def test_runs_and_models(store, tmp_path):
    version = append(store, "one", 1, mode="replace")
    store.record_run("run-1", {"job": "j", "state": "succeeded"})
    assert store.run("run-1")["job"] == "j"
    for number in range(2):
        (tmp_path / "m").mkdir()
        (tmp_path / "m" / "weights.bin").write_bytes(b"abc")
        folder = store.save_model("m-1", tmp_path / "m", {"dataset": "d", "version": version.number, "turn": number})
        assert (folder / "weights.bin").read_bytes() == b"abc"
    assert [model["turn"] for model in store.models()] == [1]
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "weights.bin").write_bytes(b"other")
    with pytest.raises(ModelExistsError):
        store.save_model("m-1", tmp_path / "m", {})
    (store.model_path("m-1") / "weights.bin").write_bytes(b"bad")
    assert (Store.open(store.uri).model_path("m-1") / "weights.bin").read_bytes() == b"abc"
    append(store, "two", 2, mode="replace")
    assert store.vacuum("d", older_than_hours=0).versions == ()
    with store.sql("SELECT model FROM _system.models") as result:
        assert result.read_all().to_pylist() == [{"model": "m-1"}]


def test_copies_exports_and_imports(store, tmp_path):
    append(store, "one", 1, 2, mode="replace")
    copied = store.copy("d", "e")
    assert copied.fingerprint == store.version("d").fingerprint
    store.export("e", tmp_path / "out")
    other = Store.open(tmp_path / "folder", create=True)
    assert other.import_version(tmp_path / "out").fingerprint == copied.fingerprint
    assert store.import_version(tmp_path / "out", name="f").fingerprint == copied.fingerprint
    assert store.verify() == []


def test_other_programs_read_a_version(uri, store):
    append(store, "one", 1, 2, mode="replace")
    append(store, "two", 3)
    found = pl.scan_delta(f"{uri}/d", storage_options={"allow_http": "true"}).collect()
    assert sorted(found["n"].to_list()) == [1, 2, 3]


COMMITTER = """
import sys
import pyarrow as pa
from oracles_storage import stage
from storage.store import Store

store = Store.open(sys.argv[1])
name, count = sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    rows = pa.table({"writer": [name], "n": [number]})
    store.commit(stage(store, f"{name}-{number}", [rows], dataset="d", mode="append"))
print("done", flush=True)
"""


def test_commits_of_several_machines_all_land(uri, store, monkeypatch, tmp_path):
    # Each has a work folder of its own, so that no lock but the bucket's conditional write keeps them apart.
    with ExitStack() as stack:
        machines = []
        for name in "abcd":
            monkeypatch.setenv("TEXTMILL_WORK", str(tmp_path / f"machine-{name}"))
            machines.append(stack.enter_context(process(COMMITTER, uri, name, 25, deadline_s=280)))
        for machine in machines:
            assert machine.stdout.readline() == "ready\n"
        for machine in machines:
            machine.stdin.write("\n")
            machine.stdin.flush()
        for machine in machines:
            assert machine.stdout.readline() == "done\n"
    found = rows_of(store, "d")
    assert sorted((row["writer"], row["n"]) for row in found) == [(w, n) for w in "abcd" for n in range(25)]
    versions = store.versions("d")
    assert len(versions) == 100
    assert versions[0].rows == 100
    assert [problem.kind for problem in store.verify()] == []


def test_what_a_killed_commit_left_is_told_and_vacuumed(uri, store, monkeypatch):
    append(store, "one", 1, mode="replace")
    request = stage(store, "two", [table(2)], dataset="d", mode="append")
    part = request.parts[0]
    name = f"00000001-000000-{'0' * 8}-{part.sha256[:32]}.parquet"
    with open(part.path, "rb") as file:
        ObjectPath.parse(f"{uri}/d/{name}").write_bytes(file.read())
    assert [problem.kind for problem in store.verify()] == ["orphan"]
    assert store.vacuum("d", older_than_hours=0).files == 0  # a commit of another machine may be on its way
    monkeypatch.setattr(vacuuming, "_UPLOAD_S", 0.0)
    assert store.vacuum("d", older_than_hours=0).files == 1
    assert store.verify() == []
    assert json.loads(ObjectPath.parse(f"{uri}/textmill.json").read_bytes()) == {"format": 1}
