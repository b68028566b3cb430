"""Inputs of the kinds that go wrong, in other shapes than the trouble collection's."""

import gzip
import io
import random
import tarfile
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading_cases import read_all

from pipeline.config import parse_job
from pipeline.errors import DataError, JobFileError, SourceError
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


@pytest.mark.parametrize("name", ["b.csv", "b.tsv", "b.jsonl", "b.txt", "b.csv.gz"])
@pytest.mark.parametrize("blank", [" \n  \n\t\r\n", " \n" * 600_000])
def test_files_of_white_space_add_no_column(tmp_path, name, blank):
    data = gzip.compress(blank.encode()) if name.endswith("gz") else blank
    put(tmp_path, {"a.csv": "text,label\na,x\n", name: data})
    read = read_all(["a.csv", name], tmp_path, tmp_path)
    assert read.plan.schema.names == ["text", "label"]
    assert read.table.num_rows == 1
    assert read.plan.notes == (f"{name}: empty: blank lines only",)


def test_a_header_that_comes_again_is_told_from_rows(tmp_path):
    one, other = '"id","text"\n1,a\n2,b\n', '"id","text"\n3,c\nid,text\n4,"d"\n'
    put(
        tmp_path,
        {"a.csv": f"\ufeff{one}\ufeff{other}", "b.csv.gz": gzip.compress(one.encode()) + gzip.compress(other.encode())},
    )
    for name in ("a.csv", "b.csv.gz"):
        read = read_all(name, tmp_path, tmp_path, block=9)
        assert read.rejected == {"repeated_header": 2}
        assert read.kept.select(["id", "text"]).to_pydict() == {
            "id": ["1", "2", "3", "4"],
            "text": ["a", "b", "c", "d"],
        }


def test_a_byte_order_mark_may_come_twice(tmp_path):
    put(tmp_path, {"a.csv": '\ufeff\ufeff"label",text\nx,a\n'})
    assert read_all("a.csv", tmp_path, tmp_path).plan.schema.names == ["label", "text"]


@pytest.mark.parametrize(
    ("declared", "actual"), [("utf-16", "utf-8"), ("utf-16-be", "gb18030"), ("utf-8", "utf-16-le")]
)
def test_an_encoding_that_the_bytes_exclude_is_an_error(tmp_path, declared, actual):
    put(tmp_path, {"a.csv": "id,text\n1,快递太慢\n".encode(actual)})
    with pytest.raises(SourceError, match=rf"a\.csv.*{declared}.*encoding"):
        read_all("a.csv", tmp_path, tmp_path, encoding=declared)
    assert read_all("a.csv", tmp_path, tmp_path).kept["text"].to_pylist() == ["快递太慢"]


def test_archives_and_data_that_is_no_text_are_refused(tmp_path):
    rows = b"id,text\n" + b"1,a\n" * 50
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        about = tarfile.TarInfo("a.csv")
        about.size = len(rows)
        archive.addfile(about, io.BytesIO(rows))
    noise = random.Random(1).randbytes(20_000)
    put(
        tmp_path,
        {"a.csv.gz.gz": gzip.compress(gzip.compress(rows)), "a.tar.gz": gzip.compress(tar.getvalue()), "a.csv": noise},
    )
    for name, what in (("a.csv.gz.gz", "packed once more"), ("a.tar.gz", "tar archive"), ("a.csv", "cannot be told")):
        with pytest.raises(SourceError, match=what):
            read_all(name, tmp_path, tmp_path)


@pytest.mark.parametrize("inner", ["two, parts", "two\nlines", "it''s two, parts"])
def test_single_quotes_that_alone_make_the_records_alike(tmp_path, inner):
    rows = "".join(f"{i},'{inner} {i}',x\n" for i in range(30))
    plain = "".join(f"{i},'plain {i}',x\n" for i in range(30, 40))
    put(tmp_path, {"1.csv": "id,text,label\n" + rows + "40,short\n", "2.csv": "id,text,label\n" + plain})
    read = read_all("*.csv", tmp_path, tmp_path, block=50)
    assert read.rejected == {"short_row": 1}
    assert read.kept["text"].to_pylist()[:2] == [inner.replace("''", "'") + f" {i}" for i in range(2)]
    assert read.kept["text"].to_pylist()[30] == "plain 30"


def test_apostrophes_are_no_quotes(tmp_path):
    put(tmp_path, {"a.csv": "id,text\n1,'twas late\n2,it's fine\n3,'quoted'\n4,dogs'\n"})
    assert read_all("a.csv", tmp_path, tmp_path).kept["text"].to_pylist() == [
        "'twas late",
        "it's fine",
        "'quoted'",
        "dogs'",
    ]


def test_as_many_quotes_as_not_between_tabs_are_text(tmp_path):
    rows = ['他说"好"\t"引号开头', '"全部"引用\t投诉', '没有\t"结尾"', '5"6\tx"']
    put(tmp_path, {"a.tsv": "\n".join(rows) + "\n"})
    read = read_all("a.tsv", tmp_path, tmp_path, names=("text", "label"))
    assert ["\t".join(row.values()) for row in read.kept.select(["text", "label"]).to_pylist()] == rows


