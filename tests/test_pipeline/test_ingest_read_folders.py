"""Many files: they agree where they have to, are packed into few blocks, and are told about once."""

import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading_cases import read_all

from pipeline.execute import run_here
from pipeline.frame import frame_schema
from pipeline.ingest.reading.notes import Note, listed, told_once
from pipeline.ingest.reading.plan import plan_source
from pipeline.ingest.reading.read import read_block
from pipeline.ingest.reading.source_config import SourceConfig

ASCII = [f"{number},plain words,x\n".encode() for number in range(30)]


def pieces(folder, rows: list[bytes], count: int, header: bytes = b"id,text,label\n") -> None:
    for piece in range(count):
        part = rows[len(rows) * piece // count : len(rows) * (piece + 1) // count]
        (folder / f"part-{piece}.csv").write_bytes(header + b"".join(part))


@pytest.mark.parametrize("count", [1, 2, 6, 30])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_stray_byte_in_an_ascii_piece_is_told_like_in_the_whole(tmp_path, encoding, count):
    rows = list(ASCII)
    for number in range(5):
        rows[number] = f"{number},退款太慢了我要投诉,x\n".encode(encoding)
    rows[20] = b"20,stray \xff byte,x\n"
    pieces(tmp_path, rows, count)
    read = read_all("*.csv", tmp_path, tmp_path)
    assert read.rejected == {"bad_encoding": 1}
    assert read.table["text"][2].as_py() == "退款太慢了我要投诉"
    assert read.lost["_record"][0].as_py().startswith("20,")


def test_files_of_other_names_decide_about_their_encoding_alone(tmp_path):
    (tmp_path / "first.csv").write_bytes("text,label\n退款太慢,x\n".encode())
    (tmp_path / "second.csv").write_bytes("text,label\nthe café,x\n".encode("cp1252"))
    read = read_all("*.csv", tmp_path, tmp_path)
    assert read.table["text"].to_pylist() == ["退款太慢", "the café"]


def test_a_stray_byte_in_json_lines_costs_its_row_alone(tmp_path):
    lines = [b'{"text": "plain %d"}\n' % number for number in range(20)]
    lines[7] = b'{"text": "na\xefve"}\n'
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines))
    read = read_all("a.jsonl", tmp_path, tmp_path)
    assert read.rejected == {"bad_encoding": 1}
    assert read.table["text"][19].as_py() == "plain 19"


def test_short_pieces_of_one_legacy_dataset_share_its_encoding(tmp_path):
    texts = ["退款太慢了我要投诉", "客服态度差", "很好", "包裹破损", "物流很快", "好"] * 3
    pieces(tmp_path, [f"{number},{text},x\n".encode("gb18030") for number, text in enumerate(texts)], len(texts))
    read = read_all("*.csv", tmp_path, tmp_path)
    assert read.table["text"].to_pylist() == texts
    assert {file.encoding for file in read.plan.files} == {"gb18030"}
    assert read.plan.notes == ("18 files read as gb18030 (detected): part-0.csv, part-1.csv and 16 more",)


def test_a_piece_that_shows_its_own_encoding_keeps_it(tmp_path):
    english, chinese = "we met at the café, très bien", "退款太慢了我要投诉"
    texts = [text for text in (chinese, english, chinese) for _ in range(60)]
    encodings = ["gb18030"] * 60 + ["cp1252"] * 60 + ["utf-8"] * 60
    rows = [
        f'{number},"{text}",x\n'.encode(encoding)
        for number, (text, encoding) in enumerate(zip(texts, encodings, strict=True))
    ]
    pieces(tmp_path, rows, 3)
    read = read_all("*.csv", tmp_path, tmp_path)
    assert read.table["text"].to_pylist() == texts
    assert [file.encoding for file in read.plan.files] == ["gb18030", "cp1252", "utf-8"]


@pytest.mark.parametrize("names", [("ticket-1.csv", "ticket-2.csv"), ("a.csv", "b.csv", "c.csv")])
def test_files_of_one_row_each_have_no_header(tmp_path, names):
    for number, name in enumerate(names):
        (tmp_path / name).write_text(f"parcel number {'abc'[number]} is late,complaint\n")
    read = read_all("*.csv", tmp_path, tmp_path)
    assert read.table.num_rows == len(names)
    assert read.plan.schema.names == ["column_1", "column_2"]


