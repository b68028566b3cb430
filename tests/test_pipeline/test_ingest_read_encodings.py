"""Encodings: round trips, raw positions, stray bytes, detection."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading_cases import read_all

from pipeline.errors import SourceError

TEXTS = {
    "utf-8": ["naïve café", "退款太慢了", "line\nbreak, and comma", 'a "quote"', "😀"],
    "utf-16-le": ["naïve café", "退款太慢了", "line\nbreak, and comma", 'a "quote"', "😀", "Ċ਍"],
    "utf-16-be": ["naïve café", "退款太慢了", "line\nbreak, and comma", 'a "quote"', "😀", "Ċ਍"],
    "utf-32-le": ["naïve", "退款太慢了", "line\nbreak, and comma"],
    "gb18030": ["退款太慢了,我要投诉", "生僻字𠮷野家", "客服\n态度差", 'a "quote"', "価格"],
    "big5": ["這個產品的品質很好", "功能|很好", "許功蓋", "客服\n態度差"],
    "shift_jis": ["配達が遅いです", "ソフトウェア表示", "予約を\nキャンセル", "能力"],
    "cp932": ["配達が①遅い～", "ソフトウェア表示", "予約を\nキャンセル", "㈱能力"],
    "cp1252": ["the café charged €12", "déçu – très", "Größe\nfällt", "“great”"],
}
MARKS = {"utf-16-le": "\ufeff", "utf-16-be": "\ufeff", "utf-32-le": "\ufeff"}


def written(texts, encoding: str, line_end: str = "\n", *, mark: bool = True) -> bytes:
    out = io.StringIO(newline="")
    # The writer would leave a line feed inside a field unquoted where it does not end records.
    writer = csv.writer(out, lineterminator=line_end, quoting=csv.QUOTE_ALL if line_end == "\r" else csv.QUOTE_MINIMAL)
    writer.writerow(["id", "text"])
    writer.writerows([str(number), text] for number, text in enumerate(texts))
    return ((MARKS.get(encoding, "") if mark else "") + out.getvalue()).encode(encoding)


@pytest.mark.parametrize("block", [3, 17, 64_000_000])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", TEXTS)
def test_round_trip_with_raw_positions(tmp_path, encoding, line_end, block):
    texts = TEXTS[encoding] * 3
    data = written(texts, encoding, line_end)
    (tmp_path / "a.csv").write_bytes(data)
    declared = encoding.removesuffix("-le").removesuffix("-be")
    read = read_all("a.csv", tmp_path, tmp_path, encoding=declared, block=block)
    assert read.rejected == {}
    assert read.table["text"].to_pylist() == texts
    for number, position in zip(read.table["id"].to_pylist(), read.table["_position"].to_pylist(), strict=True):
        assert data[position:].decode(encoding).startswith((f"{number},", f'"{number}",'))


@pytest.mark.parametrize("encoding", TEXTS)
def test_detection_without_any_declaration(tmp_path, encoding):
    texts = TEXTS[encoding] * 3
    (tmp_path / "a.csv").write_bytes(written(texts, encoding))
    read = read_all("a.csv", tmp_path, tmp_path)
    assert read.table["text"].to_pylist() == texts
    assert bool(read.plan.notes) == (encoding != "utf-8")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("declared", ["auto", "utf-16"])
def test_utf_16_without_a_mark(tmp_path, encoding, declared):
    texts = TEXTS[encoding] * 3
    (tmp_path / "a.csv").write_bytes(written(texts, encoding, mark=False))
    assert read_all("a.csv", tmp_path, tmp_path, encoding=declared).table["text"].to_pylist() == texts


STRAYS = {
    "utf-8": b"\xef",
    "gb18030": b"\xff",
    "big5": b"\xff",
    "shift_jis": b"\xff",
    "cp932": b"\x80",
    "cp1252": b"\x81",
    "utf-16-le": b"\x00\xd8",
    "utf-16-be": b"\xd8\x00",
}


@pytest.mark.parametrize("encoding", STRAYS)
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("place", ["begin", "middle", "end"])
def test_one_bad_byte_costs_one_row(tmp_path, encoding, declared, place):
    texts = [text for text in TEXTS[encoding] * 4 if not set(text) & set('\n",')]
    lines = [f"{number},{text}\n" for number, text in enumerate(texts)]
    raw = [line.encode(encoding) for line in lines]
    spot = len(f"3,{'' if place == 'begin' else texts[3][:2] if place == 'middle' else texts[3]}".encode(encoding))
    raw[3] = raw[3][:spot] + STRAYS[encoding] + raw[3][spot:]
    mark = MARKS.get(encoding, "").encode(encoding)
    data = mark + "id,text\n".encode(encoding) + b"".join(raw)
    (tmp_path / "a.csv").write_bytes(data)
    read = read_all("a.csv", tmp_path, tmp_path, encoding=encoding if declared else "auto", quote="none", delimiter=",")
    assert read.rejected == {"bad_encoding": 1}
    assert read.kept["text"].to_pylist() == [text for number, text in enumerate(texts) if number != 3]
    assert read.lost["_record"][0].as_py().startswith("3,")
    assert "\ufffd" in read.lost["_record"][0].as_py()


def test_a_broken_character_at_the_end_of_a_line_or_file_costs_its_row_only(tmp_path):
    data = "id,text\n1,退款\n2,很慢\n3,好".encode("gb18030") + b"\x81"
    broken = data.replace("很慢\n".encode("gb18030"), "很".encode("gb18030") + b"\x81\n")
    (tmp_path / "a.csv").write_bytes(broken)
    read = read_all("a.csv", tmp_path, tmp_path, encoding="gb18030")
    assert read.kept["id"].to_pylist() == ["1"]
    assert read.rejected == {"bad_encoding": 2}


def test_legacy_bytes_late_in_an_ascii_file_decide_its_encoding(tmp_path):
    rows = "".join(f"{number},plain words\n" for number in range(100_000))
    (tmp_path / "a.csv").write_bytes(f"id,text\n{rows}x,退款太慢了我要投诉\n".encode("gb18030"))
    read = read_all("a.csv", tmp_path, tmp_path, block=500_000)
    assert read.rejected == {}
    assert read.table["text"][-1].as_py() == "退款太慢了我要投诉"


def test_a_mark_wins_over_a_declaration(tmp_path):
    (tmp_path / "a.csv").write_bytes("\ufefftext\n退款\n".encode())
    assert read_all("a.csv", tmp_path, tmp_path, encoding="gb18030").table["text"].to_pylist() == ["退款"]


def test_a_delimiter_inside_a_longer_character_is_no_delimiter(tmp_path):
    # In Big5 and Shift JIS the second byte of these characters is a bar or a backslash.
    (tmp_path / "a.csv").write_bytes("text|label\n功能許蓋|建議\n".encode("big5"))
    read = read_all("a.csv", tmp_path, tmp_path, encoding="big5", delimiter="|")
    assert read.table["text"].to_pylist() == ["功能許蓋"]
    (tmp_path / "b.csv").write_bytes('text,label\n"表ソ",x\n'.encode("shift_jis"))
    read = read_all("b.csv", tmp_path, tmp_path, encoding="shift_jis", escape="\\")
    assert read.table["text"].to_pylist() == ["表ソ"]


def test_bytes_in_no_known_encoding_are_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text\n" + b"\x81\x20\x8d\x20\xff\n" * 5)
    with pytest.raises(SourceError, match="encoding cannot be told"):
        read_all("a.csv", tmp_path, tmp_path)


@given(
    st.sampled_from([name for name in TEXTS if name != "utf-8"]).flatmap(
        lambda name: st.tuples(st.just(name), st.lists(st.sampled_from(TEXTS[name]), min_size=1, max_size=30))
    ),
    st.integers(1, 60),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=40, deadline=None)
def test_rows_and_positions_do_not_depend_on_blocks(tmp_path_factory, case, block, line_end):
    encoding, texts = case
    folder = tmp_path_factory.mktemp("encoded")
    (folder / "a.csv").write_bytes(written(texts, encoding, line_end))
    small = read_all("a.csv", folder, folder, encoding=encoding, block=block)
    large = read_all("a.csv", folder, folder, encoding=encoding)
    assert small.table["text"].to_pylist() == texts
    assert small.table["_position"].to_pylist() == large.table["_position"].to_pylist()


@pytest.mark.parametrize("encoding", ["cp1251", "cp1253"])
def test_text_of_another_alphabet_is_not_taken_for_western_letters(tmp_path, encoding):
    text = "Καλό προϊόν, γρήγορη αποστολή" if encoding == "cp1253" else "очень хорошо, доставка быстрая"
    (tmp_path / "a.csv").write_bytes(f'text,label\n"{text}",x\n'.encode(encoding) * 20)
    with pytest.raises(SourceError, match=r"encoding cannot be told.*Declare \[source\] encoding"):
        read_all("a.csv", tmp_path, tmp_path)
    assert read_all("a.csv", tmp_path, tmp_path, encoding=encoding).table["text"][0].as_py() == text


#: Values that come again and again, all that a file holds beyond ASCII, each in an encoding that shows itself.
REPEATED = [
    ("gb18030", ["女", "男"]),
    ("gb18030", ["女", "女", "女", "男"]),
    ("gb18030", ["女士"]),
    ("gb18030", ["女士", "女士", "女士", "先生"]),
    ("gb18030", ["中"]),
    ("gb18030", ["是", "否"]),
    ("gb18030", ["联通", "移动"]),
    ("gb18030", ["一", "二", "三"]),
    ("big5", ["女", "男"]),
    ("big5", ["一"]),
    ("big5", ["已完成", "未完成"]),
    ("shift_jis", ["女", "男"]),
    ("shift_jis", ["済"]),
    ("cp1252", ["café"]),
    ("cp1252", ["£ 5"]),
    ("utf-8", ["女"]),
    ("utf-8", ["café"]),
    ("utf-8", ["Łódź"]),
    ("utf-8", ["да", "нет"]),
    ("utf-8", ["я"]),
    ("utf-8", ["TNF-α"]),
    ("utf-8", ["5 μm"]),
    ("utf-8", ["20 °"]),
    ("utf-8", ["£"]),
    ("utf-8", ["½", "¼"]),
]
#: Values whose bytes say one thing in one encoding and another in the next.
OPEN = [
    ("gb18030", ["女"]),
    ("gb18030", ["也"]),
    ("gb18030", ["未"]),
    ("gb18030", ["男"]),
    ("gb18030", ["好"]),
    ("utf-8", ["Ů"]),
    ("utf-8", ["α", "β"]),
]


def repeated(encoding: str, values: list[str], rows: int) -> bytes:
    lines = [f"{row},{values[row % len(values)]},plain words {row}" for row in range(rows)]
    return ("\n".join(["id,kind,note", *lines]) + "\n").encode(encoding)


@pytest.mark.parametrize("rows", [12, 100])
@pytest.mark.parametrize(("encoding", "values"), REPEATED)
def test_few_characters_that_come_again_and_again_are_read_right(tmp_path, encoding, values, rows):
    (tmp_path / "a.csv").write_bytes(repeated(encoding, values, rows))
    read = read_all("a.csv", tmp_path, tmp_path)
    assert read.rejected == {}
    assert read.table["kind"].to_pylist() == [values[row % len(values)] for row in range(rows)]


@pytest.mark.parametrize("rows", [1, 12, 100])
@pytest.mark.parametrize(("encoding", "values"), OPEN)
def test_characters_that_could_be_others_are_asked_about_not_guessed(tmp_path, encoding, values, rows):
    (tmp_path / "a.csv").write_bytes(repeated(encoding, values, rows))
    with pytest.raises(SourceError, match=r"encoding cannot be told.*Declare \[source\] encoding"):
        read_all("a.csv", tmp_path, tmp_path)
    declared = read_all("a.csv", tmp_path, tmp_path, encoding=encoding)
    assert set(declared.table["kind"].to_pylist()) == set(values[:rows])


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_characters_that_could_be_others_are_read_as_in_the_files_beside(tmp_path, encoding):
    values = {"utf-8": ["α"], "gb18030": ["女"]}[encoding]
    (tmp_path / "part-1.csv").write_bytes(repeated(encoding, values, 50))
    telling = {"utf-8": ["naïve café"], "gb18030": ["退款太慢了", "生僻字𠮷野家", "客服态度差"]}[encoding]
    (tmp_path / "part-2.csv").write_bytes(repeated(encoding, telling, 50))
    read = read_all("part-*.csv", tmp_path, tmp_path)
    assert {file.encoding for file in read.plan.files} == {encoding}
    assert read.table["kind"].to_pylist()[:50] == values * 50
