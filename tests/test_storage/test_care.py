"""Damage is found, what is needed is never removed, and versions can be compared."""

import json
import os
import shutil
import sys
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_storage import rows_of, stage

from storage import errors
from storage import rollback as rolling_back
from storage import vacuum as vacuuming
from storage.arranging.plan import Arrangement
from storage.fates import FATE_SCHEMA
from storage.layout import StoreLayout
from storage.log import Entry
from storage.store import Store
from storage.vacuum import plan_vacuum


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    for number in range(3):
        commit(store, f"r{number}", pa.table({"text": [f"text {number}"] * 50, "n": range(50)}), fates=True)
    return store


def commit(store, run, table, *, fates=False, **more):
    row = {"source": "f", "position": 1, "fate": "rejected", "reason": "x"}
    tables = [pa.Table.from_pylist([row], schema=FATE_SCHEMA)] if fates else []
    return store.commit(stage(store, run, [table], fates=tables, **more))


def data_file(store, at=None):
    return Path(store.snapshot("reviews", at).files[0].path)


def found(store):
    return [(problem.kind, problem.versions) for problem in store.verify()]


def test_a_sound_store_has_no_problems(store):
    store.rollback("reviews", 0)
    store.tag("reviews", 1, "gold")
    store.record_run("r0", {})
    commit(store, "app", pa.table({"text": ["a"], "more": [1]}), mode="append")
    assert store.verify() == []


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "missing": (lambda path: path.unlink(), "missing"),
    "truncated": (lambda path: os.truncate(path, path.stat().st_size - 1), "truncated"),
    "emptied": (lambda path: os.truncate(path, 0), "truncated"),
    "one bit": (flip, "changed"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"x"), "changed"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_data_is_found(store, name):
    damage, kind = DAMAGE[name]
    damage(data_file(store, at=1))
    assert found(store) == [(kind, (1,))]
    text = str(store.verify()[0])
    assert text.startswith("reviews/00000001-000000-")
    assert "Restore the file" in text


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_fates_are_found(store, name):
    damage, kind = DAMAGE[name]
    damage(next((Path(store.uri) / "reviews" / "_fates").glob("00000002-*")))
    assert found(store) == [(kind, (2,))]


def test_every_flipped_bit_is_found(store):
    path = data_file(store)
    good = path.read_bytes()
    for place in range(0, len(good), 97):
        spoiled = bytearray(good)
        spoiled[place] ^= 1 << place % 8
        path.write_bytes(spoiled)
        assert found(store) == [("changed", (2,))]
    path.write_bytes(good)
    assert store.verify() == []


def test_foreign_files_are_found(store):
    pq.write_table(pa.table({"x": [1]}), Path(store.uri) / "reviews" / "part-0.parquet")
    (Path(store.uri) / "notes.txt").write_text("x")
    (Path(store.uri) / "_models" / "strange").mkdir(parents=True)
    assert [(problem.kind, problem.path) for problem in store.verify()] == [
        ("foreign", "_models/strange"),
        ("foreign", "notes.txt"),
        ("foreign", "reviews/part-0.parquet"),
    ]


def test_a_file_from_another_version_under_a_wrong_name_is_found(store):
    shutil.copyfile(data_file(store, at=0), data_file(store))
    assert found(store) == [("changed", (2,))]


def log_entry(store, number):
    return Path(store.uri) / "reviews" / "_delta_log" / f"{number:020d}.json"


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text("no json"),
        lambda path: os.truncate(path, path.stat().st_size // 2),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: path.write_text("[1]\n"),
        lambda path: path.write_text(path.read_text().splitlines()[0] + "\n"),
    ],
)
@pytest.mark.parametrize("number", [0, 1])
def test_a_broken_log_is_found(store, damage, number):
    damage(log_entry(store, number))
    problems = [problem for problem in store.verify() if problem.kind == "broken_log"]
    assert (problems[0].path, problems[0].versions) == (f"reviews/_delta_log/{number:020d}.json", (number,))
    before = sorted(Path(store.uri).rglob("*.parquet"))
    with pytest.raises(errors.StoreDamagedError):
        store.vacuum("reviews", older_than_hours=0)
    assert sorted(Path(store.uri).rglob("*.parquet")) == before


def test_a_broken_newest_entry_is_an_error_with_a_cure(store):
    log_entry(store, 2).write_text("{")
    with pytest.raises(errors.StoreDamagedError, match="textmill verify"):
        store.snapshot("reviews")


