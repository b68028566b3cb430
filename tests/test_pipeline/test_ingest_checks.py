"""Check rules against plain Python."""

import datetime
import pickle
import re
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as running
from hypothesis import strategies as st
from oracles_cleaning import make_frame
from pydantic import ValidationError

from pipeline.errors import DataError, JobFileError
from pipeline.frame import FATE, REASON
from pipeline.ingest.checks import (
    CheckCount,
    CheckRule,
    check,
    merged_counts,
    require_fit,
    require_shares,
)

_TEXTS = st.lists(st.tuples(st.one_of(st.none(), st.text("ab1投诉 ", max_size=4)), st.booleans()), max_size=12)
_NUMBERS = st.lists(st.tuples(st.one_of(st.none(), st.integers(-5, 5)), st.booleans()), max_size=12)


def reasons(rule, values, dead=None):
    table = make_frame({"c": values}, dead)
    require_fit(table.schema, [rule])
    checked = rule.apply(table)
    assert checked.table.num_rows == table.num_rows
    return checked.table[REASON].to_pylist(), checked.counts[0]


def expected(broken, values, dead, name):
    fates = ["earlier" if d else (name if broken(v) else None) for v, d in zip(values, dead, strict=True)]
    return fates, CheckCount(name=name, checked=dead.count(False), rejected=fates.count(name))


@running(deadline=None)
@given(_TEXTS)
def test_text_rules_equal_plain_python(rows):
    values, dead = [v for v, _ in rows], [d for _, d in rows]
    texts = pa.array(values, pa.string())
    rules = {
        "c_one_of": (CheckRule(column="c", one_of=("a", "投诉")), lambda v: v is not None and v not in ("a", "投诉")),
        "c_regex": (
            CheckRule(column="c", regex="a|[投b]+"),
            lambda v: v is not None and not re.fullmatch("a|[投b]+", v),
        ),
        "c_length": (
            CheckRule(column="c", min_length=1, max_length=2),
            lambda v: v is not None and not 1 <= len(v) <= 2,
        ),
        "c_not_null": (CheckRule(column="c", not_null=True), lambda v: v is None),
        "own": (CheckRule(column="c", min_length=3, name="own"), lambda v: v is not None and len(v) < 3),
    }
    for name, (rule, broken) in rules.items():
        assert reasons(rule, texts, dead) == expected(broken, values, dead, name)
        category = texts.cast(pa.dictionary(pa.int32(), pa.string()))
        assert reasons(rule, category, dead) == expected(broken, values, dead, name)


@running(deadline=None)
@given(_NUMBERS)
def test_ranges_equal_plain_python(rows):
    values, dead = [v for v, _ in rows], [d for _, d in rows]
    kinds = {
        "int": (pa.array(values, pa.int64()), -2, 3),
        "float": (pa.array(values, pa.float64()), -2.5, 3),
        "decimal": (
            pa.array([None if v is None else Decimal(v) for v in values], pa.decimal128(9, 2)),
            "-2.00",
            3,
        ),
    }
    for array, least, greatest in kinds.values():
        rule = CheckRule(column="c", min=least, max=greatest)
        outside = {v for v in range(-5, 6) if not float(least) <= v <= 3}
        assert reasons(rule, array, dead) == expected(outside.__contains__, values, dead, "c_range")


def test_times_numbers_and_nan():
    utc = datetime.UTC
    times = pa.array([datetime.datetime(2024, 1, d, tzinfo=utc) for d in (1, 2, 3)])
    assert reasons(CheckRule(column="c", min="2024-01-02T00:00:00Z"), times)[0] == ["c_range", None, None]
    at = datetime.datetime(2024, 1, 2, tzinfo=utc)
    assert reasons(CheckRule(column="c", max=at), times)[0] == [None, None, "c_range"]
    days = pa.array([datetime.date(2024, 2, 1), None])
    assert reasons(CheckRule(column="c", min=datetime.date(2024, 3, 1)), days)[0] == ["c_range", None]
    assert reasons(CheckRule(column="c", min=0), pa.array([float("nan"), 1.0, -0.0]))[0] == ["c_range", None, None]
    assert reasons(CheckRule(column="c", one_of=(1, 2)), pa.array([1, 3, None]))[0] == [None, "c_one_of", None]


