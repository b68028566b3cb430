"""Compaction changes how rows lie, never which there are; plans and advice are pure and say why."""

import datetime
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st
from oracles_storage import rows_of, stage

from storage import errors
from storage.arranging.plan import ENOUGH_FILES, Arrangement, Observed, advise, groups_to_merge
from storage.store import Store
from storage.versions import DataFile


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store", create=True)


def commit(store, run, *tables, **more):
    return store.commit(stage(store, run, list(tables), **more))


def file_of(size, number=0):
    return DataFile(path=f"/s/{number:08d}", rows=1, bytes=size)


@given(st.lists(st.integers(1, 200), max_size=40), st.integers(10, 150), st.integers(2, 5))
def test_groups_are_runs_of_neighbours_within_the_target(sizes, target, at_least):
    files = [file_of(size, number) for number, size in enumerate(sizes)]
    groups = groups_to_merge(files, target, at_least=at_least)
    places = [[int(file.path[-8:]) for file in group] for group in groups]
    for group in places:
        assert len(group) >= at_least
        assert group == list(range(group[0], group[-1] + 1))
        assert sum(sizes[place] for place in group) <= target
        assert all(sizes[place] < 0.6 * target for place in group)
    flat = [place for group in places for place in group]
    assert sorted(flat) == flat


def test_merging_again_finds_nothing_to_do(store):
    for number in range(12):
        commit(store, f"r{number}", pa.table({"n": [number], "text": [f"t{number}"]}), mode="append")
    before = rows_of(store)
    version = store.compact("reviews", message="tidy")
    assert (version.mode, version.files, version.changes) == ("compact", 1, {"merged": 12, "rewritten": 1})
    assert rows_of(store) == before
    assert version.fingerprint == store.version("reviews", 11).fingerprint
    assert store.compact("reviews").number == version.number
    assert rows_of(store, at=5) == before[:6]
    assert store.diff("reviews", 11).same
    commit(store, "more", pa.table({"n": [99], "text": ["z"]}), mode="append")
    assert rows_of(store) == [*before, {"n": 99, "text": "z"}]
    assert store.verify() == []


def test_order_stays_around_files_that_are_not_touched(store):
    rng = random.Random(1)
    big = pa.table({"text": ["".join(rng.choices("abcdefgh", k=200)) for _ in range(400)]})
    tables = [pa.table({"text": [str(n)]}) for n in range(3)] + [big] + [pa.table({"text": [str(n)]}) for n in range(3)]
    commit(store, "r", *tables)
    before = rows_of(store)
    version = store.compact("reviews", Arrangement(target_bytes=30_000))
    assert version.files == 3
    assert rows_of(store) == before


def test_compaction_is_no_change_of_data_to_readers_of_changes(store):
    for number in range(3):
        commit(store, f"r{number}", pa.table({"n": [number]}), mode="append")
    store.compact("reviews")
    log = (Path(store.uri) / "reviews" / "_delta_log" / f"{3:020d}.json").read_text()
    assert log.count('"dataChange":false') == 4
    assert '"dataChange":true' not in log


def test_a_model_keeps_the_files_that_it_learned_from(store, tmp_path):
    for number in range(3):
        commit(store, f"r{number}", pa.table({"n": [number]}), mode="append")
    (tmp_path / "m").mkdir()
    store.save_model("m", tmp_path / "m", {"dataset": "reviews", "version": 2})
    pinned = store.snapshot("reviews", 2).files
    store.compact("reviews", Arrangement(sort=("n",)))
    store.vacuum("reviews", older_than_hours=0)
    assert store.snapshot("reviews", 2).files == pinned
    assert [row["n"] for row in rows_of(store, at=2)] == [0, 1, 2]


def table_of(rows, seed=3):
    rng = random.Random(seed)
    return pa.table(
        {
            "n": [rng.randrange(1000) for _ in range(rows)],
            "m": [rng.randrange(1000) for _ in range(rows)],
            "label": [rng.choice(["x", "y", None]) for _ in range(rows)],
            "day": [datetime.date(2024, 1 + rng.randrange(3), 1 + rng.randrange(28)) for _ in range(rows)],
            "text": [f"text {rng.random()}" for _ in range(rows)],
        }
    )


def widths(store, column):
    columns = [pq.read_table(file.path)[column].to_pylist() for file in store.snapshot("reviews").files]
    return [max(values) - min(values) for values in columns]


def test_sorting_orders_rows_and_keeps_equal_ones_as_they_were(store):
    commit(store, "r", *(table_of(500, seed) for seed in range(3)))
    before = rows_of(store)
    version = store.compact("reviews", Arrangement(sort=("label", "n"), target_bytes=4_000))
    assert rows_of(store) == sorted(before, key=lambda row: (row["label"] is None, row["label"] or "", row["n"]))
    assert version.files > 3
    assert version.fingerprint == store.version("reviews", 0).fingerprint
    assert store.verify() == []


def test_partitions_never_share_a_file_and_are_kept_by_the_next_compaction(store):
    commit(store, "r", table_of(900))
    version = store.compact("reviews", Arrangement(partition=("label", "month(day)"), sort=("n",)))
    assert version.files == 9
    for file in store.snapshot("reviews").files:
        rows = pq.read_table(file.path).to_pylist()
        assert len({(row["label"], row["day"].month) for row in rows}) == 1
        assert [row["n"] for row in rows] == sorted(row["n"] for row in rows)
    commit(store, "s", table_of(300, seed=9), mode="append")
    again = store.compact("reviews")
    assert (again.files, again.rows) == (9, 1200)


