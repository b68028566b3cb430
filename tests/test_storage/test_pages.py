"""Pages of a query fit together whatever its order, whoever commits meanwhile and whatever becomes of what is kept."""

import json
import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pyarrow as pa
import pytest
from oracles_storage import stage

from storage import errors, kept_rows
from storage.store import Store

QUERIES = {
    "scan": "SELECT * FROM reviews",
    "ties": "SELECT n, k FROM reviews ORDER BY k",
    "nulls": "SELECT n, maybe FROM reviews ORDER BY maybe NULLS FIRST",
    "groups": "SELECT n % 2500 AS m, count(*) AS c, min(n) AS least FROM reviews GROUP BY m",
    "chance": "SELECT n FROM reviews ORDER BY random()",
    "clock": "SELECT n, now() AS t FROM reviews",
    "kinds": "SELECT n, {'a': k} AS s, [n, k] AS l, INTERVAL (k) DAY AS i, n::HUGEINT AS h, NULL AS z FROM reviews "
    "ORDER BY k DESC",
}
ROWS = 3000


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("pages") / "store", create=True)
    parts = []
    for start in range(0, ROWS, 1000):
        numbers = range(start, start + 1000)
        maybe = pa.array([None if n % 4 else n % 5 for n in numbers], pa.int64())
        parts.append(pa.table({"n": numbers, "k": [n % 3 for n in numbers], "maybe": maybe}))
    store.commit(stage(store, "r1", parts))
    return store


@pytest.fixture
def store(shared):
    shared.drop_kept_rows()
    return shared


def page(store, query, limit, cursor=None):
    with store.sql(query, limit=limit, cursor=cursor) as result:
        return result.read_all().to_pylist(), result.cursor


def all_pages(store, query, limit, between=lambda: None):
    rows, cursor = page(store, query, limit)
    while cursor is not None:
        between()
        more, cursor = page(store, query, limit, cursor)
        rows += more
    return rows


def windows(store):
    return sorted(store.layout.cache("pages").glob("*.arrow"))


def run_counter(monkeypatch):
    runs = []
    keep = kept_rows.KeptRows.keep
    monkeypatch.setattr(kept_rows.KeptRows, "keep", lambda self, *given: runs.append(1) or keep(self, *given))
    return runs


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("limit", [997, 1024, 2999, 5000])
def test_pages_are_the_whole(store, query, limit):
    paged = all_pages(store, query, limit)
    with store.sql(query) as whole:
        expected = whole.read_all().to_pylist()
    assert len(paged) == len(expected)
    if "random" in query:
        assert sorted(row["n"] for row in paged) == list(range(ROWS))
    elif "now()" in query:
        assert len({row["t"] for row in paged}) == 1
    else:
        assert sorted(map(str, paged)) == sorted(map(str, expected))
        assert paged == page(store, query, ROWS)[0]


def test_only_what_is_paged_through_is_kept_and_that_once(store, monkeypatch):
    runs = run_counter(monkeypatch)
    rows, cursor = page(store, QUERIES["ties"], 10)
    assert windows(store) == []
    for _ in range(20):
        more, cursor = page(store, QUERIES["ties"], 10, cursor)
        rows += more
    assert len(runs) == len(windows(store)) == 1
    assert rows == page(store, QUERIES["ties"], 210)[0]


def test_a_later_page_opens_neither_the_query_engine_nor_the_files(store, monkeypatch):
    _, cursor = page(store, QUERIES["groups"], 100)
    expected, further = page(store, QUERIES["groups"], 100, cursor)
    monkeypatch.setattr("storage.query.open_database", lambda *_: pytest.fail("computed again"))
    monkeypatch.setattr("storage.queries.prune", lambda *_: pytest.fail("planned again"))
    assert page(store, QUERIES["groups"], 100, cursor) == (expected, further)


@pytest.mark.parametrize("query", [QUERIES[name] for name in ("scan", "ties", "groups", "kinds")])
def test_windows_end_and_go_on(store, query, monkeypatch):
    monkeypatch.setattr("storage.kept_rows.WINDOW_BYTES", 1000)
    runs = run_counter(monkeypatch)
    assert all_pages(store, query, 300) == page(store, query, ROWS)[0]
    assert len(runs) == len(windows(store)) > 1


def test_old_and_many_windows_go(store, monkeypatch):
    _, cursor = page(store, QUERIES["ties"], 10)
    page(store, QUERIES["ties"], 10, cursor)
    (old,) = windows(store)
    aside = old.with_name("0123.aside")
    aside.write_bytes(b"left by a process that was killed")
    long_ago = time.time() - 48 * 3600
    for path in (old, aside):
        os.utime(path, (long_ago, long_ago))
    _, other = page(store, QUERIES["nulls"], 10)
    page(store, QUERIES["nulls"], 10, other)
    assert old not in windows(store)
    assert len(windows(store)) == 1
    assert not aside.exists()
    monkeypatch.setattr("storage.kept_rows._MOST_BYTES", 1)
    page(store, QUERIES["ties"], 10, cursor)
    (only,) = windows(store)
    assert only.name == old.name


