"""One folder with every kind of trouble at once, run from the command line: each record is kept, or told of."""

import gzip
import json
import lzma
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from command_line import textmill, write_job

JOB = """
name = "job"
store = "store"
[source]
files = ["raw"]
block = "120B"
types = { at = "timestamp", amount = "decimal(18,2)" }
[dataset]
name = "rows"
[cluster]
workers = 1
processes = false
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder after the run; `answer.json` holds what it answered."""
    folder = tmp_path_factory.mktemp("mixed")
    raw = folder / "raw"
    (raw / "day=01").mkdir(parents=True)
    (raw / "day=__HIVE_DEFAULT_PARTITION__").mkdir()
    files = {
        "a.csv": (
            '\ufeff"id","text","note"\r\n000123,"第一行\r\n第二行, ""引号""",\r\n1e5,甲\u2028乙\x85丙,NA\r\n短,\r\n'
        ).encode(),
        "b.tsv": 'text\tid\n"全部"引用\tb1\n他说"好\tb2\n"引号 开头\tb3\n'.encode("gb18030"),
        "c.jsonl.zst": zstandard.compress(
            '{"id": "c1", "text": "null", "at": "2024-03-10 14:30:00+08:00"}\n'
            '{"id": 9007199254740993, "text": "nel\x85"}\n{"id": "c3"\n'.encode()
        ),
        "l.jsonl": b'{"ID": "c4", "text": "case"}\n',
        "d.csv.gz": gzip.compress(b'id,text,amount\nd1,one,"1,234.50"\n')
        + gzip.compress(b"id,text,amount\nd2,two,abc\n"),
        "e.csv.xz": lzma.compress("id;text;extra\ne1;快递; 太慢;x\ne2;还行;\n".encode("utf-16")),
        "f.csv": b"",
        "g.csv": b"id,text\n",
        "h.csv": b" \n\t\n\r\n",
        "day=01/i.csv": b"id,text\ni1,caf\xe9 \xe5\xa5\xbd\ni2,\xe5\xa5\xbd\n",
        "day=__HIVE_DEFAULT_PARTITION__/j.csv": "id,text\nj1,😀\n".encode(),
        "_SUCCESS": b"",
    }
    for name, data in files.items():
        (raw / name).write_bytes(data)
    moments = pa.array([1_710_052_200_123_456_000, 1_710_052_200_123_456_789], pa.timestamp("ns", "UTC"))
    pq.write_table(
        pa.table({"id": [7, 8], "text": ["p1", "p2"], "at": moments, "note": pa.nulls(2)}), raw / "k.parquet"
    )
    write_job(folder, JOB)
    answer = textmill("run", "job.toml", "--json", folder=folder)
    assert answer.status == 0, answer.err
    (folder / "answer.json").write_text(answer.out)
    return folder


def of_store(folder, *arguments):
    answer = textmill(*arguments, "--json", folder=folder)
    assert answer.status == 0, answer.err
    return [json.loads(line) for line in answer.out.split("\n") if line]


def test_every_record_is_kept_or_told_of(folder):
    ledger = json.loads((folder / "answer.json").read_text())["ledger"]
    assert ledger["rejected"] == {
        "bad_encoding": 1,
        "bad_json": 1,
        "cast_amount": 1,
        "cast_at": 1,
        "long_row": 1,
        "repeated_header": 1,
        "short_row": 1,
    }
    assert (ledger["read"], ledger["kept"], ledger["filtered"]) == (20, 13, {})
    fates = {(row["source"], row["reason"]) for row in of_store(folder, "fates", "rows")}
    assert ("raw/e.csv.xz", "long_row") in fates
    assert ("raw/k.parquet", "cast_at") in fates


def test_texts_and_ids_are_what_the_files_say(folder):
    rows = {row["id"]: row for row in of_store(folder, "query", "SELECT * FROM rows", "--limit", "100")}
    assert rows["000123"]["text"] == '第一行\r\n第二行, "引号"'
    assert rows["1e5"]["text"] == "甲\u2028乙\x85丙"
    assert (rows["000123"]["note"], rows["1e5"]["note"]) == (None, "NA")
    assert [rows[name]["text"] for name in ("b1", "b2", "b3")] == ['"全部"引用', '他说"好', '"引号 开头']
    assert rows["c1"]["text"] == "null"
    assert datetime.fromisoformat(rows["c1"]["at"]) == datetime(2024, 3, 10, 6, 30, tzinfo=UTC)
    assert rows["9007199254740993"]["text"] == "nel\x85"
    assert rows["c4"]["text"] == "case"
    assert rows["d1"]["amount"] == "1234.50"
    assert rows["e2"]["text"] == "还行"
    assert {name: rows[name]["day"] for name in ("i2", "j1", "d1")} == {"i2": "01", "j1": None, "d1": None}
    assert datetime.fromisoformat(rows["7"]["at"]).microsecond == 123456


def test_what_a_person_should_know_is_said(folder):
    answer = textmill("run", "job.toml", folder=folder)
    assert answer.status == 0, answer.err
    told = " ".join((answer.err + answer.out).split())
    expected = (
        "read as gb18030 (detected)",
        "read as utf-16-le (detected)",
        "a header only",
        "blank lines only",
        "0 bytes",
        'read as one, called "id"',
    )
    assert [words for words in expected if words not in told] == []