def test_fields_marked_off_as_hive_does(tmp_path):
    put(tmp_path, {"000000_0": "1\x01太慢\x01差\n2\x01很快, 好\x01好\n3\x01一般\x01中\n"})
    read = read_all("000000_0", tmp_path, tmp_path, names=("id", "text", "label"))
    assert read.kept["text"].to_pylist() == ["太慢", "很快, 好", "一般"]


def test_an_input_of_one_record_says_how_to_read_it(tmp_path):
    put(tmp_path, {"a.csv": "hello,world\n"})
    with pytest.raises(DataError, match=r"a\.csv: empty: a header only.*header = false"):
        flow(tmp_path)


@pytest.mark.parametrize("length", [2, 10])
@pytest.mark.parametrize("columns", [{}, {"text": "内容"}])
def test_pieces_of_a_file_whose_header_stayed_with_the_first(tmp_path, columns, length):
    rows = [f"{i},第{i}条 内容,{'好差'[i % 2]}\n" for i in range(3 * length)]
    pieces = {f"x-{n}.csv": "".join(rows[n * length : n * length + length]) for n in range(3)}
    pieces["x-0.csv"] = "编号,内容,标签\n" + pieces["x-0.csv"]
    put(tmp_path, pieces)
    read = read_all("*.csv", tmp_path, tmp_path, columns=columns)
    text = "text" if columns else "内容"
    assert read.plan.schema.names == ["编号", text, "标签"]
    assert read.table[text].to_pylist() == [f"第{i}条 内容" for i in range(3 * length)]
    assert read.plan.notes == (
        "2 files without a header, whose columns are called as in the files beside: x-1.csv, x-2.csv",
    )


def test_a_name_that_is_no_text_is_told(tmp_path):
    put(tmp_path, {"a.csv": b"id,te\xffxt\n" + "1,好\n".encode() * 9})
    assert read_all("a.csv", tmp_path, tmp_path).plan.notes == ("a.csv: with bytes in column names that are not text",)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("euc_jp", "注文した商品がまだ届きません、サービスはとても良かったです"),
        ("cp949", "배송이 너무 느려요 그리고 포장이 엉망입니다 서비스가 아주 좋았습니다"),
        (
            "gb18030",
            "很好 不错 快递慢 差评 好评 包装坏了 不想要 给我换 不给退 多发货 便宜 粗糙 单薄 负责 耐看 简单 大方",
        ),
        ("cp950", "一日之計在於晨，不要太早也不要太晚，上下左右中間大小多少都可以"),
        ("cp932", "注文した商品がまだ届きません、サービスはとても良かったです"),
    ],
)
def test_encodings_that_share_their_bytes_are_told_apart(tmp_path, encoding, text):
    put(tmp_path, {"a.csv": f"id,text\n1,{text}\n".encode(encoding)})
    read = read_all("a.csv", tmp_path, tmp_path)
    assert read.kept["text"].to_pylist() == [text]
    assert read.plan.files[0].encoding == encoding


def test_an_object_over_several_lines_is_told_as_such(tmp_path):
    put(tmp_path, {"a.csv": '{\n "text": "a",\n "n": 2\n}\n'})
    with pytest.raises(SourceError, match=r"of 4 records do not have the shape expected.*begins with"):
        flow(tmp_path, source={"files": str(tmp_path / "a.csv"), "format": "jsonl"})


def test_a_hint_with_a_name_in_another_script_is_toml(tmp_path):
    put(tmp_path, {"a.csv": "内容,评论\n甲,乙\n"})
    with pytest.raises(JobFileError, match=r'columns = \{ "内容_original" = "内容" \}'):
        read_all("a.csv", tmp_path, tmp_path, columns={"内容": "评论"})


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize("rows", ["1,好\0坏\n2,\0\n3,行\n", "1,ab\0\n22,\0\n3,行不行\n"])
def test_nul_characters_do_not_make_utf_16(tmp_path, encoding, rows):
    put(tmp_path, {"a.csv": f"id,text\n{rows}".encode(encoding)})
    read = read_all("a.csv", tmp_path, tmp_path)
    assert read.plan.files[0].encoding == encoding
    assert read.kept["text"].to_pylist() == [row.split(",")[1].replace("\0", "") or None for row in rows.splitlines()]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text", ["上海", "注文した商品がまだ届きません", "快递太慢了，客服不理人。" * 40, "배송이 느려요"]
)
def test_utf_16_without_a_mark_is_seen(tmp_path, encoding, text):
    put(tmp_path, {"a.csv": f"id,text\n1,{text}\n2,{text}\n".encode(encoding)})
    read = read_all("a.csv", tmp_path, tmp_path)
    assert (read.plan.files[0].encoding, read.kept["text"].to_pylist()) == (encoding, [text, text])
