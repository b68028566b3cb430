"""Clean operations against plain Python: right texts, right counts, rows with a fate untouched."""

import html
import pickle
import sys
import unicodedata
from types import SimpleNamespace

import ftfy
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as running
from hypothesis import strategies as st
from oracles_cleaning import WHITESPACE, collapse, make_frame, map_live
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import DataError, JobFileError
from pipeline.frame import FATE, REASON
from pipeline.ingest.operations import (
    OPERATIONS,
    CleanOperation,
    Operation,
    added,
    clean,
    columns_after,
    implied_operations,
    schema_after,
)
from pipeline.ingest.operations.repair import REPAIR

_ADAPTER: TypeAdapter[Operation] = TypeAdapter(CleanOperation)
# Unassigned code points are left out: Python and Arrow may know different versions of Unicode.
_ALPHABET = st.one_of(
    st.sampled_from("aA zZ.,-\t\n\r\x0b\x1f\x00\x7f\x85\xa0é\u0301ﬁ①Ａ，！　你好體体\u200b\u200d\ufeff\u2028<b>&amp;"),
    st.characters(exclude_categories=["Cs", "Cn"]),
)
_TEXTS = st.lists(st.tuples(st.one_of(st.none(), st.text(_ALPHABET, max_size=12)), st.booleans()), max_size=12)


def operation(**settings):
    return _ADAPTER.validate_python(settings)


def run(op, texts, dead=None):
    """The texts after `op`, and how many rows it changed."""
    before = make_frame({"text": pa.array(texts, pa.string())}, dead)
    outcome = op.apply(before)
    assert outcome.table.schema == op.output_schema(before.schema)
    return outcome.table["text"].to_pylist(), outcome.changed


def lower(text):
    """Simple case mapping: one character to one character."""
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def visible(text, joiners=False):
    kept = "\u200c\u200d" if joiners else ""
    return "".join(
        c
        for c in text
        if c in kept
        or c in WHITESPACE
        or not (
            unicodedata.category(c) == "Cc"
            or c in "\xad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\ufeff\ufff9\ufffa\ufffb"
            or "\u202a" <= c <= "\u202e"
            or "\u2060" <= c <= "\u2064"
            or "\u2066" <= c <= "\u206f"
        )
    )


ORACLES = {
    "nfkc": (operation(op="normalize_unicode"), lambda t: unicodedata.normalize("NFKC", t)),
    "nfc": (operation(op="normalize_unicode", form="NFC"), lambda t: unicodedata.normalize("NFC", t)),
    "trim": (operation(op="trim"), lambda t: t.strip(WHITESPACE)),
    "collapse": (operation(op="collapse_whitespace"), collapse),
    "strip_control": (operation(op="strip_control"), visible),
    "joiners": (operation(op="strip_control", keep_joiners=True), lambda t: visible(t, joiners=True)),
    "fix_text": (operation(op="fix_text"), lambda t: ftfy.fix_text(t, ftfy.TextFixerConfig(**REPAIR))),
    "python": (operation(op="python", function="os.path:basename"), lambda t: t.rpartition("/")[2]),
}


@pytest.mark.parametrize("name", ORACLES)
@running(deadline=None)
@given(rows=_TEXTS)
def test_texts_equal_plain_python_and_dead_rows_stay(name, rows):
    op, oracle = ORACLES[name]
    texts, dead = [t for t, _ in rows], [d for _, d in rows]
    expected = map_live(oracle, texts, dead)
    changed = sum(a != b for a, b in zip(texts, expected, strict=True))
    assert run(op, texts, dead) == (expected, changed)


@running(deadline=None)
@given(st.text(st.characters(max_codepoint=0x24F, exclude_categories=["Cs"]), max_size=30))
def test_fix_text_changes_whatever_ftfy_changes(text):
    damaged = text.encode().decode("latin-1")
    texts, _ = run(operation(op="fix_text"), [damaged, text])
    config = ftfy.TextFixerConfig(**REPAIR)
    assert texts == [ftfy.fix_text(damaged, config), ftfy.fix_text(text, config)]