def test_only_text_that_was_asked_for_is_told(store):
    commit(store, "r", table_of(200))
    store.compact("reviews", Arrangement(partition=("label",)))
    log = (Path(store.uri) / "reviews" / "_delta_log" / f"{1:020d}.json").read_text()
    assert '\\"label\\": \\"x\\"' in log
    assert "text 0" not in log
    for file in store.snapshot("reviews").files:
        group = pq.read_metadata(file.path).row_group(0)
        shown = {group.column(i).path_in_schema: group.column(i).statistics for i in range(group.num_columns)}
        assert shown["text"] is None or not shown["text"].has_min_max


def test_filters_of_plain_deltalake_lose_no_row(store):
    commit(store, "r", table_of(200))
    for step in (lambda: None, lambda: store.compact("reviews", Arrangement(partition=("label",)))):
        step()
        table = DeltaTable(str(Path(store.uri) / "reviews"))
        rows = rows_of(store)
        for column, value in (("label", "x"), ("text", rows[7]["text"]), ("day", rows[7]["day"]), ("n", rows[7]["n"])):
            expected = sum(row[column] == value for row in rows)
            assert table.to_pyarrow_table(filters=[(column, "=", value)]).num_rows == expected > 0
    store.delete("reviews", "n < 500")
    table = DeltaTable(str(Path(store.uri) / "reviews"))
    expected = sum(row["label"] == "x" for row in rows_of(store))
    assert table.to_pyarrow_table(filters=[("label", "=", "x")]).num_rows == expected > 0


def test_a_z_order_narrows_both_columns(store):
    commit(store, "r", table_of(4000))
    store.compact("reviews", Arrangement(z_order=("n", "m"), target_bytes=8_000))
    assert len(widths(store, "n")) >= 8
    for column in ("n", "m"):
        assert sum(widths(store, column)) / len(widths(store, column)) < 700
    assert store.version("reviews").fingerprint == store.version("reviews", 0).fingerprint
    twin = [row["n"] for row in rows_of(store)]
    store.rollback("reviews", 0)
    store.compact("reviews", Arrangement(z_order=("n", "m"), target_bytes=8_000))
    assert [row["n"] for row in rows_of(store)] == twin


@pytest.mark.parametrize(
    ("arrangement", "message"),
    [
        (Arrangement(sort=("nope",)), "there is no column 'nope'"),
        (Arrangement(partition=("month(text)",)), "'text' is string, no date or time"),
        (Arrangement(partition=("month(nope)",)), "there is no column 'nope'"),
    ],
)
def test_impossible_arrangements_are_told(store, arrangement, message):
    commit(store, "r", table_of(10))
    with pytest.raises(errors.SchemaMismatchError, match=message):
        store.compact("reviews", arrangement)
    assert store.version("reviews").number == 0


def test_too_many_partitions_are_told(store):
    commit(store, "r", pa.table({"n": range(5001)}))
    with pytest.raises(errors.SchemaMismatchError, match="5,001 different values would make as many files"):
        store.compact("reviews", Arrangement(partition=("n",)))


def test_advice_counts_what_it_says():
    plain = Arrangement()
    few = advise([file_of(1000)] * (ENOUGH_FILES - 1), plain)
    assert (few.pays, few.files_after) == (False, ENOUGH_FILES - 1)
    many = advise([file_of(1_000_000)] * 50, plain)
    assert (many.pays, many.files_before, many.files_after, many.rewritten_bytes) == (True, 50, 1, 50_000_000)
    assert many.reason == "50 files of 1.00 MB on average would become 1 of about 50.0 MB"
    large = [file_of(100_000_000)] * 20
    assert not advise(large, plain).pays
    vain = {"day": Observed(queries=6, files=120, opened=120), "n": Observed(queries=9, files=180, opened=20)}
    sorted_by = advise(large, plain, vain)
    assert (sorted_by.pays, sorted_by.sort) == (True, ("day",))
    assert "6 queries filtered by day and opened 120 of 120 files" in sorted_by.reason
    assert not advise(large, Arrangement(sort=("n",)), vain).pays
    assert not advise(large, plain, {"day": Observed(queries=2, files=40, opened=40)}).pays


def test_a_dataset_compacts_itself_only_where_asked(store):
    def append(number):
        return commit(store, f"r{number}", pa.table({"n": [number]}), mode="append")

    for number in range(ENOUGH_FILES):
        append(number)
    assert store.version("reviews").mode == "append"
    assert store.advice("reviews").pays
    store.set_automatic("reviews", on=True)
    assert append(90).mode == "append"
    newest = store.version("reviews")
    assert (newest.mode, newest.files, newest.author) == ("compact", 1, "textmill")
    assert newest.message.startswith("automatic: 9 files of 0.00 MB on average would become 1")
    append(91)
    assert store.version("reviews").mode == "append"
    assert store.verify() == []


def test_many_small_files_are_told_with_the_dataset(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    for number in range(8):
        store.commit(stage(store, f"r{number}", [pa.table({"n": [number]})], mode="append"))
        assert store.datasets()[0].hint.startswith("8 files of") == (number == 7)
    store.compact("reviews")
    assert store.datasets()[0].hint == ""
