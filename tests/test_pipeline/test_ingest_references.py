"""Values that must be in another dataset: against a set, in memory bounds, and through whole runs."""

import csv
import gzip
import json

import dask
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles_cleaning import make_frame

from cluster.inputs import inputs_digest
from pipeline.config import load_job, parse_job
from pipeline.errors import DataError, JobFileError
from pipeline.execute import run_here
from pipeline.ingest.dedupe.strangers import ReferenceSpec, resolve_references
from pipeline.ingest.flow import ingest
from storage.parquet import write_part
from storage.scan import DataFile
from storage.store import Store


def stored(values, path):
    part = write_part(pa.table({"id": pa.array(values, pa.string())}), path)
    return DataFile(path=part.path, rows=part.rows, bytes=part.bytes)


_VALUE = st.one_of(st.none(), st.text("ab", max_size=2))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    blocks=st.lists(st.lists(st.tuples(_VALUE, st.booleans()), max_size=8), max_size=4),
    known=st.lists(st.lists(_VALUE, min_size=1, max_size=6), max_size=3),
    memory_bytes=st.sampled_from([10**9, 200]),
)
def test_strangers_are_those_of_a_set(tmp_path_factory, blocks, known, memory_bytes):
    folder = tmp_path_factory.mktemp("references")
    files = tuple(stored(values, folder / f"{i}.parquet") for i, values in enumerate(known))
    spec = ReferenceSpec(column="user", known_column="id", files=files, reason="r", told="users version 1")
    tables = [
        dask.delayed(make_frame({"user": pa.array([v for v, _ in block], pa.string())}, [d for _, d in block]))
        for block in blocks
    ]
    found = resolve_references(tables, spec, folder, run_here, memory_bytes)
    everyone = {value for values in known for value in values}
    expected = [
        [i for i, (value, dead) in enumerate(block) if not dead and value is not None and value not in everyone]
        for block in blocks
    ]
    assert [found.of_block(i).rows.tolist() for i in range(len(blocks))] == expected
    assert found.duplicates == sum(map(len, expected))


def run(folder, name, rows, run_id, **tables):
    file = folder / f"{run_id}.csv"
    with file.open("w", newline="", encoding="utf-8") as sink:
        csv.writer(sink).writerows(rows)
    source = {"files": [str(file)], "block": 40, **tables.pop("source", {})}
    job = parse_job(
        {"name": "job", "store": str(folder / "store"), "source": source, "dataset": {"name": name}, **tables}
    )
    store, heard = Store.open(folder / "store", create=True), []
    return ingest(job, store, run_id, run_here, note=heard.append), store, heard


USERS = [("id", "name"), *((str(i), f"name {i}") for i in range(20))]
ORDERS = [("order", "user_id"), ("1", "3"), ("2", "77"), ("3", ""), ("4", "19"), ("5", "03"), ("6", "77")]
CHECK = {"column": "user_id", "references": {"dataset": "users", "column": "id"}}


@pytest.mark.parametrize("kind", ["text", "int"])
def test_rows_that_refer_to_nothing_are_rejected_with_the_rule(tmp_path, kind):
    run(tmp_path, "users", USERS, "first", source={"types": {"id": kind}})
    orders, store, heard = run(tmp_path, "orders", ORDERS, "second", check=[CHECK])
    assert orders.ledger.rejected == {"user_id_references": 3}
    assert [(count.name, count.checked, count.rejected) for count in orders.counts] == [("user_id_references", 6, 3)]
    assert 'check "user_id_references" looks into users version ' in heard[-1]
    fates = store.fates("orders").to_pylist()
    assert [(f["fate"], f["reason"], f["survivor_source"], f["survivor_position"]) for f in fates] == [
        ("rejected", "user_id_references", None, None)
    ] * 3
    assert '"order":"2"' in fates[0]["record"]


def test_a_pinned_version_counts_and_other_passes_go_on(tmp_path):
    old, _, _ = run(tmp_path, "users", USERS, "first")
    run(tmp_path, "users", [("id",), ("3",)], "second")
    reference = {**CHECK["references"], "version": old.version.number}
    check = [
        {"column": "order", "unique": True},
        {**CHECK, "references": reference, "name": "old"},
        {**CHECK, "name": "new"},
    ]
    orders, _, _ = run(tmp_path, "orders", [*ORDERS, ("1", "3")], "third", check=check, dedupe={"exact": ["user_id"]})
    assert orders.ledger.rejected == {"order_unique": 1, "old": 3, "new": 1}
    assert (orders.ledger.kept, orders.ledger.duplicates["exact"]) == (2, 0)