@running(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cn"], max_codepoint=0x2FFF), max_size=10))
def test_lowercase_maps_one_character_to_one(text):
    lowered, _ = run(operation(op="lowercase"), [text])
    assert len(lowered[0]) == len(text)
    assert all(b in (a, lower(a)) or unicodedata.category(a) != "Lu" for a, b in zip(text, lowered[0], strict=True))


@pytest.mark.parametrize(
    ("settings", "before", "after"),
    [
        ({"op": "lowercase"}, "GROSSE Straße ÄÖ Ａ Ω 客服ABC", "grosse straße äö ａ ω 客服abc"),
        ({"op": "normalize_unicode"}, "ＡＢＣ，１２３！客服ﬁ①", "ABC,123!客服fi1"),
        ({"op": "fix_text"}, "cafÃ© â€œokâ€\x9d 客服", "café “ok” 客服"),
        ({"op": "collapse_whitespace", "keep_lines": True}, "a \t b \n\n c\u3000\u3000d\r\ne", "a b\nc d\ne"),
        ({"op": "trim"}, "\u3000\xa0 退款 \n", "退款"),
        ({"op": "strip_html"}, "<p>Hello<br/>world</p>", "\nHello\nworld\n"),
        ({"op": "strip_html"}, "a < b, <3, <me@x.org>, vector<int>", "a < b, <3, <me@x.org>, vector<int>"),
        ({"op": "strip_html"}, "<a href='x>y'>退款</a>&nbsp;&lt;ok&gt; &#22909;", "退款\xa0<ok> 好"),
        ({"op": "strip_html"}, "x<script>if (a<b) {}</script><!-- c\n --><STYLE>p</STYLE>y", "xy"),
        ({"op": "strip_html"}, '<div class="a"', '<div class="a"'),
        ({"op": "strip_html"}, "AT&T &amp;amp; 客服", "AT&T &amp; 客服"),
        ({"op": "strip_control"}, "a\x00b\u200bc\ufeff\td\n客\u200d服", "abc\td\n客服"),
    ],
)
def test_examples(settings, before, after):
    texts, changed = run(operation(**settings), [before, None])
    assert texts == [after, None]
    assert changed == int(before != after)


@running(deadline=None)
@given(_TEXTS)
def test_strip_html_equals_unescape_where_there_are_no_tags(rows):
    texts = [None if t is None else t.replace("<", "(") for t, _ in rows]
    after, _ = run(operation(op="strip_html"), texts)
    assert after == [None if t is None else html.unescape(t) for t in texts]


@running(deadline=None)
@given(_TEXTS, st.sampled_from([pa.large_string(), pa.dictionary(pa.int32(), pa.string())]), st.integers(1, 5))
def test_types_and_chunks_make_no_difference(rows, kind, size):
    texts = [t for t, _ in rows]
    whole = make_frame({"text": pa.array(texts, pa.string())})
    ops = [op for op, _ in ORACLES.values()]
    expected = clean(whole, ops)
    pieces = [whole.slice(i, size) for i in range(0, max(len(texts), 1), size)]
    table = pa.concat_tables(pieces)
    index = table.schema.get_field_index("text")
    table = table.set_column(index, pa.field("text", kind), table["text"].cast(kind))
    cleaned = clean(table, ops)
    assert cleaned.table["text"].type == kind
    assert cleaned.table["text"].to_pylist() == expected.table["text"].to_pylist()
    assert cleaned.changed == expected.changed


@running(deadline=None)
@given(_TEXTS)
def test_every_operation_keeps_rows_and_fates(rows):
    texts, dead = [t for t, _ in rows], [d for _, d in rows]
    settings = {
        "map_values": {"column": "label", "mapping": {"a": "b"}},
        "fill_null": {"value": "x"},
        "drop_columns": {"columns": ["label"]},
        "rename": {"columns": {"body": "text"}},
        "filter_length": {"min": 3},
        "python": {"function": "os.path:basename"},
        "filter_symbols": {"min_letters": 0.5},
        "filter_language": {"keep": ["en"]},
        "filter_terms": {"terms": ["a", "你"]},
        "sample": {"share": 0.5},
        "cast": {"column": "label", "type": "text"},
    }
    for name in OPERATIONS.keys() - {"filter_time"}:  # which needs a column of times
        before = make_frame({"text": pa.array(texts, pa.string()), "label": pa.array(texts, pa.string())}, dead)
        op = operation(op=name, **settings.get(name, {}))
        outcome = op.apply(before)
        after = outcome.table
        assert after.schema == op.output_schema(before.schema)
        gone = pa.array(dead, pa.bool_())
        kept = [c for c in before.column_names if c in after.column_names]
        assert after.select(kept).filter(gone).equals(before.select(kept).filter(gone)), name
        assert after["_position"].equals(before["_position"])
        assert 0 <= outcome.changed <= dead.count(False)


def test_columns_name_several_columns_and_a_row_counts_once():
    table = make_frame({"a": [" x ", "y"], "b": [" z", "w"], "c": [" v", "u"]})
    outcome = operation(op="trim", columns=["a", "b"]).apply(table)
    assert outcome.table.select(["a", "b", "c"]).to_pylist() == [
        {"a": "x", "b": "z", "c": " v"},
        {"a": "y", "b": "w", "c": "u"},
    ]
    assert outcome.changed == 1


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())])
@pytest.mark.parametrize(
    ("unknown", "expected", "rejected", "changed"),
    [
        ("keep", ["complaint", "complaint", "Other", None, " ", "投诉"], 0, 1),
        ("null", ["complaint", "complaint", None, None, " ", "投诉"], 0, 2),
        ("reject", ["complaint", "complaint", "Other", None, " ", "投诉"], 1, 2),
    ],
)
def test_map_values(kind, unknown, expected, rejected, changed):
    labels = pa.array(["投诉", "complaint", "Other", None, " ", "投诉"], pa.string()).cast(kind)
    dead = [False] * 5 + [True]
    table = make_frame({"label": labels}, dead)
    op = operation(op="map_values", column="label", mapping={"投诉": "complaint"}, unknown=unknown)
    outcome = op.apply(table)
    assert outcome.table["label"].to_pylist() == expected
    assert outcome.table["label"].type == kind
    assert outcome.table[REASON].to_pylist().count("label_unknown") == rejected
    assert outcome.changed == changed


