"""Rows taken out, put in by key and copied; columns changed: each one whole version, as plain Python has it."""

import datetime
import decimal
from collections import Counter
from pathlib import Path

import dask.dataframe as dd
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_storage import fates_of, rows_of, stage

from storage import errors
from storage.edits.columns import ColumnChanges, can_widen, type_named
from storage.fingerprint import fingerprint_of
from storage.schema import content_schema
from storage.store import Store


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store", create=True)


def commit(store, run, *tables, **more):
    return store.commit(stage(store, run, list(tables), **more))


def three_files(store):
    for number in range(3):
        rows = {"id": range(number * 10, number * 10 + 10), "text": [f"t{n}" for n in range(10)]}
        commit(store, f"r{number}", pa.table(rows), mode="append")


def names(store, at=None):
    return [Path(file.path).name for file in store.snapshot("reviews", at).files]


def digest_of(store, at=None):
    schema = content_schema(store.snapshot("reviews", at).schema)
    return fingerprint_of(pa.Table.from_pylist(rows_of(store, at=at), schema=schema), schema.names).digest(schema)


def test_a_deletion_rewrites_only_the_files_that_it_concerns(store):
    three_files(store)
    before = names(store)
    version = store.delete("reviews", "id BETWEEN 12 AND 14 OR text = 'no'", message="asked", author="me")
    assert (version.mode, version.rows, version.changes) == ("delete", 27, {"deleted": 3, "rewritten": 1})
    assert (version.message, version.author, version.number) == ("asked", "me", 3)
    assert [row["id"] for row in rows_of(store)] == [n for n in range(30) if n not in (12, 13, 14)]
    after = names(store)
    assert (before[0], before[2]) == (after[0], after[2])
    assert after[1] != before[1]
    assert version.fingerprint == digest_of(store)
    assert len(rows_of(store, at=2)) == 30
    assert store.verify() == []
    assert not list((Path(store.uri) / "_staging").glob("delete-*"))


def test_whole_files_go_without_a_trace_in_the_new_version(store):
    three_files(store)
    version = store.delete("reviews", "id < 20")
    assert (version.files, version.rows, version.changes["rewritten"]) == (1, 10, 0)
    assert store.delete("reviews", "true").rows == 0
    assert rows_of(store) == []
    assert store.delete("reviews", "true").number == 4
    assert store.verify() == []


def test_what_was_deleted_is_gone_after_a_vacuum(store):
    commit(store, "r1", pa.table({"text": ["anna@example.org", "b"] * 50}))
    store.drop_staging("r1")
    store.delete("reviews", "text LIKE 'anna%'")
    assert store.count_matching("reviews", "text LIKE 'anna%'") == (0, 0)
    store.vacuum("reviews", older_than_hours=0)
    everything = b"".join(path.read_bytes() for path in Path(store.uri).rglob("*") if path.is_file())
    assert b"anna" not in everything
    assert len(rows_of(store)) == 50


def test_conditions_may_look_into_other_datasets_but_nowhere_else(store, tmp_path):
    three_files(store)
    commit(store, "o", pa.table({"who": [3, 25]}), dataset="optouts")
    assert store.count_matching("reviews", "id IN (SELECT who FROM optouts) -- why") == (2, 2)
    assert store.delete("reviews", "id IN (SELECT who FROM optouts)").rows == 28
    secret = tmp_path / "secret.parquet"
    pq.write_table(pa.table({"x": [1]}), secret)
    for attack in (f"id IN (SELECT x FROM '{secret}')", "true); DROP VIEW reviews; (SELECT 1", "nope = 1", "id ="):
        with pytest.raises(errors.QueryError):
            store.delete("reviews", attack)
    with pytest.raises(errors.DatasetNotFoundError):
        store.delete("nope", "true")
    assert store.version("reviews").rows == 28


def test_null_is_not_true(store):
    commit(store, "r1", pa.table({"n": [1, None, 2]}))
    assert store.delete("reviews", "n > 1").rows == 2
    assert store.delete("reviews", "n IS NULL").rows == 1


