"""Dialects beyond the usual: spaces before quotes, lines before the header, delimiters of several characters."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading_cases import read_all

from pipeline.errors import SourceError
from pipeline.ingest.reading.csv.dialect import Dialect
from pipeline.ingest.reading.text.transcoding import transcode

SPACED = 'id, text, label\n1, "x, y", good\n2, "line\nbreak", bad\n3,plain, good\n'


@pytest.mark.parametrize("block", [1, 9, 64_000_000])
def test_spaces_before_quotes_are_seen_and_skipped(tmp_path, block):
    (tmp_path / "a.csv").write_text(SPACED)
    read = read_all("a.csv", tmp_path, tmp_path, block=block)
    assert read.table["text"].to_pylist() == ["x, y", "line\nbreak", "plain"]
    assert read.table["label"].to_pylist() == ["good", "bad", "good"]
    assert read.plan.files[0].dialect.describe() == 'comma, quotes ", spaces before fields skipped'
    kept = read_all("a.csv", tmp_path, tmp_path, skip_spaces=False)
    assert kept.rejected == {"long_row": 1, "short_row": 2}


def test_spaces_are_text_where_no_quote_asks_for_more(tmp_path):
    (tmp_path / "a.csv").write_text('text,label\n he said "no",x\n  indented,y\n')
    assert read_all("a.csv", tmp_path, tmp_path).table["text"].to_pylist() == [' he said "no"', "  indented"]
    (tmp_path / "b.tsv").write_text('text\tlabel\na\t "no" he said\nb\t "yes" too\n')
    assert read_all("b.tsv", tmp_path, tmp_path).table["label"].to_pylist() == [' "no" he said', ' "yes" too']
    assert read_all("a.csv", tmp_path, tmp_path, skip_spaces=True).table["text"][1].as_py() == "indented"


@given(
    st.lists(st.lists(st.text("ab ,\n\r\"'", max_size=6), min_size=2, max_size=2), min_size=1, max_size=8),
    st.sampled_from(["", " ", "   "]),
    st.integers(1, 40),
)
@settings(max_examples=60, deadline=None)
def test_skipped_spaces_equal_those_of_the_csv_module(tmp_path_factory, rows, gap, block):
    folder = tmp_path_factory.mktemp("spaces")
    text = "".join(gap + f",{gap}".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in rows)
    (folder / "a.csv").write_text(text, newline="")
    read = read_all("a.csv", folder, folder, delimiter=",", quote='"', header=False, skip_spaces=True, block=block)
    wanted = list(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True))
    found = [[row["column_1"] or "", row["column_2"] or ""] for row in read.table.to_pylist()]
    assert found == wanted


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_lines_before_the_header_are_left_out_on_demand(tmp_path, line_end, encoding):
    text = f'客服报表, "2024{line_end}{line_end}text,label{line_end}"太慢, 了",bad{line_end}很好,good{line_end}'
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    declared = "auto" if encoding != "gb18030" else encoding
    read = read_all("a.csv", tmp_path, tmp_path, skip_lines=2, encoding=declared, block=5)
    assert read.table["text"].to_pylist() == ["太慢, 了", "很好"]
    assert text.encode(encoding)[read.table["_position"][0].as_py() :].startswith(
        '"太慢'.encode(encoding.removesuffix("-sig") if encoding != "utf-16" else "utf-16-le")
    )


def test_more_lines_to_leave_out_than_there_are(tmp_path):
    (tmp_path / "a.csv").write_text("one\ntwo\n")
    (tmp_path / "b.csv").write_text("x\ny\nz\ntext\nhello\n")
    read = read_all(["a.csv", "b.csv"], tmp_path, tmp_path, skip_lines=3)
    assert [file.empty for file in read.plan.files] == [True, False]
    assert read.table["text"].to_pylist() == ["hello"]
    (tmp_path / "c.csv").write_text("x" * 2_000_000 + "\n")
    with pytest.raises(SourceError, match="do not end within"):
        read_all("c.csv", tmp_path, tmp_path, skip_lines=3)


JOINED = [["id", "text", "label"], ["1", "a|b, c", "x"], ["2", 'say "no"|', "y"], ["3", "好||吃", "z"], ["4", "", "x"]]


@pytest.mark.parametrize("delimiter", ["||", "|~|", "::", "\t|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "big5"])
@pytest.mark.parametrize("block", [7, 64_000_000])
def test_delimiters_of_several_characters(tmp_path, delimiter, encoding, block):
    # Quotes stand around whatever holds the delimiter, one of its characters, a quote or nothing at all.
    text = "".join(
        delimiter.join('"' + c.replace('"', '""') + '"' if set(c) & set(delimiter + '"') else c for c in row) + "\n"
        for row in JOINED
    )
    mark = "\ufeff" if encoding.startswith("utf-16") else ""
    (tmp_path / "a.csv").write_bytes((mark + text).encode(encoding))
    read = read_all("a.csv", tmp_path, tmp_path, delimiter=delimiter, encoding=encoding, block=block)
    assert read.rejected == {}
    assert [row["text"] or "" for row in read.table.to_pylist()] == [row[1] for row in JOINED[1:]]
    for row in read.table.to_pylist():
        assert (mark + text).encode(encoding)[row["_position"] :].decode(encoding).startswith(f"{row['id']}{delimiter}")


def test_a_rejected_record_shows_the_delimiter_as_it_was(tmp_path):
    (tmp_path / "a.csv").write_text("a||b\n1||2||3\n1||2\n")
    read = read_all("a.csv", tmp_path, tmp_path, delimiter="||")
    assert read.lost["_record"].to_pylist() == ["1||2||3"]
    assert read.plan.files[0].dialect.describe() == '||, quotes "'
    (tmp_path / "b.csv").write_text("a||b\n1\x1f||2\n")
    with pytest.raises(SourceError, match=r"U\+001F"):
        read_all("b.csv", tmp_path, tmp_path, delimiter="||")


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_long_delimiter_across_the_edge_of_a_chunk_is_whole(tmp_path, monkeypatch, size):
    monkeypatch.setattr("pipeline.ingest.reading.text.transcoding._CHUNK_BYTES", size)
    (tmp_path / "a").write_bytes(b"a|||b||||c|d||\n|e|||||f")
    transcode("a", str(tmp_path / "a"), "utf-8", 0, tmp_path / "b", "||")
    assert (tmp_path / "b").read_bytes() == b"a|||b||||c|d||\n|e|||||f".replace(b"||", b"\x1f")


def test_dialects_in_words():
    assert Dialect(delimiter="\t", quote=None).describe() == "tab, no quotes"
    assert Dialect(delimiter=";", quote="'", escape="\\").describe() == "semicolon, quotes ', escape \\"
    assert Dialect(delimiter=None, quote=None, cr_ends=True).describe() == "whole lines"
    assert Dialect(delimiter="^", cr_ends=True).describe() == '^, quotes ", records end with carriage returns'