@pytest.mark.parametrize("harm", ["gone", "cut", "foreign"])
def test_a_lost_window_is_made_again(store, harm):
    query = QUERIES["ties"]
    _, cursor = page(store, query, 100)
    expected = page(store, query, 100, cursor)
    (kept,) = windows(store)
    if harm == "gone":
        kept.unlink()
    elif harm == "cut":
        kept.write_bytes(kept.read_bytes()[:1000])
    else:
        kept.write_bytes(b"something else")
    assert page(store, query, 100, cursor) == expected


def test_what_cannot_be_computed_again_is_told(store):
    for name in ("chance", "clock"):
        _, cursor = page(store, QUERIES[name], 100)
        store.drop_kept_rows()
        with pytest.raises(errors.QueryError, match="chance or on the time"):
            page(store, QUERIES[name], 100, cursor)


def test_two_people_who_ask_for_chance_get_their_own(store):
    _, one = page(store, QUERIES["chance"], 2000)
    _, other = page(store, QUERIES["chance"], 2000)
    assert page(store, QUERIES["chance"], 2000, one)[0] != page(store, QUERIES["chance"], 2000, other)[0]


def test_spacing_within_texts_is_another_query(store):
    one, other = (f"SELECT n, '{text}' AS t FROM reviews" for text in ("a b", "a  b"))
    _, cursor = page(store, one, 10)
    page(store, one, 10, cursor)
    _, cursor = page(store, other, 10)
    assert page(store, other, 10, cursor)[0][0]["t"] == "a  b"


def test_commits_between_pages_are_not_seen(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    store.commit(stage(store, "r0", [pa.table({"n": range(100), "k": [n % 3 for n in range(100)]})], mode="append"))
    query = "SELECT n FROM reviews ORDER BY k"
    whole = page(store, query, 100)[0]
    runs = iter(range(1, 100))

    def commit():
        run = next(runs)
        store.commit(stage(store, f"r{run}", [pa.table({"n": [1000 + run], "k": [0]})], mode="append"))
        store.delete("reviews", f"n = {run}")

    assert all_pages(store, query, 15, commit) == whole
    assert len(page(store, query, 1000)[0]) == 100


def test_a_vacuum_leaves_no_deleted_row_behind(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    store.commit(stage(store, "r0", [pa.table({"text": ["someone's secret", "b", "c"]})]))
    query = "SELECT text FROM reviews ORDER BY text DESC"
    _, cursor = page(store, query, 1)
    page(store, query, 1, cursor)
    store.delete("reviews", "text LIKE 'someone%'")
    store.vacuum("reviews", older_than_hours=0, dry_run=True)
    assert len(windows(store)) == 1
    store.vacuum("reviews", older_than_hours=0)
    assert windows(store) == []
    with pytest.raises(errors.VersionVacuumedError):
        page(store, query, 1, cursor)


def test_a_vacuum_while_a_window_is_made_leaves_none(tmp_path, monkeypatch):
    store = Store.open(tmp_path / "store", create=True)
    store.commit(stage(store, "r0", [pa.table({"n": range(10)})]))
    _, cursor = page(store, "SELECT n FROM reviews", 2)
    write = kept_rows.KeptRows._write

    def slow(self, *given):
        written = write(self, *given)
        store.commit(stage(store, "r1", [pa.table({"n": [1]})]))
        store.vacuum("reviews", older_than_hours=0)
        return written

    monkeypatch.setattr(kept_rows.KeptRows, "_write", slow)
    with pytest.raises(errors.VersionVacuumedError):
        page(store, "SELECT n FROM reviews", 2, cursor)
    assert list(store.layout.cache("pages").iterdir()) == []


def test_without_a_place_to_keep_rows_pages_still_fit(store, monkeypatch, caplog):
    whole = page(store, QUERIES["ties"], ROWS)[0]

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_rows.KeptRows, "_write", full)
    assert all_pages(store, QUERIES["ties"], 900) == whole
    assert "not kept" in caplog.text
    assert list(store.layout.cache("pages").iterdir()) == []


def changed(cursor, at, value):
    facts = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    facts[at] = value
    return urlsafe_b64encode(json.dumps(facts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "change", [(1, {"reviews": 7}), (1, {"other": 0}), (2, 0), (3, 0), (3, -1), (3, 2**70), (3, "x")]
)
def test_changed_cursors_are_refused(store, change):
    _, cursor = page(store, QUERIES["ties"], 10)
    with pytest.raises(errors.QueryError, match="is no cursor"):
        page(store, QUERIES["ties"], 10, changed(cursor, *change))
    with pytest.raises(errors.QueryError, match="is no cursor"):
        page(store, QUERIES["ties"], 10, cursor[:-3])
    for place in range(len(cursor)):
        wrong = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        with pytest.raises(errors.QueryError):
            page(store, QUERIES["ties"], 10, wrong)


def test_a_cursor_needs_its_query(store):
    _, cursor = page(store, QUERIES["ties"], 10)
    with pytest.raises(errors.QueryError, match="belongs to another query"):
        page(store, QUERIES["nulls"], 10, cursor)