def test_fates_are_purged_where_asked(store):
    fates = fates_of(
        ("f", 1, "rejected", "short_row", None, None, "anna,x"), ("f", 2, "rejected", "y", None, None, "b")
    )
    commit(store, "r1", pa.table({"text": ["a"]}), fates=[fates])
    version = store.delete("reviews", "false", fates_where="record LIKE 'anna%'")
    assert version.changes == {"deleted": 0, "rewritten": 0, "deleted_fates": 1}
    assert store.fates("reviews")["record"].to_pylist() == ["b"]
    assert store.fates("reviews", version=0).num_rows == 2
    store.vacuum("reviews", older_than_hours=0)
    assert store.verify() == []
    assert store.fates("reviews")["record"].to_pylist() == ["b"]
    with pytest.raises(errors.VersionVacuumedError):
        store.fates("reviews", version=0)
    with store.sql("SELECT count(*) AS n FROM _system.fates") as result:
        assert result.read_all().to_pylist() == [{"n": 1}]


def test_a_run_edits_once(store):
    three_files(store)
    first = store.delete("reviews", "id = 1", run="gone")
    assert store.delete("reviews", "id = 2", run="gone") == first
    assert len(rows_of(store)) == 29


def test_others_may_commit_while_an_edit_is_worked_out(store, monkeypatch):
    three_files(store)
    real, turns = Store._opened, []

    def commits_meanwhile(self, *arguments):
        if len(turns) < 2:
            turns.append(commit(store, f"more-{len(turns)}", pa.table({"id": [5], "text": ["late"]}), mode="append"))
        return real(self, *arguments)

    monkeypatch.setattr(Store, "_opened", commits_meanwhile)
    version = store.delete("reviews", "id = 5")
    assert (version.number, version.rows, version.changes["deleted"]) == (5, 29, 3)
    assert version.fingerprint == digest_of(store)


def batches(*rows, schema):
    return pa.Table.from_pylist(list(rows), schema=schema).to_batches()


KEYED = pa.schema([("id", pa.int64()), ("text", pa.string())])


def test_an_upsert_exchanges_by_key_and_adds_the_rest(store):
    three_files(store)
    rows = [{"id": 4, "text": "new"}, {"id": 99, "text": None}, {"id": 25, "text": "neu"}]
    version = store.upsert("reviews", batches(*rows, schema=KEYED), KEYED, ["id"])
    assert (version.mode, version.rows) == ("upsert", 31)
    assert version.changes == {"updated": 2, "inserted": 1, "rewritten": 2}
    assert rows_of(store) == [row for row in rows_of(store, at=2) if row["id"] not in (4, 25)] + rows
    assert version.fingerprint == digest_of(store)
    assert store.upsert("reviews", [], KEYED, ["id"]).number == version.number
    assert store.verify() == []


def test_an_upsert_may_bring_columns(store):
    commit(store, "r1", pa.table({"id": [1, 2], "text": ["a", "b"]}))
    wide = pa.schema([("id", pa.int64()), ("stars", pa.int8())])
    version = store.upsert("reviews", batches({"id": 2, "stars": 5}, schema=wide), wide, ["id"])
    assert rows_of(store) == [{"id": 1, "text": "a", "stars": None}, {"id": 2, "text": None, "stars": 5}]
    assert version.fingerprint == digest_of(store)
    assert store.delete("reviews", "stars IS NULL").rows == 1


def test_an_upsert_may_lack_columns(store):
    commit(store, "r1", pa.table({"id": [1, 2], "text": ["a", "b"], "n": [1, 2]}))
    version = store.upsert("reviews", batches({"id": 2, "text": "c"}, schema=KEYED), KEYED, ["id"])
    assert rows_of(store) == [{"id": 1, "text": "a", "n": 1}, {"id": 2, "text": "c", "n": None}]
    assert version.fingerprint == digest_of(store)
    with store.sql("SELECT sum(n) AS n FROM reviews") as result:
        assert result.read_all().to_pylist() == [{"n": 1}]


