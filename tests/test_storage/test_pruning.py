"""Files that a query cannot need are left out; the answer is that of all files."""

import datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_storage import stage

from storage.arranging.plan import Arrangement
from storage.filters import ANY, Bounds, may_match
from storage.store import Store

DAY = datetime.date(2024, 1, 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("pruned") / "s", create=True)
    for part in range(10):
        rows = range(part * 10, part * 10 + 10)
        table = pa.table(
            {
                "n": pa.array([n if n % 7 else None for n in rows], pa.int64()),
                "day": [DAY + datetime.timedelta(days=n) for n in rows],
                "label": ["abc"[n % 3] for n in rows],
                "x": [float("nan") if n == 42 else n / 2 for n in rows],
            }
        )
        store.commit(stage(store, f"r{part}", [table], mode="append"))
    return store


def answer(store, query):
    with store.sql(query) as result:
        return sorted(map(str, result.read_all().to_pylist())), result.scanned["reviews"]


@pytest.mark.parametrize(
    ("where", "files"),
    [
        ("n = 15", 1),
        ("n >= 15 AND n < 31", 3),
        ("n IN (1, 99)", 2),
        ("n = 1 OR n = 99", 2),
        ("day < DATE '2024-01-05'", 1),
        ("day BETWEEN '2024-01-05' AND '2024-01-15'", 2),
        ("n > 1000", 0),
        ("n = 15 AND label = 'a'", 1),
        ("label = 'a'", 10),
        ("n <> 15", 10),
        ("n IS NULL", 10),
        ("n + 1 = 16", 1),
        ("n % 100 = 16", 10),
        ("x > 40", 10),
        ("x = 'nan'::DOUBLE", 10),
        ("true", 10),
    ],
)
def test_only_files_within_the_bounds_are_opened(store, where, files):
    found, scanned = answer(store, f"SELECT * FROM reviews WHERE {where}")
    plain, _ = answer(store, f"SELECT * FROM (SELECT * FROM reviews OFFSET 0) WHERE {where}")
    assert found == plain
    assert (scanned.files, scanned.files_before) == (files, 10)


def test_each_scan_of_a_query_keeps_its_files(store):
    found, scanned = answer(store, "SELECT n FROM reviews WHERE n = 15 UNION ALL SELECT n FROM reviews WHERE n = 85")
    assert (found, scanned.files) == (["{'n': 15}", "{'n': 85}"], 2)
    found, scanned = answer(store, "SELECT count(*) AS c FROM reviews a JOIN reviews b USING (n) WHERE a.n = 15")
    assert (found, scanned.files) == (["{'c': 1}"], 1)


def test_a_plan_is_explained(store):
    plan, scanned = store.explain("SELECT n FROM reviews WHERE n = 15")
    assert "PARQUET" in plan.upper()
    assert (scanned["reviews"].files, scanned["reviews"].filters) == (1, ("(n = 15)",))


def test_queries_that_open_too_much_are_remembered(tmp_path):
    store = Store.open(tmp_path / "s", create=True)
    parts = [pa.table({"n": [0, 1000], "text": ["x", str(part)]}) for part in range(9)]
    store.commit(stage(store, "r", parts))
    for _ in range(5):
        answer(store, "SELECT * FROM reviews WHERE n = 500")
    seen = store.observed("reviews")["n"]
    assert (seen.queries, seen.files, seen.opened) == (5, 45, 45)
    store.compact("reviews", Arrangement(sort=("n",), target_bytes=300))
    assert store.observed("reviews") == {}


def test_pages_of_a_pruned_query_fit_together(store):
    cursor, found = None, []
    while cursor is not None or not found:
        with store.sql("SELECT n FROM reviews WHERE n >= 15 AND n < 31", limit=4, cursor=cursor) as page:
            found += page.read_all()["n"].to_pylist()
            cursor = page.cursor
    assert found == [n for n in range(15, 31) if n % 7]


@settings(max_examples=60)
@given(
    st.sampled_from(["=", "<", "<=", ">", ">="]),
    st.integers(-5, 5),
    st.lists(st.integers(-5, 5), min_size=1, max_size=5),
)
def test_a_file_with_a_matching_row_may_match(sign, value, rows):
    condition, columns = may_match(f"(n {sign} {value})", {"n": Bounds(str(min(rows)), str(max(rows)))})
    python = condition.replace("AND", "and").replace(" = ", " == ")
    matches = any(eval(f"{row} {'==' if sign == '=' else sign} {value}") for row in rows)
    assert columns == {"n"}
    assert eval(python) or not matches


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(",
        "((n * 2) > 4)",
        "(m = 1)",
        "(n = m)",
        "n = 1 AND n = 2 OR n = 3",
        "(NOT (n IN (1)))",
        "(n = 1) x",
        "; n",
    ],
)
def test_what_is_not_understood_leaves_nothing_out(text):
    assert may_match(text, {"n": Bounds("a", "b")}) == (ANY, frozenset())


def test_names_and_values_are_taken_as_they_are():
    columns = {'a "b"': Bounds("l", "g")}
    told, _ = may_match('("a ""b""" = \'it\'\'s (n > 3) AND\')', columns)
    assert told == "(l <= 'it''s (n > 3) AND' AND g >= 'it''s (n > 3) AND')"