def test_map_values_can_ignore_case_and_make_numbers_words():
    op = operation(op="map_values", column="label", mapping={"Complaint": "c", "咨询": "i"}, ignore_case=True)
    assert op.apply(make_frame({"label": [" COMPLAINT ", "咨询", "C"]})).table["label"].to_pylist() == ["c", "i", "c"]
    numbers = make_frame({"label": [0, 1, None]})
    op = operation(op="map_values", column="label", mapping={"0": "bad", "1": "good"})
    assert op.apply(numbers).table["label"].to_pylist() == ["bad", "good", None]
    with pytest.raises(ValidationError, match="two meanings"):
        operation(op="map_values", column="label", mapping={"A": "x", "a": "y"}, ignore_case=True)


def test_fill_null_and_drop_null():
    table = make_frame({"n": pa.array([1, None, None]), "text": ["a", None, "b"]}, [False, False, True])
    filled = operation(op="fill_null", column="n", value=7).apply(table)
    assert filled.table["n"].to_pylist() == [1, 7, None]
    assert filled.changed == 1
    dropped = operation(op="drop_null", columns=["n", "text"], name="incomplete").apply(table)
    assert dropped.table[FATE].to_pylist() == [None, "filtered", "rejected"]
    assert dropped.table[REASON].to_pylist() == [None, "incomplete", "earlier"]
    with pytest.raises(JobFileError, match="'x' does not fit column \"n\" of type int64"):
        operation(op="fill_null", column="n", value="x").output_schema(table.schema)


def test_filter_length_counts_characters():
    table = make_frame({"text": ["客服", "客服好", "abcd", "", None]})
    outcome = operation(op="filter_length", min=2, max=3).apply(table)
    assert outcome.table[REASON].to_pylist() == [None, None, "length", "length", "length"]
    assert outcome.changed == 3


def test_implied_operations_leave_out_empty_texts_and_missing_labels():
    texts = ["ok", "", None, " \u3000\t", "\u200b\ufeff\x00", "好"]
    table = make_frame({"text": texts, "label": ["a", "a", "a", "a", "a", " "]})
    ops = implied_operations(["text", "label"], label_required=True)
    cleaned = clean(table, ops)
    assert cleaned.table[REASON].to_pylist() == [None, *["empty_text"] * 4, "missing_label"]
    assert cleaned.changed == (4, 1)
    assert implied_operations(["label"], label_required=False) == ()
    assert added(cleaned.changed, added((), (1, 1))) == (5, 2)