def test_damage_in_system_tables_is_found(store):
    store.record_run("r0", {})
    flip(next((Path(store.uri) / "_system" / "runs").glob("*.parquet")))
    assert [(problem.dataset, problem.kind) for problem in store.verify()] == [("runs", "changed")]


def test_a_lost_log_is_told_and_its_files_are_kept(store):
    shutil.rmtree(Path(store.uri) / "reviews" / "_delta_log")
    assert {kind for kind, _ in found(store)} == {"orphan", "broken_log"}
    with pytest.raises(errors.DatasetNotFoundError):
        store.vacuum("reviews", older_than_hours=0)


def parquet_count(store):
    return len(list((Path(store.uri) / "reviews").rglob("*.parquet")))


def test_vacuum_keeps_the_newest_and_the_pinned(store, tmp_path):
    commit(store, "r3", pa.table({"text": ["newest"]}))
    store.tag("reviews", 0, "gold")
    (tmp_path / "m").mkdir()
    store.save_model("m1", tmp_path / "m", {"dataset": "reviews", "version": 1})
    dry = store.vacuum("reviews", older_than_hours=0, dry_run=True)
    assert (dry.versions, dry.files, parquet_count(store)) == ((2,), 2, 7)
    report = store.vacuum("reviews", older_than_hours=0)
    assert (report.versions, report.files, report.bytes, parquet_count(store)) == ((2,), 2, dry.bytes, 5)
    assert [(pin.version, pin.names) for pin in report.pins] == [(0, ("tag gold",)), (1, ("model m1",))]
    assert all(pin.bytes > 0 for pin in report.pins)
    assert rows_of(store, at="gold")[0]["text"] == "text 0"
    assert store.fates("reviews", version=1).num_rows == 1
    assert store.verify() == []
    with pytest.raises(errors.VersionVacuumedError, match="given up by a vacuum"):
        store.snapshot("reviews", 2)
    with pytest.raises(errors.VersionVacuumedError):
        store.rollback("reviews", 2)
    with pytest.raises(errors.VersionVacuumedError):
        store.tag("reviews", 2, "late")
    with pytest.raises(errors.VersionVacuumedError):
        store.sql("from reviews", at={"reviews": 2})
    store.untag("reviews", "gold")
    assert store.vacuum("reviews", older_than_hours=0).versions == (0,)
    assert len(store.versions("reviews")) == 4


def test_vacuum_keeps_what_is_young(store):
    assert store.vacuum("reviews").versions == ()
    assert rows_of(store, at=0)[0]["text"] == "text 0"


def test_vacuum_keeps_files_that_appends_share(store):
    commit(store, "a1", pa.table({"text": ["x"], "n": [1]}), mode="append")
    assert store.vacuum("reviews", older_than_hours=0).versions == (0, 1, 2)
    assert len(rows_of(store)) == 51
    assert store.verify() == []


def test_orphans_are_found_and_vacuumed(store):
    orphan = data_file(store).with_name(data_file(store).name.replace("00000002", "00000009"))
    shutil.copyfile(data_file(store), orphan)
    aside = data_file(store).with_name(".half.aside")
    aside.write_bytes(b"half")
    foreign = data_file(store).with_name("thesis.parquet")
    foreign.write_bytes(b"mine")
    assert {kind for kind, _ in found(store)} == {"orphan", "foreign"}
    store.vacuum("reviews", older_than_hours=0)
    assert not orphan.exists()
    assert not aside.exists()
    assert foreign.exists()


@given(
    st.lists(st.integers(0, 100), max_size=12),
    st.sets(st.integers(0, 11)),
    st.sets(st.integers(0, 11)),
    st.integers(0, 100),
)
def test_a_plan_never_gives_up_the_newest_the_pinned_or_the_young(times, gone, pinned, oldest):
    known = [Entry(number=n, timestamp=time, facts={}) for n, time in enumerate(times)][::-1]
    plan = plan_vacuum(known, frozenset(gone), pinned, oldest)
    there = {entry.number: entry.timestamp for entry in known if entry.number not in gone}
    assert plan.kept | plan.given_up == set(there)
    assert not plan.kept & plan.given_up
    for number in plan.given_up:
        assert number not in pinned
        assert number != max(there)
        assert there[number] < oldest
    for number in plan.kept:
        assert number in pinned or number == max(there) or there[number] >= oldest


