"""Every reading entry of the trouble collection gives its right result."""

import gzip

import pyarrow as pa
import pytest
from reading_cases import TROUBLE, needs_trouble, read_all

from pipeline.errors import JobFileError, SourceError

pytestmark = needs_trouble


def rows(table: pa.Table, *names: str) -> list[tuple[object, ...]]:
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


@pytest.mark.parametrize("block", [1, 7, 50, 87, 500, 1000, 2500, 3000, 64_000_000])
def test_quoted_line_breaks_at_any_block_size(tmp_path, block):
    read = read_all("01_quoted_newlines.csv", TROUBLE, tmp_path, block=block)
    assert read.rejected == {}
    texts = read.table["text"].to_pylist()
    assert [text.split(":")[0] for text in texts] == [f"ticket {i}" for i in range(60)]
    assert {text.count("\n") for text in texts} == {2}
    assert read.table["id"].to_pylist() == [str(i) for i in range(60)]
    assert sorted(read.table["label"].value_counts().to_pylist(), key=lambda count: count["values"]) == [
        {"values": label, "counts": 20} for label in ("complaint", "inquiry", "suggestion")
    ]
    whole = read_all("01_quoted_newlines.csv", TROUBLE, tmp_path)
    assert read.table.equals(whole.table)


def test_types_are_not_guessed_from_the_first_rows(tmp_path):
    read = read_all("02_late_string", TROUBLE, tmp_path)
    assert read.table.num_rows == 80
    assert read.plan.schema.field("order_id").type == pa.string()
    assert {"1000", "B-000"} <= set(read.table["order_id"].to_pylist())


def test_byte_order_mark_before_a_quoted_header(tmp_path):
    read = read_all("04_bom_quoted_header.csv", TROUBLE, tmp_path)
    assert rows(read.table, "label", "text") == [("投诉", "快递丢了"), ("inquiry", "opening hours?")]
    assert read.plan.schema.names == ["label", "text"]


def test_one_folder_in_several_encodings(tmp_path):
    read = read_all("05_mixed_encoding/*.csv", TROUBLE, tmp_path)
    assert [file.encoding for file in read.plan.files] == ["utf-8", "gb18030", "cp1252"]
    assert read.rejected == {}
    texts = read.table["text"].to_pylist()
    assert len(texts) == 6
    assert texts[3] == "生僻字𠮷野家的订单查不到"
    assert texts[4:] == ["the café charged me €12 twice – fix it", "“great” app"]
    assert any("gb18030" in note for note in read.plan.notes)


def test_one_stray_byte_costs_its_row(tmp_path):
    read = read_all("06_one_bad_byte.csv", TROUBLE, tmp_path, block=1000)
    assert read.rejected == {"bad_encoding": 1}
    assert read.table.num_rows == 3002
    assert read.plan.files[0].encoding == "utf-8"
    assert not read.table["text"][3001].as_py().isascii()


def test_utf_16(tmp_path):
    read = read_all("08_utf16.csv", TROUBLE, tmp_path, block=100)
    assert read.table.num_rows == 50
    assert read.table["text"][49].as_py() == "第49条，包裹破损"


def test_nul_bytes_are_left_out_and_counted(tmp_path):
    read = read_all("09_nul_bytes.csv", TROUBLE, tmp_path)
    assert rows(read.table, "id", "text") == [("1", "beforeafter"), ("2", "clean row"), ("3", None), ("4", "tail")]
    assert "5 NUL characters left out" in read.plan.notes[0]


def test_ragged_rows_are_rejected_with_their_reasons(tmp_path):
    read = read_all("10_ragged.csv", TROUBLE, tmp_path)
    assert read.kept["id"].to_pylist() == ["1", "4", "6"]
    assert [(row["_reason"], row["_record"]) for row in read.lost.to_pylist()] == [
        ("short_row", "2,no label here"),
        ("long_row", "3,too, many, commas,complaint"),
        ("short_row", "5"),
    ]


def test_empty_files_among_good_ones(tmp_path):
    read = read_all("12_empty_parts", TROUBLE, tmp_path)
    assert rows(read.table, "text", "label") == [("hello there", "inquiry")]
    assert [file.empty for file in read.plan.files] == [True, True, True, False]
    assert len([note for note in read.plan.notes if "empty" in note]) == 3


@pytest.mark.parametrize(("max_record", "kept"), [(64_000_000, 3), (100_000, 2)])
def test_a_huge_field_is_read_or_rejected_by_a_stated_limit(tmp_path, max_record, kept):
    read = read_all("14_huge_field.csv", TROUBLE, tmp_path, max_record=max_record)
    assert read.kept.num_rows == kept
    assert read.rejected == ({} if kept == 3 else {"record_too_long": 1})


def test_literal_quotes_between_tabs(tmp_path):
    read = read_all("15_tsv_literal_quotes.tsv", TROUBLE, tmp_path, names=("text", "label"))
    texts = read.table["text"].to_pylist()
    assert len(texts) == 6
    assert texts[0] == '"Cheap" they said'
    assert texts[4] == '"open quote only'


def test_only_line_feeds_end_lines(tmp_path):
    assert read_all("17_unicode_separators.csv", TROUBLE, tmp_path).table.num_rows == 3
    read = read_all("17_unicode_separators.jsonl", TROUBLE, tmp_path, block=10)
    assert read.table["text"].to_pylist() == [
        "part one\u2028part two",
        "nel\x85inside",
        "vt\x0binside",
        "para\u2029graph",
    ]