def test_python_functions_run_only_where_allowed():
    op = operation(op="python", function="os.path:basename")
    schema = pa.schema([("text", pa.string())])
    with pytest.raises(JobFileError, match="--allow-code"):
        schema_after(schema, [op])
    assert schema_after(schema, [op], allow_code=True) == schema
    for function in ("no_such_module_here:f", "os.path:no_such", "os:sep"):
        with pytest.raises(JobFileError, match=function):
            schema_after(schema, [operation(op="python", function=function)], allow_code=True)


def test_python_functions_can_filter_and_their_failures_are_told():
    table = make_frame({"text": ["abc", "12", None]})
    outcome = operation(op="python", function="operator:not_", mode="filter", name="only_empty").apply(table)
    assert outcome.table[REASON].to_pylist() == ["only_empty", "only_empty", None]
    with pytest.raises(DataError, match=r"math:sqrt.* failed on 'abc' with TypeError"):
        operation(op="python", function="math:sqrt", on_error="fail").apply(table)
    with pytest.raises(DataError, match="must return a text or None"):
        operation(op="python", function="builtins:len").apply(table)


def only_numbers(text):
    """Fails in its own way on each kind of text that is no number."""
    if text == "exit":
        sys.exit(3)
    return str(int(text))


@pytest.mark.parametrize("mode", ["map", "filter"])
def test_rows_that_a_python_function_fails_on_are_rejected_by_the_kind_of_error(mode, monkeypatch):
    monkeypatch.setitem(sys.modules, "my_cleaning", SimpleNamespace(f=only_numbers if mode == "map" else int))
    texts = ["7", "abc", None, "007", "abc", "x", *(["exit"] if mode == "map" else [])]
    if mode == "filter":
        monkeypatch.setitem(sys.modules, "my_cleaning", SimpleNamespace(f=lambda text: int(text) > 6))
    table = make_frame({"text": texts})
    outcome = operation(op="python", function="my_cleaning:f", mode=mode, name="numbers").apply(table)
    kinds = {"abc": "numbers_ValueError", "x": "numbers_ValueError", "exit": "numbers_SystemExit"}
    assert outcome.table[REASON].to_pylist() == [kinds.get(text) for text in texts]
    assert set(outcome.table[FATE].drop_null().to_pylist()) == {"rejected"}
    expected = [str(int(text)) if text in ("7", "007") and mode == "map" else text for text in texts]
    assert outcome.table["text"].to_pylist() == expected
    assert outcome.changed == (1 if mode == "map" else 0)


def test_every_problem_is_told_before_any_row_is_read():
    schema = pa.schema([("text", pa.string()), ("amount", pa.int64())])
    ops = [
        operation(op="trim", column="txt"),
        operation(op="lowercase", column="amount"),
        operation(op="rename", columns={"amount": "text"}),
        operation(op="drop_columns", columns=["_source"]),
    ]
    with pytest.raises(JobFileError) as caught:
        schema_after(schema, ops, origin="job.toml")
    problems = caught.value.problems
    assert problems[0] == '[[clean]] 1 (trim): trim: "txt" is not a column. Did you mean "text"? Known: amount, text.'
    assert 'amount" is int64, not text' in problems[1]
    assert 'two columns "amount"' in problems[2]
    assert '"_source" is not a column' in problems[3]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_schemas_follow_renames_and_drops():
    schema = pa.schema([("review", pa.string()), ("label", pa.int64()), ("note", pa.string())])
    ops = [
        operation(op="rename", columns={"text": "review"}),
        operation(op="drop_columns", columns=["note"]),
        operation(op="map_values", column="label", mapping={"1": "x"}),
        operation(op="trim"),
    ]
    assert schema_after(schema, ops) == pa.schema([("text", pa.string()), ("label", pa.string())])
    assert columns_after(ops[0], ["review", "_source"]) == ["text"]
    assert pickle.loads(pickle.dumps(ops)) == ops


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"op": "trimm"}, "does not match any of the expected tags"),
        ({"op": "trim", "colunm": "x"}, "Extra inputs"),
        ({"op": "trim", "column": "a", "columns": ["b"]}, "not both"),
        ({"op": "filter_length"}, "give `min`, `max` or both"),
        ({"op": "filter_length", "min": 3, "max": 2}, "greater than"),
        ({"op": "python", "function": "os.system"}, "pattern"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValidationError, match=message):
        operation(**settings)


def test_every_operation_says_how_it_is_written():
    for name, kind in OPERATIONS.items():
        assert f'op = "{name}"' in (kind.__doc__ or ""), name
