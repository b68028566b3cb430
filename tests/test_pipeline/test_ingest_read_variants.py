"""Inputs of the kinds that go wrong, in other shapes than the trouble collection's."""

from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading_cases import read_all

from pipeline.config import parse_job
from pipeline.errors import JobFileError
from pipeline.execute import run_here
from pipeline.ingest.flow import ingest
from storage.errors import SchemaMismatchError
from storage.store import Store

NANOSECONDS = 1_710_052_200_123_456_789


def put(folder, files: dict[str, str | bytes]):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def test_times_that_the_store_has_no_place_for_reject_their_rows(tmp_path):
    moments = pa.array([NANOSECONDS // 1000 * 1000, NANOSECONDS, None], pa.timestamp("ns"))
    pq.write_table(pa.table({"at": moments}), tmp_path / "a.parquet")
    far = pa.array([2**50, 0], pa.timestamp("ms"))
    pq.write_table(pa.table({"at": far}), tmp_path / "b.parquet")
    read = read_all("*.parquet", tmp_path, tmp_path)
    assert read.plan.schema.field("at").type == pa.timestamp("us")
    assert read.rejected == {"cast_at": 2}
    assert next(str(row["_record"]) for row in read.lost.to_pylist()).count("123456789") == 1
    assert read.kept["at"].to_pylist() == [
        datetime(2024, 3, 10, 6, 30, 0, 123456),
        None,
        datetime(1970, 1, 1),
    ]
    text = read_all("a.parquet", tmp_path, tmp_path, types={"at": "text"})
    assert text.kept["at"].to_pylist()[1] == "2024-03-10 06:30:00.123456789"


def test_days_beyond_the_calendar_reject_their_rows(tmp_path):
    pq.write_table(pa.table({"day": pa.array([0, 10**7], pa.date32())}), tmp_path / "a.parquet")
    read = read_all("a.parquet", tmp_path, tmp_path)
    assert read.rejected == {"cast_day": 1}
    assert "37" not in str(read.kept["day"].to_pylist())


def test_names_that_differ_in_case_alone_are_one_column_over_several_files(tmp_path):
    put(tmp_path, {"a.csv": "id,Text\n1,a\n", "b.csv": "TEXT,ID\nb,2\n", "c.jsonl": '{"text": "c", "id": 3}\n'})
    read = read_all(["a.csv", "b.csv", "c.jsonl"], tmp_path, tmp_path)
    assert read.table.select(["id", "Text"]).to_pylist() == [
        {"id": "1", "Text": "a"},
        {"id": "2", "Text": "b"},
        {"id": "3", "Text": "c"},
    ]
    assert read.plan.schema.names == ["id", "Text"]
    assert [note for note in read.plan.notes if "case" in note] == [
        'columns "id" and "ID" are read as one, called "id": case does not count in names',
        'columns "Text", "TEXT" and "text" are read as one, called "Text": case does not count in names',
    ]


def test_the_job_files_spelling_of_a_name_counts(tmp_path):
    put(tmp_path, {"a.csv": "ID,Review\n1,a\n", "b.csv": "id,review\n2,b\n"})
    read = read_all("*.csv", tmp_path, tmp_path, columns={"text": "review"}, types={"id": "int"})
    assert read.table.select(["id", "text"]).to_pylist() == [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_names_that_differ_in_case_alone_in_one_file_are_refused(tmp_path, name):
    put(tmp_path, {"a.csv": "id,text,Text\n1,a,b\n", "a.jsonl": '{"text": "a"}\n{"Text": "b"}\n'})
    pq.write_table(pa.table({"text": ["a"], "Text": ["b"]}), tmp_path / "a.parquet")
    with pytest.raises(JobFileError, match=r'"text" and "Text".*case.*columns = \{ text_original = "Text" \}'):
        read_all(name, tmp_path, tmp_path)
    read = read_all(name, tmp_path, tmp_path, columns={"title": "Text"})
    assert {"text", "title"} <= set(read.plan.schema.names)


@pytest.mark.parametrize("name", ["", "te\0xt"])
def test_names_that_no_query_can_say_are_refused(tmp_path, name):
    pq.write_table(pa.table({name: [1], "text": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(JobFileError, match="columns = "):
        read_all("a.parquet", tmp_path, tmp_path)
    assert read_all("a.parquet", tmp_path, tmp_path, columns={"n": name}).kept["n"].to_pylist() == [1]


def flow(folder, run_id="first", **tables):
    """What is ingested from all CSV files of `folder`; no row is read while `refused`."""
    refused = tables.pop("refused", False)

    def execute(stage, tasks, **more):
        assert not (refused and stage == "clean")
        return run_here(stage, tasks, **more)

    job = {"name": "job", "store": str(folder / "store"), "source": {"files": "*.csv", "root": str(folder)}}
    job = parse_job({**job, "dataset": {"name": "d", "mode": tables.pop("mode", "replace")}, **tables})
    store = Store.open(folder / "store", create=True)
    return ingest(job, store, run_id, execute, note=print)


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"clean": [{"op": "rename", "columns": {"TEXT": "note"}}]}, 'two columns "TEXT"'),
        ({"clean": [{"op": "rename", "columns": {"_fate": "note"}}]}, "system column"),
        ({"clean": [{"op": "rename", "columns": {"": "note"}}]}, "empty"),
        ({"clean": [{"op": "drop_columns", "columns": ["text", "note"]}]}, "no column is left"),
    ],
)
def test_columns_that_cannot_be_stored_are_refused_before_any_row_is_read(tmp_path, tables, expected):
    put(tmp_path, {"a.csv": "text,note\na,b\n"})
    with pytest.raises(JobFileError, match=expected):
        flow(tmp_path, refused=True, **tables)


@pytest.mark.parametrize("second", ["Text,note\nb,1\n", "text,note\nb,1\n"])
def test_rows_that_do_not_fit_those_stored_are_refused_before_any_row_is_read(tmp_path, second):
    put(tmp_path, {"a.csv": "text,note\na,b\n"})
    flow(tmp_path)
    put(tmp_path, {"a.csv": second})
    casts = [{"op": "cast", "column": "note", "type": "int"}] if second[0] == "t" else []
    with pytest.raises(SchemaMismatchError, match="case does not count" if not casts else "int64 in the new rows"):
        flow(tmp_path, "second", mode="append", clean=casts, refused=True)
