"""Casting, windows of time and lists of terms, against plain Python."""

import datetime
import pickle
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_cleaning import make_frame
from pydantic import TypeAdapter, ValidationError

from pipeline.config import load_job
from pipeline.errors import JobFileError
from pipeline.frame import FATE, REASON, RECORD
from pipeline.ingest.operations import CleanOperation, Operation, clean
from pipeline.ingest.operations.terms import FilterTerms
from pipeline.ingest.stage_block import fates_of

_ADAPTER: TypeAdapter[Operation] = TypeAdapter(CleanOperation)
UTC = datetime.UTC


def operation(**tables):
    return _ADAPTER.validate_python(tables)


@settings(deadline=None)
@given(st.lists(st.tuples(st.one_of(st.none(), st.sampled_from(["1", " 2 ", "x", "1.5", "-3"])), st.booleans())))
def test_values_that_do_not_fit_reject_their_rows_with_the_column(rows):
    words, dead = [word for word, _ in rows], [d for _, d in rows]
    before = make_frame({"n": pa.array(words, pa.string())}, dead)
    op = operation(op="cast", column="n", type="int")
    outcome = op.apply(before)
    assert outcome.table.schema == op.output_schema(before.schema)
    fits = {None: None, "1": 1, " 2 ": 2, "-3": -3}
    assert outcome.table["n"].to_pylist() == [fits.get(word) for word in words]
    expected = ["earlier" if d else None if word in fits else "cast_n" for word, d in rows]
    assert outcome.table[REASON].to_pylist() == expected
    assert outcome.changed == expected.count("cast_n")
    # What could not be cast can still be read in the row's record.
    gone = outcome.table.filter(outcome.table[FATE].is_valid())
    records = fates_of(gone)["record"].to_pylist()
    for record, word in zip(records, [w for w, d in rows if d or w not in fits], strict=True):
        assert word is None or word in fits or f'"n":"{word}"' in record


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pa.array([1, None]), "text", ["1", None]),
        (pa.array(["1.50", None]), "decimal(5,2)", ["1.50", None]),
        (pa.array([1.0, 2.5]), "int", ["1", None]),
        (pa.array(["a", "b"]).dictionary_encode(), "text", ["a", "b"]),
        (pa.array(["a", "a"]), "category", ["a", "a"]),
        (pa.array(["2024-02-30", "2024-02-03"]), "date", [None, "2024-02-03"]),
    ],
)
def test_casts_from_and_to_other_types(values, kind, expected):
    outcome = operation(op="cast", column="v", type=kind).apply(make_frame({"v": values}))
    assert [None if v is None else str(v) for v in outcome.table["v"].to_pylist()] == expected


def test_a_record_that_was_kept_stays():
    table = make_frame({"n": ["x", "y"]})
    table = table.set_column(table.column_names.index(RECORD), RECORD, pa.array(["raw", None], pa.string()))
    outcome = operation(op="cast", column="n", type="int").apply(table)
    assert outcome.table[RECORD].to_pylist() == ["raw", '{"n":"y"}']


def test_casts_that_cannot_be_are_told():
    with pytest.raises(ValidationError, match="'integer' is not a type; known: text, int"):
        operation(op="cast", column="v", type="integer")
    with pytest.raises(JobFileError, match='"w" is not a column'):
        operation(op="cast", column="w", type="int").output_schema(pa.schema([("v", pa.string())]))
    with pytest.raises(JobFileError, match="no text to cast by"):
        operation(op="cast", column="v", type="int").output_schema(pa.schema([("v", pa.list_(pa.int8()))]))


_DAY = st.dates(datetime.date(2023, 12, 30), datetime.date(2024, 1, 4))
_MOMENT = st.datetimes(datetime.datetime(2023, 12, 31), datetime.datetime(2024, 1, 3))
_EAST = datetime.timezone(datetime.timedelta(hours=8))
_EDGE = st.one_of(st.none(), _DAY, _MOMENT, _MOMENT.map(lambda moment: moment.replace(tzinfo=_EAST)))


