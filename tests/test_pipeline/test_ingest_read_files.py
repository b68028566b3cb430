"""Files: listing, compression, formats, columns, types."""

import bz2
import gzip
import json
import lzma
import os
import pickle
from datetime import UTC, date, datetime
from decimal import Decimal

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from reading_cases import read_all

from pipeline.errors import JobFileError, SourceError, SourceNotFoundError
from pipeline.ingest.reading.columns.casting import cast_text
from pipeline.ingest.reading.columns.column_types import parse_type
from pipeline.ingest.reading.files.listing import hive_values, list_files
from pipeline.ingest.reading.shape import FileTally, require_shape, tally_files
from pipeline.ingest.reading.source_config import SourceConfig

PACKERS = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def put(folder, **files: str | bytes) -> None:
    for name, data in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())


# Listing


def test_patterns_in_order_and_matches_in_natural_order(tmp_path):
    put(
        tmp_path,
        raw__p10_dot_csv="",
        raw__p9_dot_csv="",
        raw__sub__p1_dot_csv="",
        raw___hidden_dot_csv="",
        z_dot_csv="",
    )
    names = [file.name for file in list_files(("z.csv", "raw/p*.csv", "raw"), tmp_path)]
    assert names == ["z.csv", "raw/p9.csv", "raw/p10.csv", "raw/sub/p1.csv"]
    assert [file.name for file in list_files(("raw/**/*.csv",), tmp_path)] == [
        "raw/p9.csv",
        "raw/p10.csv",
        "raw/sub/p1.csv",
    ]
    assert [file.name for file in list_files((str(tmp_path / "raw"),), tmp_path / "z")] == [
        "p9.csv",
        "p10.csv",
        "sub/p1.csv",
    ]


def test_files_of_one_name_are_told_apart(tmp_path):
    put(tmp_path, a__x_dot_csv="", b__x_dot_csv="")
    found = list_files((str(tmp_path / "a"), str(tmp_path / "b")), tmp_path / "elsewhere")
    assert [file.name for file in found] == ["a/x.csv", "b/x.csv"]