def test_columns_are_united_by_name(tmp_path):
    read = read_all("19_column_order", TROUBLE, tmp_path)
    assert rows(read.table, "id", "label") == [("1", "inquiry"), ("2", "complaint")]
    read = read_all("20_schema_drift", TROUBLE, tmp_path)
    assert read.plan.schema.names == ["id", "text", "label", "channel"]
    assert rows(read.table, "id", "label", "channel") == [
        ("1", "inquiry", None),
        ("2", "complaint", "wechat"),
        ("3", None, None),
    ]
    assert any('"label"' in note and "2024-03.csv" in note for note in read.plan.notes)


def test_words_that_look_like_missing_are_text(tmp_path):
    read = read_all("22_na_words.csv", TROUBLE, tmp_path)
    assert read.table["text"].to_pylist() == ["NA", "null", "None", "N/A", "nan", None, None, "   ", "无"]
    declared = read_all("22_na_words.csv", TROUBLE, tmp_path, null_words=("NA", "null"))
    assert declared.table["text"].null_count == 4


def test_ids_keep_every_digit(tmp_path):
    read = read_all("23_ids.csv", TROUBLE, tmp_path)
    assert rows(read.table, "ticket", "account") == [
        ("000123", "6222021234567890123"),
        ("000124", "6222021234567890124"),
        ("1e5", "9007199254740993"),
    ]


def test_money_and_time_by_declared_rules(tmp_path):
    plain = read_all("25_money_time.csv", TROUBLE, tmp_path)
    assert plain.table["amount"].to_pylist() == ["1,234.50", "￥12.30", "0.1000000000000000055", "(15.00)", "-0"]
    typed = read_all("25_money_time.csv", TROUBLE, tmp_path, types={"at": "timestamp", "amount": "decimal(38,19)"})
    moments = typed.table["at"].to_pylist()
    assert moments[0] == moments[1]
    assert moments[0].isoformat() == "2024-03-10T06:30:00+00:00"
    assert typed.rejected == {"cast_at": 2}
    assert [row["_record"][:10] for row in typed.lost.to_pylist()] == ["10/03/2024", "2024-02-30"]
    assert [format(value, "f").rstrip("0").rstrip(".") for value in typed.table["amount"].to_pylist()] == [
        "1234.5",
        "12.3",
        "0.1000000000000000055",
        "-15",
        "0",
    ]


def test_gzip_by_its_first_bytes(tmp_path):
    read = read_all("26_two_members.csv.gz", TROUBLE, tmp_path)
    assert read.table.num_rows == 1000
    bare = tmp_path / "no_suffix.csv"
    bare.write_bytes(gzip.compress(b"text,label\nhello,inquiry\n"))
    assert read_all(str(bare), TROUBLE, tmp_path).table.num_rows == 1
    with pytest.raises(SourceError, match=r"26_truncated\.csv\.gz.*ends early"):
        read_all("26_truncated.csv.gz", TROUBLE, tmp_path)


def test_dialects_that_a_sniffer_gets_wrong(tmp_path):
    read = read_all("27_sniffer_a_one_column.csv", TROUBLE, tmp_path)
    assert read.table["message"].to_pylist() == ["good service", "opens at nine", "slow; rude; closed early"]
    read = read_all("27_sniffer_b_unquoted_commas.csv", TROUBLE, tmp_path)
    assert read.kept["message"].to_pylist() == ["where is my parcel"]
    assert read.rejected == {"long_row": 1}
    many = tmp_path / "c.csv"
    many.write_text("message\n" + "all fine\n" * 400 + "slow; rude; closed early\n")
    assert read_all(str(many), TROUBLE, tmp_path).table.num_rows == 401
    quoted = tmp_path / "d.csv"
    quoted.write_text('"message","label"\n"good","praise"\n"he said "no" twice","complaint"\n"late, wet","complaint"\n')
    read = read_all(str(quoted), TROUBLE, tmp_path)
    assert read.kept["message"].to_pylist() == ["good", "late, wet"]
    assert read.rejected == {"bad_quoting": 1}


@pytest.mark.parametrize("files", ["21_all_null_part/*.csv", "21_all_null_part/pq", "21_all_null_part"])
def test_a_column_without_values_in_one_part_is_still_text(tmp_path, files):
    read = read_all(files, TROUBLE, tmp_path)
    assert read.plan.schema.field("note").type == pa.string()
    assert "called back" in read.table["note"].to_pylist()


def test_values_of_hive_folders_stay_text(tmp_path):
    read = read_all("24_hive_values", TROUBLE, tmp_path)
    assert dict(rows(read.table, "text", "region")) == {
        "from 01": "01",
        "from 02": "02",
        "from 1A": "1A",
        "no region": None,
    }
    assert "region" not in read_all("24_hive_values", TROUBLE, tmp_path, hive=False).plan.schema.names


def test_broken_parquet_is_refused_by_name(tmp_path):
    with pytest.raises(SourceError, match=r"part-1\.parquet.*part-2\.parquet"):
        read_all("35_broken_parquet", TROUBLE, tmp_path)
    assert read_all("35_broken_parquet/part-0.parquet", TROUBLE, tmp_path).table.num_rows == 1


def test_missing_text_is_null(tmp_path):
    read = read_all("31_missing_text.csv", TROUBLE, tmp_path)
    assert read.table["text"].to_pylist() == [None, "good", None, "fine", "😀😀", "!!!"]


def test_a_declared_column_that_no_file_has(tmp_path):
    with pytest.raises(JobFileError, match='did you mean "label"'):
        read_all("10_ragged.csv", TROUBLE, tmp_path, columns={"kind": "lable"})
