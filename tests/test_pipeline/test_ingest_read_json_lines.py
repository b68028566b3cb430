"""JSON lines: what the compiled loops read is what a whole parser of each line reads, and NUL characters are told."""

import gzip
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reading_cases import read_all

from pipeline.ingest.reading import json_lines
from pipeline.ingest.reading.csv.dialect import LINES

TEXTS = [
    '""',
    '"a"',
    '"中文 text"',
    r'"\u4e2d\u6587"',
    r'"\ud83d\ude00"',
    r'"q\"\\\/\b\f\n\r\t"',
    r'"\u00e9\u07ff\u0800\uffff"',
]
TEXTS += ['"' + "long text " * 9 + '"', '"' + "x" * 15 + r"\"" + "y" * 9 + '"', '"\x7f"', r'"a\u0000b"', r'"\u0000"']
BROKEN = [
    r'"\ud83d"',
    r'"\ude00x"',
    r'"\ud83d\u0041"',
    r'"bad\x"',
    r'"\u12g4"',
    r'"\u12"',
    '"tab\there"',
    '"open',
    "NaN",
]
BROKEN += ["01", "1.", ".5", "-", "+1", "nul", "truex", "1E400", "1 2", ""]
NUMBERS = ["0", "-0", "-0.0", "-1", "1.50", "1e5", "-12.250", "9" * 30, "18446744073709551616", "1" + "0" * 299]
OTHERS = ["true", "false", "null", r'{"x":[1,2,{"y":"\u0000"}]}', "[1, 2.50]", "{}", "[]"]
KEYS = ['"a"', '"b c"', '"键"', r'"\u0061"', r'"a\"b"', '""', '"d"']
WHOLE = [
    "",
    " ",
    "\t ",
    "[]",
    "1",
    "{",
    "{}",
    "{ }",
    '{"a":1}x',
    '{"a":1,}',
    "{,}",
    '{"a" 1}',
    '{"a":}',
    "null",
    "\x0c",
]

spaces = st.sampled_from(["", "", "", " ", "\t", " \r"])
members = st.tuples(
    spaces, st.sampled_from(KEYS), spaces, spaces, st.sampled_from([*TEXTS, *NUMBERS, *OTHERS] * 4 + BROKEN), spaces
).map(lambda part: f"{part[0]}{part[1]}{part[2]}:{part[3]}{part[4]}{part[5]}")
objects = st.lists(members, min_size=1, max_size=4).map(lambda parts: "{" + ",".join(parts) + "}")
lines = st.lists(objects | st.sampled_from(WHOLE), min_size=1, max_size=8)


def parsed(line: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def told(line: str, value: dict[str, Any], name: str) -> str | None:
    """What the member is as a text."""
    member = value.get(name)
    if member is None:
        return None
    if isinstance(member, str):
        return member.replace("\0", "")
    return json_lines._spelled(line.encode(), name, member)


@given(lines)
@example(['{"a": "x"}', '{"a": "y", "a": null}', '{"b": 1, "a": -0}'])
@settings(max_examples=300, deadline=None)
def test_the_compiled_loops_read_what_a_whole_parser_reads(tmp_path_factory, lines):
    data = "\n".join(lines).encode()
    path = tmp_path_factory.getbasetemp() / "a.jsonl"
    path.write_bytes(data)
    filled = [line for line in lines if line.encode().strip()]
    found = [parsed(line) for line in filled]
    names = list(dict.fromkeys(name for value in found if value is not None for name in value))
    assert json_lines.object_keys(str(path), 0, len(data), LINES, 1 << 20).names == tuple(names)
    reasons: dict[int, str] = {}
    stretch = json_lines._Lines(np.frombuffer(data, np.uint8), LINES, 1 << 20)
    columns = json_lines._columns(stretch, names, 0, len(filled), reasons)
    assert reasons == {row: "bad_json" for row, value in enumerate(found) if value is None}
    for name, column in zip(names, columns, strict=True):
        column.validate(full=True)
        wanted = [None if value is None else told(line, value, name) for line, value in zip(filled, found, strict=True)]
        assert column.to_pylist() == wanted


def test_nul_characters_in_texts_are_left_out_and_counted(tmp_path):
    whole = [
        r'{"a": "x\u0000y\u0000", "b": {"c": "\u0000"}}',
        r'{"a": "\\u0000"}',
        '{"a": "plain"}',
        r'{"a": "\u0000"}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(whole))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"a": "none"}'))
    for block in (1, 64_000_000):
        read = read_all(["a.jsonl", "b.jsonl.gz"], tmp_path, tmp_path, block=block)
        assert read.table["a"].to_pylist() == ["xy", r"\u0000", "plain", "", "none"]
        assert read.table["b"].to_pylist()[0] == r'{"c": "\u0000"}'
        assert [note for note in read.plan.notes if "NUL" in note] == ["a.jsonl: 3 NUL characters left out"]
        assert "3 NUL characters left out" in read.plan.files[0].note


def test_a_nul_byte_itself_is_no_json_and_is_not_said_to_be_left_out(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"a": "x\0y"}\n{"a": "z"}\n')
    read = read_all("a.jsonl", tmp_path, tmp_path)
    assert read.rejected == {"bad_json": 1}
    assert not any("left out" in note for note in read.plan.notes)


def test_more_columns_than_fit_at_a_time(tmp_path):
    rows = [{f"c{(row + at) % 97}": f"{row}-{at}" for at in range(5)} for row in range(300)]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "_MOST_VALUES", 1000)
        read = read_all("a.jsonl", tmp_path, tmp_path)
    for name in read.plan.schema.names:
        assert read.table[name].equals(pa.chunked_array([[row.get(name) for row in rows]], pa.string()))