def test_too_many_strangers_fail_the_job(tmp_path):
    run(tmp_path, "users", USERS, "first")
    with pytest.raises(DataError, match=r'"user_id_references": 3 of 6 rows break it \(50.000%\)'):
        run(tmp_path, "orders", ORDERS, "second", check=[{**CHECK, "severity": "fail", "max_share": 0.2}])


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"dataset": "user", "column": "id"}, '"user" is not a dataset of this store. Did you mean "users"?'),
        ({"dataset": "users", "column": "ids"}, '"ids" is not a column of users version 0. Did you mean "id"?'),
        ({"dataset": "users", "column": "id", "version": "gold"}, "gold"),
    ],
)
def test_what_is_not_there_is_told_before_any_row(tmp_path, reference, message):
    run(tmp_path, "users", USERS, "first")
    with pytest.raises(JobFileError, match=r"\[\[check\]\] 1") as caught:
        run(tmp_path, "orders", ORDERS, "second", check=[{"column": "user_id", "references": reference}])
    assert message in str(caught.value)


def test_activity_is_part_of_a_run(tmp_path):
    events = [("user", "item"), ("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("c", "x"), ("b", "z"), ("b", "x")]
    ingested, store, _ = run(
        tmp_path,
        "events",
        events,
        "first",
        dedupe={"exact": ["user", "item"]},
        activity={"user": "user", "item": "item", "k_core": 2},
    )
    assert ingested.ledger.filtered == {"k_core": 2}
    assert ingested.ledger.duplicates["exact"] == 1
    assert ingested.operations[-1] == ("k_core", 0, 2)
    assert store.fates("events", reason="k_core").num_rows == 2


@pytest.mark.parametrize("form", ["users.csv", "users.csv.gz", "users.parquet", "users-*.jsonl"])
def test_values_may_be_those_of_a_file(tmp_path, form):
    rows = [{"id": str(n), "name": f"name {n}"} for n in range(20)]
    text = "".join(f"{row['id']},{row['name']}\n" for row in rows)
    (tmp_path / "users.csv").write_text("id,name\n" + text)
    (tmp_path / "users.csv.gz").write_bytes(gzip.compress(("id,name\n" + text).encode()))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "users.parquet")
    for part in (0, 1):
        (tmp_path / f"users-{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[part::2]))
    check = {"column": "user_id", "references": {"file": str(tmp_path / form), "column": "id"}}
    orders, _, heard = run(tmp_path, "orders", ORDERS, "first", check=[check])
    assert orders.ledger.rejected == {"user_id_references": 3}
    assert f"looks into {tmp_path / form}" in heard[-1]


def test_a_file_that_is_referred_to_is_part_of_the_input_and_lies_beside_the_job(tmp_path):
    (tmp_path / "users.csv").write_text("id\n1\n")
    (tmp_path / "orders.csv").write_text("user_id\n1\n")
    (tmp_path / "job.toml").write_text(
        """
name = "orders"
[source]
files = "orders.csv"
[[check]]
column = "user_id"
references = { file = "users.csv", column = "id" }
[dataset]
name = "orders"
"""
    )
    job = load_job(tmp_path / "job.toml")
    assert job.check[0].references.file == str(tmp_path / "users.csv")
    before = inputs_digest(job)
    (tmp_path / "users.csv").write_text("id\n1\n2\n")
    assert inputs_digest(job) != before


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"column": "id"}, "give either `dataset"),
        ({"dataset": "users", "file": "users.csv", "column": "id"}, "give either `dataset"),
        ({"file": "users.csv", "column": "id", "version": 1}, "`version` is of a dataset"),
    ],
)
def test_a_reference_looks_into_one_place(tmp_path, reference, message):
    with pytest.raises(JobFileError, match=message):
        run(tmp_path, "orders", ORDERS, "first", check=[{"column": "user_id", "references": reference}])


def test_a_missing_column_of_a_file_is_told(tmp_path):
    (tmp_path / "users.csv").write_text("id,name\n1,a\n")
    reference = {"file": str(tmp_path / "users.csv"), "column": "ids"}
    with pytest.raises(JobFileError, match=r'"ids" is not a column of .*users\.csv\. Did you mean "id"'):
        run(tmp_path, "orders", ORDERS, "first", check=[{"column": "user_id", "references": reference}])