def test_a_row_is_rejected_by_the_first_rule_it_breaks():
    table = make_frame({"label": ["x", "a", None], "n": pa.array([9, 9, 1])})
    rules = [CheckRule(column="label", one_of=("a",)), CheckRule(column="n", max=5)]
    checked = check(table, rules)
    assert checked.table[FATE].to_pylist() == ["rejected", "rejected", None]
    assert checked.table[REASON].to_pylist() == ["label_one_of", "n_range", None]
    assert [(c.checked, c.rejected) for c in checked.counts] == [(3, 1), (2, 1)]


def test_counts_merge_and_shares_are_limits():
    rules = [
        CheckRule(column="label", one_of=("a",)),
        CheckRule(column="n", max=5, severity="fail", max_share=0.01),
    ]
    one = (CheckCount(name="label_one_of", checked=50, rejected=50), CheckCount(name="n_range", checked=60, rejected=1))
    other = (CheckCount(name="label_one_of", checked=9, rejected=0), CheckCount(name="n_range", checked=40, rejected=0))
    both = merged_counts(one, merged_counts(other, ()))
    assert [(c.checked, c.rejected) for c in both] == [(59, 50), (100, 1)]
    require_shares(rules, both)
    with pytest.raises(DataError, match=r'"n_range": 2 of 100 rows break it \(2\.000%\), and at most 1\.000% may'):
        require_shares(rules, merged_counts(both, (both[0], CheckCount(name="n_range", checked=0, rejected=1))))
    strict = CheckRule(column="n", max=5, severity="fail")
    require_shares([strict], [CheckCount(name="n_range", checked=0, rejected=0)])
    with pytest.raises(DataError):
        require_shares([strict], [CheckCount(name="n_range", checked=10**9, rejected=1)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"column": "txt", "not_null": True}, '"txt" is not a column. Did you mean "text"? Known: d, n, text'),
        ({"column": "n", "regex": "a"}, "`regex` needs text"),
        ({"column": "n", "max_length": 3}, "`length` needs text"),
        ({"column": "text", "min": 3}, "`min`/`max` need numbers"),
        ({"column": "n", "one_of": ["x"]}, "'x' is not a value of column \"n\" of type int64"),
        ({"column": "text", "one_of": [1]}, '1 is not a value of column "text" of type string'),
        ({"column": "d", "min": "yesterday"}, "'yesterday' is not a value of column \"d\""),
        ({"column": "n", "min": 3, "max": 2}, "`min` (3) is greater than `max` (2)"),
    ],
)
def test_rules_that_do_not_fit_are_told_before_any_row(settings, message):
    schema = pa.schema([("text", pa.string()), ("n", pa.int64()), ("d", pa.date32())])
    with pytest.raises(JobFileError) as caught:
        require_fit(schema, [CheckRule(**settings)])
    assert message in str(caught.value)
    assert "[[check]] 1" in str(caught.value)


def test_two_rules_of_one_name_are_refused():
    rule = CheckRule(column="text", not_null=True)
    with pytest.raises(JobFileError, match='another rule "text_not_null"'):
        require_fit(pa.schema([("text", pa.string())]), [rule, rule])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "exactly one kind of rule, and none is given"),
        ({"regex": "a", "max_length": 3}, "regex and length are given"),
        ({"regex": "("}, "not a regular expression"),
        ({"regex": r"(a)\1"}, "not a regular expression"),
        ({"not_null": True, "max_share": 0.1}, "severity"),
        ({"min_length": 3, "max_length": 2}, "greater than"),
        ({"not_null": False}, "True"),
        ({"oneof": ["a"]}, "Extra inputs"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValidationError, match=message):
        CheckRule(column="text", **settings)


def test_a_rule_may_have_equal_limits_and_travels():
    for settings in ({"min_length": 2}, {"max_length": 2}, {"min_length": 2, "max_length": 2}, {"min": 1}):
        rule = CheckRule(column="c", **settings)
        assert pickle.loads(pickle.dumps(rule)) == rule
    assert CheckRule(column="c", unique=True).rule == "c_unique"
    assert reasons(CheckRule(column="c", unique=True), ["a", "a"])[0] == [None, None]