def test_a_name_with_brackets_is_taken_literally(tmp_path):
    (tmp_path / "data[1].csv").write_text("text\na\n")
    assert [file.name for file in list_files(("data[1].csv",), tmp_path)] == ["data[1].csv"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("trian.csv", 'Did you mean "train.csv"'), ("*.txt", "matches no file"), ("nowhere/*.csv", "does not exist")],
)
def test_a_pattern_that_means_nothing(tmp_path, pattern, message):
    put(tmp_path, train_dot_csv="")
    with pytest.raises(SourceNotFoundError, match=message) as caught:
        list_files((pattern,), tmp_path)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_an_empty_folder_means_nothing(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(SourceNotFoundError, match="holds no file"):
        list_files(("raw",), tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_read_permission(tmp_path):
    put(tmp_path, a_dot_csv="text\na\n")
    (tmp_path / "a.csv").chmod(0)
    with pytest.raises(SourceError, match="permission denied"):
        read_all("a.csv", tmp_path, tmp_path)


def test_permission_errors_say_so(tmp_path, monkeypatch):
    put(tmp_path, a_dot_csv="text\na\n")

    def refuse(path: str) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("pipeline.ingest.reading.files.opening.size_in_bytes", refuse)
    with pytest.raises(SourceError, match=r"a.csv: it may not be read \(permission denied\)"):
        read_all("a.csv", tmp_path, tmp_path)


def test_uris_are_read_like_paths(tmp_path):
    memory = fsspec.filesystem("memory")
    memory.pipe("/textmill/a.csv", b"text\nhello\n")
    memory.pipe("/textmill/b.csv.gz", gzip.compress(b"text\nthere\n"))
    try:
        read = read_all("memory://textmill/*", tmp_path, tmp_path)
    finally:
        memory.rm("/textmill", recursive=True)
    assert read.table["text"].to_pylist() == ["hello", "there"]
    assert [file.name for file in read.plan.files] == ["a.csv", "b.csv.gz"]


def test_hive_folders_right_above_a_file():
    assert hive_values("/x=1/data/region=01/day=2024-01-01/p.csv") == (("region", "01"), ("day", "2024-01-01"))
    assert hive_values("/data/city=S%C3%A3o%20Paulo/p.csv") == (("city", "São Paulo"),)
    assert hive_values("/data/region=__HIVE_DEFAULT_PARTITION__/p.csv") == (("region", None),)


# Compression


@pytest.mark.parametrize("packing", PACKERS)
def test_packed_files_by_their_first_bytes_in_several_members(tmp_path, packing):
    pack = PACKERS[packing]
    data = pack(b"text,label\n" + b"one,a\n" * 500) + pack(b"two,b\n" * 300)
    (tmp_path / "packed").write_bytes(data)
    read = read_all("packed", tmp_path, tmp_path, block=1000, columns={"text": "text"})
    assert read.table["text"].to_pylist() == ["one"] * 500 + ["two"] * 300
    assert read.plan.files[0].compression == packing
    assert read.table["_position"][499].as_py() == 11 + 499 * 6


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_damaged_packed_files_are_refused(tmp_path, packing, damage):
    data = bytearray(PACKERS[packing](os.urandom(5000) + b"text,label\n" * 100))
    if damage == "truncated":
        data = data[: len(data) // 2]
    else:
        data[len(data) // 2] ^= 0xFF
        # Zstandard frames carry no checksum unless asked for: only a broken structure shows.
        data = data if packing != "zstd" else bytearray(data[:8] + b"\xff" * 40)
    (tmp_path / "a.csv").write_bytes(bytes(data))
    with pytest.raises(SourceError, match=f"a.csv: its {packing} data is damaged or ends early"):
        read_all("a.csv", tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("start", "kind"), [(b"PK\x03\x04", "zip"), (b"%PDF-1.7", "PDF"), (b"SQLite format 3\0", "SQLite")]
)
def test_files_of_other_kinds_are_refused_by_name(tmp_path, start, kind):
    (tmp_path / "a.csv").write_bytes(start + b"\n1,2\n")
    with pytest.raises(SourceError, match=kind):
        read_all("a.csv", tmp_path, tmp_path)


# Dialects, headers, columns


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_found(tmp_path, delimiter):
    lines = [
        ["id", "text", "label"],
        *([str(i), "one, two; three|four\tfive".replace(delimiter, "")[: 4 * i], "x"] for i in range(9)),
    ]
    put(tmp_path, a_dot_csv="\n".join(delimiter.join(line) for line in lines) + "\n")
    read = read_all("a.csv", tmp_path, tmp_path)
    assert read.plan.schema.names == ["id", "text", "label"]
    assert read.rejected == {}


def test_single_quotes_around_everything(tmp_path):
    put(tmp_path, a_dot_csv="'text','label'\n'x, y','a'\n'it''s','b'\n", b_dot_csv="text,label\n'twas,a\n'tis',b\n")
    assert read_all("a.csv", tmp_path, tmp_path).table["text"].to_pylist() == ["x, y", "it's"]
    assert read_all("b.csv", tmp_path, tmp_path).table["text"].to_pylist() == ["'twas", "'tis'"]


@pytest.mark.parametrize("data", ["", "\n\r\n", "\0\0\0", "\ufeff"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
def test_files_without_a_record_are_listed_as_empty(tmp_path, name, data):
    (tmp_path / name).write_text(data, encoding="utf-8")
    put(tmp_path, b_dot_csv="text\nx\n")
    read = read_all("*", tmp_path, tmp_path)
    assert [file.empty for file in read.plan.files] == [True, False]
    assert read.table["text"].to_pylist() == ["x"]


def test_a_first_word_that_recurs_is_no_header(tmp_path):
    put(tmp_path, a_dot_csv="yes\nno\nyes\n")
    assert read_all("a.csv", tmp_path, tmp_path).table["column_1"].to_pylist() == ["yes", "no", "yes"]


def test_a_separator_line_of_a_spreadsheet(tmp_path):
    put(tmp_path, a_dot_csv="sep=;\r\na;b\r\n1,5;2\r\n")
    assert read_all("a.csv", tmp_path, tmp_path).table["a"].to_pylist() == ["1,5"]


def test_backslash_escapes_are_seen(tmp_path):
    put(tmp_path, a_dot_csv='text,label\n"say \\"no\\", please",x\n"plain",y\n"two\\\\",z\n')
    read = read_all("a.csv", tmp_path, tmp_path)
    assert read.table["text"].to_pylist() == ['say "no", please', "plain", "two\\"]


def test_backslashes_at_the_end_of_quoted_fields_are_text(tmp_path):
    put(tmp_path, a_dot_csv='path,label\n"C:\\dir\\",x\n"D:\\",y\n')
    assert read_all("a.csv", tmp_path, tmp_path).table["path"].to_pylist() == ["C:\\dir\\", "D:\\"]


def test_bare_carriage_returns_end_records_only_where_no_line_feed_does(tmp_path):
    put(tmp_path, a_dot_csv='a,b\r1,"x\ny"\r2,z\r', b_dot_csv='a,b\r\n1,x\ry\r\n2,"p\rq"\r\n')
    assert read_all("a.csv", tmp_path, tmp_path).table["b"].to_pylist() == ["x\ny", "z"]
    assert read_all("b.csv", tmp_path, tmp_path).table["b"].to_pylist() == ["x\ry", "p\rq"]


def test_names_for_empty_and_repeated_headers(tmp_path):
    put(tmp_path, a_dot_csv="v1, v1 ,,\nham,hello,,\n")
    read = read_all("a.csv", tmp_path, tmp_path)
    assert read.plan.schema.names == ["v1", "v1_2", "column_3", "column_4"]


def test_files_without_a_header(tmp_path):
    put(tmp_path, a_dot_csv="slow parcel,inquiry\nlost bag,complaint\nhours?,inquiry\n")
    assert read_all("a.csv", tmp_path, tmp_path).plan.schema.names == ["column_1", "column_2"]
    read = read_all("a.csv", tmp_path, tmp_path, names=("text", "label"))
    assert read.table["label"].to_pylist() == ["inquiry", "complaint", "inquiry"]
    assert read_all("a.csv", tmp_path, tmp_path, header=True).table.num_rows == 2


def test_a_header_seen_in_several_files_is_one_everywhere(tmp_path):
    put(tmp_path, a_dot_csv="text,label\nlabel,label\n", b_dot_csv="text,label\nx,y\n")
    assert read_all("*.csv", tmp_path, tmp_path).table["text"].to_pylist() == ["label", "x"]


def test_constants_by_file_name(tmp_path):
    put(tmp_path, pos_dot_txt="很好\n\n不错\n", neg_dot_txt="太慢\n")
    rules = [
        {"files": "*pos.txt", "column": "label", "value": "good"},
        {"files": "*neg.txt", "column": "label", "value": "bad"},
    ]
    read = read_all("*.txt", tmp_path, tmp_path, format="lines", set=rules)
    assert list(zip(read.table["text"].to_pylist(), read.table["label"].to_pylist(), strict=True)) == [
        ("太慢", "bad"),
        ("很好", "good"),
        ("不错", "good"),
    ]


def test_renaming_into_a_name_that_exists_is_refused(tmp_path):
    put(tmp_path, a_dot_csv="review,text\na,b\n")
    with pytest.raises(JobFileError, match='"review" and "text" would both be called "text"'):
        read_all("a.csv", tmp_path, tmp_path, columns={"text": "review"})
    swapped = read_all("a.csv", tmp_path, tmp_path, columns={"text": "review", "review": "text"})
    assert swapped.table["text"].to_pylist() == ["a"]


def test_an_unknown_column_names_the_known_ones(tmp_path):
    put(tmp_path, a_dot_csv="review,stars\na,5\n")
    with pytest.raises(
        JobFileError, match=r'no file has a column "reviews"; did you mean "review"\? Known columns: review, stars'
    ):
        read_all("a.csv", tmp_path, tmp_path, columns={"text": "reviews"})
    with pytest.raises(JobFileError, match='types: "star" is no column'):
        read_all("a.csv", tmp_path, tmp_path, types={"star": "int"})


def test_a_system_column_name_is_refused(tmp_path):
    put(tmp_path, a_dot_csv="_source,text\nx,a\n")
    with pytest.raises(JobFileError, match="system column"):
        read_all("a.csv", tmp_path, tmp_path)


def test_a_stray_quote_does_not_swallow_good_rows(tmp_path):
    good = "".join(f'"row {i}","x"\n' for i in range(5))
    put(tmp_path, a_dot_csv=f'text,label\n{good}"never closed,x\n{good}')
    read = read_all("a.csv", tmp_path, tmp_path)
    assert read.kept.num_rows == 10
    assert [(row["_reason"], row["_record"]) for row in read.lost.to_pylist()] == [("bad_quoting", '"never closed,x')]
    at_end = f'text,label\n{good}"never closed,x\n' + "plain,x\n" * 4
    put(tmp_path, b_dot_csv=at_end)
    read = read_all("b.csv", tmp_path, tmp_path)
    assert read.kept.num_rows == 9
    assert read.rejected == {"unterminated_quote": 1}


def test_several_stray_quotes_cost_a_line_each(tmp_path):
    plain = "".join(f"row {i},x\n" for i in range(30))
    lines = f'"q","x"\n"never,x\n{plain}short\n"again,x\n{plain}"q","x"\n'
    put(tmp_path, a_dot_csv="text,label\n" + lines)
    read = read_all("a.csv", tmp_path, tmp_path, quote='"', delimiter=",")
    assert read.kept["text"].to_pylist() == [
        "q",
        *(f"row {i}" for i in range(30)),
        *(f"row {i}" for i in range(30)),
        "q",
    ]
    assert read.lost["_record"].to_pylist() == ['"never,x', "short", '"again,x']
    assert read.table["_position"].to_pylist() == sorted(read.table["_position"].to_pylist())


def test_a_runaway_quote_is_an_error_with_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.ingest.reading.text.settled._RUNAWAY_BYTES", 1000)
    put(tmp_path, a_dot_csv='text,label\n"q","x"\n"never,x\n' + "row,x\n" * 400)
    with pytest.raises(SourceError, match=r"record at byte 19 is not closed within 1000 bytes: '\"never,x'"):
        read_all("a.csv", tmp_path, tmp_path, max_record=900, block=300, quote='"')


def test_a_text_with_quotes_inside_is_one_rejected_record(tmp_path):
    put(tmp_path, a_dot_csv='text,label\n"a","x"\n"b","x"\n"first line\nthe "second", one",x\n"c","y"\n')
    read = read_all("a.csv", tmp_path, tmp_path)
    assert read.kept["text"].to_pylist() == ["a", "b", "c"]
    assert read.rejected == {"bad_quoting": 1}


def test_a_dialect_that_does_not_fit_is_an_error_that_shows_it(tmp_path):
    put(tmp_path, a_dot_csv="a:b\n" + "1:2,3\n" * 120)
    read = read_all("a.csv", tmp_path, tmp_path, delimiter=",")
    with pytest.raises(SourceError, match=r"120 of 120 records .* comma.*a:b"):
        require_shape(read.plan, tally_files(read.table))
    require_shape(read.plan, {"a.csv": FileTally(records=120, misshapen=60)})
    require_shape(read.plan, {"a.csv": FileTally(records=2, misshapen=1)})


def test_a_short_piece_of_bad_rows_only_is_no_error_among_good_pieces(tmp_path):
    put(tmp_path, a_dot_csv="a,b\n1,2\n", b_dot_csv="a,b\n3\n4\n")
    read = read_all("*.csv", tmp_path, tmp_path)
    require_shape(read.plan, tally_files(read.table))
    alone = read_all("b.csv", tmp_path, tmp_path, delimiter=",")
    with pytest.raises(SourceError, match=r"b.csv: 2 of 2 records .*guessed: comma"):
        require_shape(alone.plan, tally_files(alone.table))


def test_a_declared_encoding_that_does_not_fit_is_an_error(tmp_path):
    (tmp_path / "a.csv").write_bytes(("text,label\n" + "退款太慢,x\n" * 120).encode("gb18030"))
    read = read_all("a.csv", tmp_path, tmp_path, encoding="utf-8")
    with pytest.raises(SourceError, match="120 of 120 records are not text in the encoding utf-8"):
        require_shape(read.plan, tally_files(read.table))


ROWS = [f'{i},"text {i}, with\nbreaks and ""quotes""",{"abc"[i % 3]}\n' for i in range(40)] + [
    "x,short\n",
    "\n",
    "1,2,3,4\n",
]


@pytest.mark.parametrize("pieces", [1, 3, 7])
@pytest.mark.parametrize("block", [11, 400, 64_000_000])
@pytest.mark.parametrize("header", ["id,text,label\n", ""])
def test_the_same_rows_in_more_files_are_the_same_rows(tmp_path, pieces, block, header):
    for piece in range(pieces):
        rows = ROWS[len(ROWS) * piece // pieces : len(ROWS) * (piece + 1) // pieces]
        (tmp_path / f"part-{piece}.csv").write_text(header + "".join(rows))
    read = read_all("*.csv", tmp_path, tmp_path, block=block)
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "part.csv").write_text(header + "".join(ROWS))
    one = read_all("whole", tmp_path, tmp_path)
    content = [*one.plan.schema.names, "_reason", "_record"]
    assert read.table.select(content).to_pylist() == one.table.select(content).to_pylist()
    assert one.rejected == {"short_row": 1, "long_row": 1}


LITERAL = [
    '"entirely quoted"\ta\n',
    '"Cheap" they said\tb\n',
    "plain\ta\n",
    '6" wide\tb\n',
    '"open only\ta\n',
    '"x" y\tb\n',
] * 4


@pytest.mark.parametrize("pieces", [1, 3, 7, 24])
@pytest.mark.parametrize("block", [9, 64_000_000])
def test_literal_quotes_are_told_alike_in_more_files(tmp_path, pieces, block):
    for piece in range(pieces):
        rows = LITERAL[len(LITERAL) * piece // pieces : len(LITERAL) * (piece + 1) // pieces]
        (tmp_path / f"part-{piece}.tsv").write_text("text\tlabel\n" + "".join(rows))
    read = read_all("*.tsv", tmp_path, tmp_path, block=block)
    assert read.table["text"].to_pylist() == [line.split("\t")[0] for line in LITERAL]
    assert read.rejected == {}


# JSON lines


def test_json_lines(tmp_path):
    lines = [
        '{"text": "a", "label": "x", "n": 1}',
        '{"n": 9007199254740993.10, "text": null, "extra": {"k": [1, 2.50]}}',
        "",
        '{"text": "", "n": 123456789012345678901234567890, "ok": true}',
        "not json",
        "[1, 2]",
        '{"text": "nul\\u0000s"}',
    ]
    put(tmp_path, a_dot_jsonl="\n".join(lines))
    for block in (1, 40, 64_000_000):
        read = read_all("a.jsonl", tmp_path, tmp_path, block=block)
        assert read.plan.schema.names == ["text", "label", "n", "extra", "ok"]
        assert read.kept["text"].to_pylist() == ["a", None, "", "nuls"]
        assert read.kept["n"].to_pylist() == ["1", "9007199254740993.10", "123456789012345678901234567890", None]
        assert read.kept["extra"].to_pylist()[1] == '{"k": [1, 2.50]}'
        assert read.kept["ok"].to_pylist()[2] == "true"
        assert [row["_record"] for row in read.lost.to_pylist()] == ["not json", "[1, 2]"]
        assert read.rejected == {"bad_json": 2}


def test_json_lines_with_a_bad_byte_and_types(tmp_path):
    put(tmp_path, a_dot_jsonl=b'{"text": "\xff", "n": 1}\n{"text": "b", "n": 2}\n{"text": "c", "n": "x"}\n')
    read = read_all("a.jsonl", tmp_path, tmp_path, types={"n": "int"}, encoding="utf-8")
    assert read.kept["n"].to_pylist() == [2]
    assert read.rejected == {"bad_encoding": 1, "cast_n": 1}


def test_a_json_array_is_refused_with_a_cure(tmp_path):
    put(tmp_path, a_dot_json="[{}, {}]")
    with pytest.raises(SourceError, match="jq"):
        read_all("a.json", tmp_path, tmp_path)


# NUL characters are left out on purpose, and lone surrogates are no text.
letters = st.characters(codec="utf-8", exclude_characters="\0")
json_value = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(letters, max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(letters, max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), json_value, min_size=1), min_size=1, max_size=6),
    st.integers(1, 50),
)
@settings(max_examples=60, deadline=None)
def test_json_values_are_spelled_as_in_the_file(tmp_path_factory, objects, block):
    folder = tmp_path_factory.mktemp("json")
    (folder / "a.jsonl").write_text("\n".join(json.dumps(value) for value in objects))
    read = read_all("a.jsonl", folder, folder, block=block)
    for name in read.plan.schema.names:
        wanted = [
            None
            if value.get(name) is None
            else value[name]
            if isinstance(value[name], str)
            else json.dumps(value[name])
            for value in objects
        ]
        assert read.table[name].to_pylist() == wanted


# Parquet


def test_parquet_by_row_groups_and_pieces_of_them(tmp_path):
    table = pa.table({"n": list(range(1000)), "text": [f"row {i}" for i in range(1000)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=300)
    for block in (50, 2000, 64_000_000):
        read = read_all("a.parquet", tmp_path, tmp_path, block=block)
        assert read.table["n"].to_pylist() == list(range(1000))
        assert read.table["_position"].to_pylist() == list(range(1000))
        assert read.plan.schema == table.schema
    assert len(read_all("a.parquet", tmp_path, tmp_path, block=50).plan.blocks) > 4


def test_parquet_types_are_united(tmp_path):
    pq.write_table(
        pa.table({"n": pa.array([1], pa.int32()), "t": pa.array(["a"]).dictionary_encode()}), tmp_path / "a.parquet"
    )
    pq.write_table(pa.table({"n": pa.array([2], pa.int64()), "t": pa.array([None], pa.null())}), tmp_path / "b.parquet")
    read = read_all("*.parquet", tmp_path, tmp_path)
    assert read.plan.schema == pa.schema([("n", pa.int64()), ("t", pa.string())])
    put(tmp_path, c_dot_csv="n,t\n007,x\n")
    read = read_all("*", tmp_path, tmp_path)
    assert read.table["n"].to_pylist() == ["1", "2", "007"]


def test_parquet_bytes_and_nested_values_are_text(tmp_path):
    table = pa.table(
        {"b": pa.array([b"ok", b"\xff", None]), "l": [[1, 2], None, []], "d": pa.array([Decimal("1.50")] * 3)}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    read = read_all("a.parquet", tmp_path, tmp_path)
    assert read.table["b"].to_pylist() == ["ok", None, None]
    assert read.table["l"].to_pylist() == ["[1,2]", None, "[]"]
    assert read.table["d"].to_pylist() == [Decimal("1.50")] * 3
    assert read.rejected == {"bad_encoding": 1}


def test_parquet_damaged_in_the_middle_is_an_error_with_its_name(tmp_path):
    pq.write_table(pa.table({"t": [f"text {i}" * 10 for i in range(1000)]}), tmp_path / "a.parquet", compression="zstd")
    raw = bytearray((tmp_path / "a.parquet").read_bytes())
    raw[200:400] = b"\x00" * 200
    (tmp_path / "a.parquet").write_bytes(bytes(raw))
    with pytest.raises(SourceError, match=r"a.parquet: rows 0 to 1000 cannot be read"):
        read_all("a.parquet", tmp_path, tmp_path)


# Types


@pytest.mark.parametrize(
    ("spelling", "good", "bad"),
    [
        (
            "int",
            {"1": 1, " -5 ": -5, "+7": 7, "007": 7, "9223372036854775807": 2**63 - 1},
            ["1.0", "9223372036854775808", "x", "1_0"],
        ),
        ("float", {"1": 1.0, "1e5": 1e5, "-.5": -0.5}, ["nan", "1,5", "0x10", "inf"]),
        (
            "decimal(18,2)",
            {
                "1,234.50": Decimal("1234.50"),
                "￥12.3": Decimal("12.30"),
                "(15.00)": Decimal(-15),
                "1.500": Decimal("1.50"),
                "１２": Decimal(12),
            },
            ["0.001", "12,34", "1e3", "99999999999999999"],
        ),
        ("bool", {"TRUE": True, "no": False, "是": True, "0": False}, ["2", "maybe"]),
        ("date", {"2024-02-29": date(2024, 2, 29), "2024/1/5": date(2024, 1, 5)}, ["2023-02-29", "05/01/2024"]),
        ("date(%d/%m/%Y)", {"05/01/2024": date(2024, 1, 5)}, ["2024-01-05"]),
        (
            "timestamp",
            {
                "2024-03-10T01:30:00-05:00": datetime(2024, 3, 10, 6, 30, tzinfo=UTC),
                "2024/3/10 14:30": datetime(2024, 3, 10, 14, 30, tzinfo=UTC),
                "2024-03-10T06:30:00.25Z": datetime(2024, 3, 10, 6, 30, 0, 250_000, tzinfo=UTC),
            },
            ["2024-02-30 00:00:00", "10/03/2024 2:30 PM", "yesterday", "2024-01-01T00:00:00+99:00"],
        ),
        ("timestamp(%d/%m/%Y %I:%M %p)", {"10/03/2024 2:30 PM": datetime(2024, 3, 10, 14, 30, tzinfo=UTC)}, ["x"]),
    ],
)
def test_casting(spelling, good, bad):
    values, wrong = cast_text(pa.array([*good, None, *bad], pa.string()), parse_type(spelling))
    assert values.type == parse_type(spelling).arrow
    assert values.to_pylist() == [*good.values(), None, *(None for _ in bad)]
    assert wrong.tolist() == [False] * (len(good) + 1) + [True] * len(bad)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
@settings(max_examples=200, deadline=None)
def test_decimals_are_exact_or_refused(value):
    values, wrong = cast_text(pa.array([format(value, ","), format(value, "f")]), parse_type("decimal(12,2)"))
    fits = value == round(value, 2)
    assert wrong.tolist() == [not fits, not fits]
    assert values.to_pylist() == ([value, value] if fits else [None, None])


def test_values_that_cannot_be_cast_reject_their_rows(tmp_path):
    put(tmp_path, a_dot_csv="n,kind\n1,a\nx,b\n,a\n")
    read = read_all("a.csv", tmp_path, tmp_path, types={"n": "int", "kind": "category"})
    assert read.kept["n"].to_pylist() == [1, None]
    assert read.rejected == {"cast_n": 1}
    assert read.lost["_record"].to_pylist() == ["x,b"]
    assert pa.types.is_dictionary(read.table["kind"].type)


# Settings


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"delimiter": "ab"}, "not one ASCII character"),
        ({"delimiter": '|"|'}, "not one ASCII character"),
        ({"skip_lines": -1}, "greater than or equal to 0"),
        ({"encoding": "utf8x"}, "not an encoding"),
        ({"types": {"a": "integer"}}, "is not a type"),
        ({"block": "64XB"}, "not a positive size|not a size"),
        ({"block": "2GB"}, "too large a block"),
        ({"columns": {"a": "x", "b": "x"}}, "two new names"),
        ({"delimiter": '"', "quote": '"'}, "three different characters"),
        ({"colums": {}}, "Extra inputs"),
        ({"files": []}, "at least 1"),
    ],
)
def test_wrong_settings_are_told(settings_, message):
    with pytest.raises(ValidationError, match=message):
        SourceConfig(**{"files": "a.csv", **settings_})


def test_sizes_and_marks_as_people_write_them():
    config = SourceConfig(files="a.csv", block="1.5MB", delimiter="tab", encoding="GBK")
    assert (config.files, config.block, config.delimiter, config.encoding) == (("a.csv",), 1_500_000, "\t", "gbk")