def test_a_diff_tells_columns_counts_labels_and_rows(store):
    commit(store, "l", pa.table({"text": ["a", "b", "b", "c"], "label": ["x", "x", "x", "y"]}))
    commit(store, "r", pa.table({"text": ["a", "b", "d"], "label": ["x", "x", "z"], "n": [None, None, 1]}))
    diff = store.diff("reviews", 3)
    assert (diff.left.number, diff.right.number) == (3, 4)
    assert (diff.added_columns, diff.removed_columns, diff.changed_columns) == (("n: int64",), (), ())
    assert (diff.added_rows, diff.removed_rows, diff.same) == (1, 2, False)
    assert diff.labels == {"x": (3, 2), "y": (1, 0), "z": (0, 1)}
    differ = store.differ("reviews", 3, 4)
    assert differ.rows("added").read_all().to_pylist() == [{"text": "d", "label": "z", "n": 1}]
    assert [row["text"] for row in differ.rows("removed").read_all().to_pylist()] == ["b", "c"]


def test_a_diff_of_changed_types_compares_as_text(store):
    commit(store, "l", pa.table({"n": [1, 2]}))
    commit(store, "r", pa.table({"n": ["2", "3"]}))
    diff = store.diff("reviews", 3, 4)
    assert diff.changed_columns == ("n: int64 -> string",)
    assert (diff.added_rows, diff.removed_rows) == (1, 1)
    assert diff.labels == {}


def test_a_version_does_not_differ_from_itself_or_its_rollback(store):
    store.rollback("reviews", 1)
    assert store.diff("reviews", 1, 1).same
    assert store.diff("reviews", 1).same


def test_row_ids_are_no_content(store):
    commit(store, "l", pa.table({"text": ["a"], "_source": ["f"], "_position": [1]}))
    commit(store, "r", pa.table({"text": ["a"], "_source": ["g"], "_position": [2]}))
    assert store.diff("reviews", 3, 4).same


@settings(max_examples=12, deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8), st.booleans())
def test_rows_added_and_removed_are_those_of_multisets(tmp_path_factory, left, right, append):
    store = Store.open(tmp_path_factory.mktemp("diff") / "s", create=True)
    commit(store, "l", pa.table({"text": pa.array(left, pa.string())}))
    commit(store, "r", pa.table({"text": pa.array(right, pa.string())}), mode="append" if append else "replace")
    before, after = Counter(left), Counter(left + right if append else right)
    differ = store.differ("reviews", 0, 1)
    assert Counter(differ.rows("added").read_all()["text"].to_pylist()) == after - before
    assert Counter(differ.rows("removed").read_all()["text"].to_pylist()) == before - after


def test_vacuumed_list_is_plain_json(store):
    store.vacuum("reviews", older_than_hours=0)
    listed = Path(store.uri) / "reviews" / "_textmill" / "vacuumed.json"
    assert json.loads(listed.read_text())["versions"] == [0, 1]


def test_a_list_of_what_was_given_up_that_is_damaged_is_told(store):
    listed = Path(store.uri) / "reviews" / "_textmill" / "vacuumed.json"
    listed.parent.mkdir(exist_ok=True)
    for content in ("{", "[]", '{"versions": ["x"]}', '{"versions": [1], "sha256": "0"}'):
        listed.write_text(content)
        with pytest.raises(errors.StoreDamagedError, match="cannot be understood"):
            store.snapshot("reviews")