@pytest.mark.parametrize(
    ("rows", "key", "message"),
    [
        ([{"id": 1}, {"id": 1}], ["id"], "id = 1 comes 2 times"),
        ([{"id": None}], ["id"], "a row without a key"),
        ([{"id": 1}], ["nope"], "'nope' is not among the columns"),
        ([{"id": 1}], [], r"\(none\) is not among"),
    ],
)
def test_unsound_keys_are_refused(store, rows, key, message):
    three_files(store)
    with pytest.raises(errors.SchemaMismatchError, match=message):
        store.upsert("reviews", batches(*rows, schema=KEYED), KEYED, key)
    other = pa.schema([("id", pa.string())])
    with pytest.raises(errors.SchemaMismatchError, match="int64 in the dataset, string in the new rows"):
        store.upsert("reviews", batches({"id": "1"}, schema=other), other, ["id"])
    assert store.version("reviews").number == 2


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.dictionaries(st.integers(0, 9), st.sampled_from(["", "a", None]), max_size=6), min_size=1, max_size=3),
    st.integers(0, 9),
)
def test_upserts_and_deletions_are_those_of_a_dict(tmp_path_factory, steps, gone):
    store = Store.open(tmp_path_factory.mktemp("keyed") / "s", create=True)
    commit(store, "start", KEYED.empty_table())
    model = {}
    for step in steps:
        rows = [{"id": key, "text": text} for key, text in step.items()]
        store.upsert("reviews", batches(*rows, schema=KEYED), KEYED, ["id"])
        model = {key: text for key, text in model.items() if key not in step} | step
        assert [(row["id"], row["text"]) for row in rows_of(store)] == list(model.items())
    model.pop(gone, None)
    store.delete("reviews", f"id = {gone}")
    assert [(row["id"], row["text"]) for row in rows_of(store)] == list(model.items())
    assert store.version("reviews").fingerprint == digest_of(store)


def test_a_copy_shares_its_bytes_and_lives_on_its_own(store, tmp_path):
    fates = fates_of(("f", 1, "rejected", "x", None, None, None))
    commit(store, "r0", pa.table({"text": ["a"]}))
    original = commit(store, "r1", pa.table({"text": ["b"]}), mode="append", fates=[fates], ledger={"read": 2})
    store.tag("reviews", 1, "gold")
    copy = store.copy("reviews", "trial", at="gold")
    assert (copy.mode, copy.number, copy.origin, copy.copied_from) == ("copy", 0, 1, "reviews")
    assert (copy.fingerprint, copy.rows, copy.ledger) == (original.fingerprint, 2, {"read": 2})
    assert rows_of(store, "trial") == rows_of(store)
    assert store.fates("trial").num_rows == 1
    for one, other in zip(store.snapshot("trial").files, store.snapshot("reviews").files, strict=True):
        assert Path(one.path).samefile(other.path)
    with pytest.raises(errors.DatasetExistsError, match="Choose another name"):
        store.copy("reviews", "trial")
    store.delete("reviews", "true")
    store.untag("reviews", "gold")
    store.vacuum("reviews", older_than_hours=0)
    Path(store.uri).rename(tmp_path / "moved")
    moved = Store.open(tmp_path / "moved")
    assert [row["text"] for row in rows_of(moved, "trial")] == ["a", "b"]
    commit(moved, "r2", pa.table({"text": ["c"]}), mode="append", dataset="trial")
    assert moved.verify() == []