def test_two_headers_of_two_tables_stay_headers(tmp_path):
    (tmp_path / "orders.csv").write_text("order,amount\n")
    (tmp_path / "users.csv").write_text("name,city\n")
    assert read_all("*.csv", tmp_path, tmp_path).plan.blocks == ()


def test_skipped_spaces_in_one_piece_are_skipped_in_all(tmp_path):
    rows = [b'1, "x, y", a\n', b"2, plain, b\n"] * 6
    pieces(tmp_path, rows, 12, b"id, text, label\n")
    assert read_all("*.csv", tmp_path, tmp_path).table["label"].to_pylist() == ["a", "b"] * 6


def test_small_files_share_blocks_and_rows_do_not_depend_on_it(tmp_path):
    for number in range(40):
        (tmp_path / f"{number:02d}.csv").write_text(f'id,text\n{number},"one, {number}"\n{number},two\n')
    (tmp_path / "50.jsonl").write_text('{"text": "json", "id": 50}\n')
    pq.write_table(pa.table({"text": ["parquet"], "id": ["60"]}), tmp_path / "60.parquet")
    (tmp_path / "70.csv").write_text("id,text\n" + "".join(f"70,row {row}\n" for row in range(300)))
    whole = read_all("*", tmp_path, tmp_path)
    assert len(whole.plan.blocks) == 1
    packed = read_all("*", tmp_path, tmp_path, block=600)
    assert 2 < len(packed.plan.blocks) < 20
    assert max(block.size_bytes for block in packed.plan.blocks) < 650
    assert [block.index for block in packed.plan.blocks] == list(range(len(packed.plan.blocks)))
    assert packed.table.equals(whole.table)
    assert whole.table["_source"].to_pylist()[:3] == ["00.csv", "00.csv", "01.csv"]


def test_thousands_of_tiny_files_take_milliseconds_each(tmp_path):
    count = 600
    for number in range(count):
        (tmp_path / f"{number}.csv").write_text("id,text,label\n" + f'{number},"some, text",x\n' * 30)
    source = SourceConfig(files=str(tmp_path / "*.csv"))
    tasks = []

    def counting(stage, given, *, sizes=None):
        tasks.append(len(given))
        return run_here(stage, given, sizes=sizes)

    plan_source(source, tmp_path, run_here, tmp_path)  # Compiled code is loaded once.
    begin = time.perf_counter()
    plan = plan_source(source, tmp_path, counting, tmp_path)
    tables = [read_block(block) for block in plan.blocks]
    seconds = time.perf_counter() - begin
    assert sum(table.num_rows for table in tables) == count * 30
    assert tables[0].schema == frame_schema(plan.schema)
    assert max(tasks) <= 67
    # About 0.7 ms a file where this was written; a regression to a task a file takes several times the bound.
    assert seconds < count * 0.01


def test_notes_are_told_once():
    nuls = [(f"{name}.csv", [Note(alone="3 NULs", several="with NULs", count=3)]) for name in "abcde"]
    assert told_once(nuls[:1]) == ("a.csv: 3 NULs",)
    assert told_once(nuls[:2]) == ("2 files with NULs (6 in all): a.csv, b.csv",)
    assert told_once(nuls) == ("5 files with NULs (15 in all): a.csv, b.csv and 3 more",)
    assert told_once([("a", []), ("b", [])]) == ()
    assert listed(["a", "b", "c"]) == "a, b, c"


def test_messages_name_files_as_they_were_written(tmp_path):
    folder = tmp_path / "job"
    folder.mkdir()
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.csv").write_bytes("text\n退款太慢了我要投诉\n".encode("gb18030"))
    relative = read_all("../raw/*.csv", folder, tmp_path)
    absolute = read_all(str(tmp_path / "raw" / "*.csv"), folder, tmp_path)
    assert relative.plan.notes == ("../raw/a.csv: read as gb18030 (detected)",)
    assert absolute.plan.notes == (f"{tmp_path}/raw/a.csv: read as gb18030 (detected)",)
    assert relative.table["_source"].to_pylist() == absolute.table["_source"].to_pylist() == ["a.csv"]