LIES = {
    "rows": ('numRecords\\":50', 'numRecords\\":51', "51 rows, the file has 50"),
    "a narrow bound": ('\\"n\\":49', '\\"n\\":48', 'values of "n" lie outside'),
    "no numbers": ('numRecords\\":50', 'numRecords\\":?', "cannot be understood"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_log_that_tells_wrongly_of_a_sound_file_is_found(store, lie):
    told, wrong, problem = LIES[lie]
    entry = Path(store.uri) / "reviews" / "_delta_log" / f"{1:020d}.json"
    content = entry.read_text().replace(" ", "")
    assert told in content
    entry.write_text(content.replace(told, wrong))
    (found,) = [one for one in store.verify() if problem in one.detail]
    assert (found.kind, found.versions) == ("broken_log", (1,))


def test_a_version_that_tells_of_other_rows_than_its_files_is_found(store):
    entry = Path(store.uri) / "reviews" / "_delta_log" / f"{1:020d}.json"
    content = entry.read_text()
    assert '"rows":50' in content
    entry.write_text(content.replace('"rows":50', '"rows":49'))
    assert ("broken_log", (1,)) in found(store)


def test_what_the_log_tells_holds_for_all_types_and_after_every_change(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    moment = datetime(2020, 1, 2, 3, 4, 5, 123456, UTC)
    row = {
        "text": "a",
        "n": -5,
        "x": -0.5,
        "odd": float("nan"),
        "at": moment,
        "local": moment.replace(tzinfo=None),
        "day": moment.date(),
        "amount": Decimal("-3.45"),
        "yes": True,
        "none": None,
        "raw": b"x",
    }
    schema = pa.schema([("none", pa.string())])
    table = pa.Table.from_pylist([{**row, "n": n} for n in (-5, 2**60, None)])
    table = table.set_column(table.schema.get_field_index("none"), schema.field("none"), pa.nulls(3, pa.string()))
    for run in ("r0", "r1", "r2"):
        commit(store, run, table, mode="append")
    store.delete("reviews", "n = -5")
    store.rollback("reviews", 1)
    store.compact("reviews", Arrangement(sort=("text",)))
    store.rollback("reviews", 2)
    assert store.verify() == []


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_damaged_models_are_found(store, tmp_path, harm):
    staged = tmp_path / "m"
    (staged / "inner").mkdir(parents=True)
    (staged / "inner" / "weights.bin").write_bytes(b"0123456789")
    store.save_model("m1", staged, {"dataset": "reviews", "version": 0, "run": "r0"})
    assert store.verify() == []
    assert set(store.model("m1")) == {"id", "dataset", "version", "run"}
    file = store.model_path("m1") / "inner" / "weights.bin"
    file.write_bytes(b"0123406789") if harm == "changed" else file.unlink()
    (problem,) = store.verify()
    assert (problem.kind, problem.path) == (harm, "_models/m1/inner/weights.bin")


@pytest.mark.parametrize(
    "step",
    [
        "storage.verify.open_table",
        "storage.verify.entry_numbers",
        "storage.seals.entry_numbers",
        "storage.verify.vacuumed_numbers",
    ],
)
def test_a_commit_in_the_middle_of_a_check_is_no_damage(store, monkeypatch, step):
    module, name = step.rsplit(".", 1)
    real = getattr(sys.modules[module], name)
    landed = []

    def and_a_commit(*given):
        found = real(*given)
        if not landed and "reviews" in str(getattr(given[0], "folder", given[0])):
            landed.append(True)
            commit(store, "another", pa.table({"n": [2]}))
        return found

    monkeypatch.setattr(step, and_a_commit)
    assert store.verify() == []
    assert landed


def elsewhere(store):
    """The same store as another machine sees it, whose locks are not this one's."""
    layout = StoreLayout(store.layout.root, store.layout.work.parent / "elsewhere")
    return Store(layout)


@pytest.mark.parametrize("name", ["tag", "rollback"])
def test_a_vacuum_steps_back_from_what_another_machine_names_meanwhile(store, monkeypatch, name):
    real, before = vacuuming.add_vacuumed, rows_of(store, at=0)

    def named_meanwhile(layout, numbers):
        other = elsewhere(store)
        other.tag("reviews", 0, "late") if name == "tag" else other.rollback("reviews", 0)
        real(layout, numbers)

    monkeypatch.setattr(vacuuming, "add_vacuumed", named_meanwhile)
    report = store.vacuum("reviews", older_than_hours=0)
    assert rows_of(store, at="late" if name == "tag" else None) == before
    assert report.versions == ((1,) if name == "tag" else (0, 1))
    assert store.verify() == []
    assert rows_of(store, at=2)


def test_a_tag_steps_back_from_a_vacuum_of_another_machine(store, monkeypatch):
    put, before = store._tags.put, rows_of(store)

    def vacuumed_before(*words, **more):
        elsewhere(store).vacuum("reviews", older_than_hours=0)
        put(*words, **more)

    monkeypatch.setattr(store._tags, "put", vacuumed_before)
    with pytest.raises(errors.VersionVacuumedError):
        store.tag("reviews", 0, "late")
    assert (store.tags("reviews"), rows_of(store), store.verify()) == ({}, before, [])


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_rollback_steps_back_from_a_vacuum_of_another_machine(store, monkeypatch, moment):
    real, before, lost = rolling_back.restore_files, rows_of(store), Path(store.snapshot("reviews", 0).files[0].path)

    def vacuumed_meanwhile(layout, table, target, **more):
        monkeypatch.setattr(rolling_back, "restore_files", real)
        if moment == "before":
            elsewhere(store).vacuum("reviews", older_than_hours=0)
        real(layout, table, target, **more)
        if moment == "after":  # a vacuum that looked just before the entry was there
            vacuuming.add_vacuumed(layout, [target])
            lost.unlink()

    monkeypatch.setattr(rolling_back, "restore_files", vacuumed_meanwhile)
    with pytest.raises(errors.VersionVacuumedError):
        store.rollback("reviews", 0)
    assert rows_of(store) == before
    assert [one for one in store.verify() if one.kind != "orphan"] == []