# Dask 2026.8 itself uses what pandas 3.1 warns about.
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index")
def test_columns_change_and_old_versions_stay_readable_by_plain_programs(store):
    old = {"n": pa.array([1, 2], pa.int8()), "text": ["a", "b"], "junk": [0.5, 1.5]}
    commit(store, "r1", pa.table(old))
    commit(store, "r2", pa.table({**old, "n": pa.array([3, 4], pa.int8())}), mode="append")
    changes = ColumnChanges(
        add={"lang": pa.string()}, widen={"n": pa.int64()}, rename={"text": "review"}, drop=("junk",)
    )
    version = store.change_columns("reviews", changes)
    assert version.message == "add lang: string, widen n to int64, rename text to review, drop junk"
    assert rows_of(store) == [{"n": n, "review": "ab"[(n - 1) % 2], "lang": None} for n in (1, 2, 3, 4)]
    assert version.fingerprint == digest_of(store)
    assert str(store.snapshot("reviews").schema.field("n").type) == "int64"
    for at, columns in ((1, ["n", "text", "junk"]), (2, ["n", "review", "lang"])):
        paths = [file.path for file in store.snapshot("reviews", at).files]
        expected = rows_of(store, at=at)
        plain = duckdb.sql(f"SELECT * FROM read_parquet({paths})")
        assert plain.columns == columns
        assert plain.fetchall() == [tuple(row.values()) for row in expected]
        frame = dd.read_parquet(paths).compute(scheduler="synchronous")
        assert list(frame.columns) == columns
        assert frame["n"].tolist() == [row["n"] for row in expected]
    commit(store, "r3", pa.table({"n": [2**40], "review": ["c"], "lang": ["de"]}), mode="append")
    store.rollback("reviews", 0)
    assert rows_of(store)[0] == {"n": 1, "text": "a", "junk": 0.5}
    assert store.verify() == []


def test_polars_reads_the_same_rows(store):
    three_files(store)
    store.delete("reviews", "id % 3 = 0")
    store.compact("reviews")
    lazy = pl.scan_delta(str(Path(store.uri) / "reviews"))
    assert lazy.collect().to_dicts() == rows_of(store)
    assert lazy.filter(pl.col("text") == "t1").collect().height == sum(r["text"] == "t1" for r in rows_of(store))


# Dask's own call of pandas.
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index")
def test_dask_duckdb_and_delta_read_the_same_rows(store):
    three_files(store)
    store.delete("reviews", "id % 3 = 0")
    expected = Counter(tuple(row.values()) for row in rows_of(store))
    paths = [file.path for file in store.snapshot("reviews").files]
    columns = store.snapshot("reviews").schema.names
    frame = dd.read_parquet(paths, split_row_groups=False)[columns].compute(scheduler="synchronous")
    assert Counter(frame.itertuples(index=False, name=None)) == expected
    table = DeltaTable(str(Path(store.uri) / "reviews")).to_pyarrow_table().select(columns)
    assert Counter(tuple(row.values()) for row in table.to_pylist()) == expected
    with duckdb.connect(str(Path(store.uri) / "store.duckdb"), read_only=True) as client:
        assert Counter(client.sql("SELECT * FROM reviews").fetchall()) == expected
    with duckdb.connect() as client:
        assert Counter(client.sql(f"SELECT * FROM read_parquet({paths})").fetchall()) == expected


def test_adding_a_column_writes_no_file(store):
    commit(store, "r1", pa.table({"text": ["a"]}))
    before = names(store)
    version = store.change_columns("reviews", ColumnChanges(add={"day": pa.date32()}))
    assert names(store) == before
    assert version.fingerprint == digest_of(store)
    assert rows_of(store) == [{"text": "a", "day": None}]
    day = datetime.date(2024, 2, 29)
    commit(store, "r2", pa.table({"text": ["b"], "day": [day]}), mode="append")
    assert store.delete("reviews", "day IS NULL").rows == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (ColumnChanges(drop=("nope",)), "there is no column 'nope'"),
        (ColumnChanges(drop=("n", "text")), "no column would be left"),
        (ColumnChanges(rename={"n": "text"}), "two columns would be called 'text'"),
        (ColumnChanges(widen={"n": pa.int8()}), r"cannot become int8 \(it is int64\)"),
        (ColumnChanges(add={"n": pa.int8()}), "there is a column 'n' already"),
        (ColumnChanges(add={"N": pa.int8()}), "case does not count"),
    ],
)
def test_impossible_changes_are_told(store, changes, message):
    commit(store, "r1", pa.table({"n": [1], "text": ["a"]}))
    with pytest.raises(errors.SchemaMismatchError, match=message):
        store.change_columns("reviews", changes)
    assert store.version("reviews").number == 0