def moment(value):
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), _MOMENT), max_size=8), st.lists(st.one_of(st.none(), _DAY), max_size=8), _EDGE, _EDGE
)
def test_windows_equal_plain_comparisons(moments, days, start, stop):
    if (start is None and stop is None) or (start is not None and stop is not None and moment(start) >= moment(stop)):
        with pytest.raises(ValidationError, match=r"give `from`, `to` or both|is not before"):
            operation(op="filter_time", column="t", **{"from": start, "to": stop})
        return
    op = operation(op="filter_time", column="t", **{"from": start, "to": stop})

    def outside(value):
        early = start is not None and value is not None and moment(value) < moment(start)
        return value is None or early or (stop is not None and moment(value) >= moment(stop))

    times = pa.array(moments, pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    for values, column in ((moments, times), (days, pa.array(days, pa.date32()))):
        table = make_frame({"t": column})
        assert op.output_schema(table.schema) == table.schema
        assert op.apply(table).table[REASON].to_pylist() == ["time" if outside(v) else None for v in values]


def test_a_window_needs_times():
    op = operation(op="filter_time", column="t", to=datetime.date(2024, 1, 1))
    with pytest.raises(JobFileError, match='column "t" is string, not a time'):
        op.output_schema(pa.schema([("t", pa.string())]))
    cast = operation(op="cast", column="t", type="timestamp")
    cleaned = clean(make_frame({"t": ["2023-05-06 07:08", "2024-01-01"]}), [cast, op])
    assert cleaned.table[REASON].to_pylist() == [None, "time"]
    assert pickle.loads(pickle.dumps(op)) == op
    assert operation(**op.model_dump(mode="json", by_alias=True)) == op


_TERM = st.text("abB1_ 忽略.", min_size=1, max_size=4).filter(str.strip)


@settings(deadline=None, max_examples=300)
@given(st.lists(_TERM, min_size=1, max_size=5), st.lists(st.one_of(st.none(), st.text("aAbB1_ 忽略.-", max_size=12))))
def test_terms_equal_a_regular_expression(terms, texts):
    def pattern(term):
        left = r"(?<![A-Za-z0-9_])" if re.match("[A-Za-z0-9_]", term) else ""
        right = r"(?![A-Za-z0-9_])" if re.search("[A-Za-z0-9_]$", term) else ""
        return left + re.escape(term) + right

    expected = [text is not None and any(re.search(pattern(t), text, re.IGNORECASE) for t in terms) for text in texts]
    column = pa.chunked_array([pa.array(texts[:2], pa.string()), pa.array(texts[2:], pa.string())])
    assert FilterTerms(terms=tuple(terms)).select_texts(column).tolist() == expected
    assert FilterTerms(terms=tuple(terms), keep=True).select_texts(column).tolist() == [not held for held in expected]


def test_case_makes_no_difference_in_any_script():
    column = pa.chunked_array([["ÜBER alles", "привет МИР", "latest"]])
    assert FilterTerms(terms=("über", "мир", "TEST")).select_texts(column).tolist() == [True, True, False]


def test_a_long_list_is_read_from_a_file_beside_the_job(tmp_path):
    words = [f"stop{i}" for i in range(20_000)]
    (tmp_path / "stop.txt").write_text("\ufeff# words\n\n" + "\n".join(words) + "\n  请忽略 \n", encoding="utf-8")
    (tmp_path / "job.toml").write_text(
        'name = "j"\n[source]\nfiles = ["a.csv"]\n[dataset]\nname = "d"\n'
        '[[clean]]\nop = "filter_terms"\nfile = "stop.txt"\nterms = ["own"]\n'
    )
    (op,) = load_job(tmp_path / "job.toml").clean
    assert op.terms == ("own", *words, "请忽略")
    assert op.file is None
    column = pa.chunked_array([["a stop19999 b", "stop20000", "my OWN", "这条请忽略吧", "owner"]])
    assert op.select_texts(column).tolist() == [True, False, True, True, False]
    assert operation(**op.model_dump(mode="json")) == op


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), (b"\xff\xfe", "UTF-8"), (b"# x\n", "no term")]
)
def test_lists_that_cannot_be_used(tmp_path, content, message):
    file = tmp_path / "stop.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValidationError, match=message):
        FilterTerms(file=str(file))
    with pytest.raises(ValidationError, match="blank"):
        FilterTerms(terms=("a", " "))
    assert np.array_equal(FilterTerms(terms=("a",)).select_texts(pa.chunked_array([], pa.string())), [])