VALUES = {
    pa.int8(): [-128, 127],
    pa.int16(): [-(2**15), 2**15 - 1],
    pa.int32(): [-(2**31), 2**31 - 1],
    pa.int64(): [-(2**63), 2**63 - 1],
    pa.float32(): [1.5, -(2.0**127)],
    pa.date32(): [datetime.date(1970, 1, 1), datetime.date(2200, 12, 31)],
    pa.decimal128(4, 2): [decimal.Decimal("-99.99"), decimal.Decimal("99.99")],
}
WIDER = [*VALUES, pa.float64(), pa.decimal128(6, 4), pa.decimal128(22, 2), pa.timestamp("us"), pa.string()]


def test_what_can_be_widened_loses_no_value():
    pairs = [(old, new) for old in VALUES for new in WIDER if can_widen(old, new)]
    assert len(pairs) > 20
    for old, new in pairs:
        values = pa.array([*VALUES[old], None], old)
        assert values.cast(new).cast(old).equals(values), (old, new)
    assert not can_widen(pa.int64(), pa.float64())
    assert not can_widen(pa.string(), pa.int64())


def test_types_have_names():
    assert type_named("Int") == pa.int64()
    assert type_named("decimal(12, 2)") == pa.decimal128(12, 2)
    for wrong in ("nope", "decimal(0,0)", "decimal(99,1)", "decimal(2,3)", ""):
        with pytest.raises(errors.SchemaMismatchError, match="not a type"):
            type_named(wrong)


def test_a_diff_by_key_tells_added_removed_and_changed_rows(store):
    three_files(store)
    commit(store, "r3", pa.table({"id": [100], "text": ["gone"]}), mode="append")
    rows = [{"id": 4, "text": "new"}, {"id": 99, "text": None}, {"id": 7, "text": "t7"}]
    store.upsert("reviews", batches(*rows, schema=KEYED), KEYED, ["id"])
    store.delete("reviews", "id = 100")
    differ = store.differ("reviews", 3)

    def found(which, key=("id",)):
        with differ.rows(which, key) as result:
            return result.read_all().to_pylist()

    assert found("added") == [{"id": 99, "text": None}]
    assert found("removed") == [{"id": 100, "text": "gone"}]
    assert found("changed") == [{"id": 4, "text (was)": "t4", "text": "new"}]
    for key, message in (((), "no column is a column"), (("nope",), "'nope'"), (("text",), "more than once")):
        with pytest.raises(errors.QueryError, match=message):
            differ.rows("changed", key)


@settings(max_examples=8, deadline=None)
@given(*[st.dictionaries(st.integers(0, 5), st.sampled_from(["a", "b", None]), max_size=6)] * 2)
def test_differences_by_key_are_those_of_dicts(tmp_path_factory, left, right):
    store = Store.open(tmp_path_factory.mktemp("diff") / "s", create=True)
    for run, model in (("l", left), ("r", right)):
        commit(store, run, pa.Table.from_pylist([{"id": k, "text": v} for k, v in model.items()], schema=KEYED))
    differ = store.differ("reviews", 0, 1)
    ids = {
        which: set(differ.rows(which, ["id"]).read_all()["id"].to_pylist()) for which in ("added", "removed", "changed")
    }
    assert ids["added"] == right.keys() - left.keys()
    assert ids["removed"] == left.keys() - right.keys()
    assert ids["changed"] == {k for k in left.keys() & right.keys() if left[k] != right[k]}
