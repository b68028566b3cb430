"""Queries see pinned versions and nothing else, stream, and come in pages that fit together."""

import datetime
import decimal
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_storage import stage

from storage import errors
from storage.fates import FATE_SCHEMA
from storage.sandbox import add_views
from storage.store import Store


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store", create=True)


def commit(store, run, table, **more):
    return store.commit(stage(store, run, [table], **more))


def answer(store, query, **more):
    with store.sql(query, **more) as result:
        return result.read_all().to_pylist()


def test_a_query_reads_the_newest_or_the_named_version(store):
    commit(store, "r1", pa.table({"text": ["a"]}))
    commit(store, "r2", pa.table({"text": ["b", "c"]}))
    store.tag("reviews", 0, "gold")
    assert answer(store, "SELECT count(*) AS n FROM reviews") == [{"n": 2}]
    assert answer(store, "SELECT text FROM Reviews", at={"reviews": 0}) == [{"text": "a"}]
    assert answer(store, 'from "reviews"', at={"reviews": "gold"}) == [{"text": "a"}]
    with store.sql("from reviews", at={"reviews": "gold"}) as result:
        assert result.columns == ["text"]
        assert result.pins == {"reviews": 0}


def test_versions_of_datasets_can_be_joined(store):
    commit(store, "r1", pa.table({"id": [1, 2], "text": ["a", "b"]}))
    commit(store, "r2", pa.table({"id": [2], "label": ["x"]}), dataset="客服-labels")
    query = 'SELECT text, label FROM reviews JOIN "客服-labels" USING (id)'
    assert answer(store, query) == [{"text": "b", "label": "x"}]


def test_a_vacuum_in_the_middle_of_a_query_is_told_as_the_version_that_is_gone(store, monkeypatch):
    commit(store, "r1", pa.table({"n": [0]}))
    commit(store, "r2", pa.table({"n": [1]}))

    def add_views_after_vacuum(*given):
        store.vacuum("reviews", older_than_hours=0)
        add_views(*given)

    monkeypatch.setattr("storage.query.add_views", add_views_after_vacuum)
    with pytest.raises(errors.VersionVacuumedError, match="reviews version 0: its files were given up"):
        store.sql("FROM reviews", at={"reviews": 0})


def test_all_stored_types_come_through(store):
    moment = datetime.datetime(2020, 1, 2, 3, 4, 5, 6)
    table = pa.table(
        {
            'quoted "name"': ["a"],
            "when": pa.array([moment], pa.timestamp("us")),
            "zoned": pa.array([moment.replace(tzinfo=datetime.UTC)], pa.timestamp("us", "UTC")),
            "day": [moment.date()],
            "amount": pa.array([decimal.Decimal("1.50")], pa.decimal128(12, 2)),
            "small": pa.array([1], pa.int8()),
            "flag": [True],
            "bytes": [b"x"],
            "ratio": pa.array([0.5], pa.float32()),
        }
    )
    commit(store, "r1", table)
    assert answer(store, "from reviews") == table.to_pylist()
    commit(store, "r2", table.slice(0, 0), dataset="none")
    assert answer(store, "from none") == []
    commit(store, "r3", pa.table({"more": pa.array([], pa.int64())}), dataset="none", mode="append")
    with store.sql("from none") as result:
        assert result.columns == [*table.column_names, "more"]
    kinds = {row["column_name"]: row["column_type"] for row in answer(store, "DESCRIBE reviews")}
    assert {**kinds, "more": "BIGINT"} == {
        row["column_name"]: row["column_type"] for row in answer(store, "DESCRIBE none")
    }


def test_columns_that_came_later_are_null_before(store):
    commit(store, "r1", pa.table({"text": ["a"]}), mode="append")
    commit(store, "r2", pa.table({"text": ["b"], "stars": [5]}), mode="append")
    assert answer(store, "from reviews") == [{"text": "a", "stars": None}, {"text": "b", "stars": 5}]


def test_folders_like_partitions_add_no_column(tmp_path):
    store = Store.open(tmp_path / "year=2024" / "store", create=True)
    commit(store, "r1", pa.table({"text": ["a"]}), mode="append")
    commit(store, "r2", pa.table({"text": ["b"], "n": [1]}), mode="append")
    assert answer(store, "from reviews")[0] == {"text": "a", "n": None}


def test_system_tables_join_models_runs_and_versions(store, tmp_path):
    fate = {"source": "f", "position": 3, "fate": "rejected", "reason": "short_row"}
    fates = pa.Table.from_pylist([fate], schema=FATE_SCHEMA)
    store.commit(stage(store, "r1", [pa.table({"text": ["a"]})], fates=[fates], ledger={"read": 2}))
    commit(store, "r2", pa.table({"text": ["b"]}))
    store.record_run("r1", {"state": "succeeded", "job": "j", "dataset": {"name": "reviews", "version": 0}})
    (tmp_path / "m").mkdir()
    store.save_model("m1", tmp_path / "m", {"dataset": "reviews", "version": 0, "run": "r1"})
    store.tag("reviews", 0, "gold")
    query = """
        SELECT m.model, v.rows, v.ledger ->> 'read' AS read, f.reason, r.state, t.tag
        FROM _system.models m JOIN _system.versions v USING (dataset, version)
        JOIN _system.fates f USING (dataset, version) JOIN _system.runs r ON r.run = m.run
        JOIN _system.tags t USING (dataset, version)
    """
    row = {"model": "m1", "rows": 1, "read": "2", "reason": "short_row", "state": "succeeded", "tag": "gold"}
    assert answer(store, query) == [row]
    assert answer(store, "SELECT count(*) AS n FROM _system.versions") == [{"n": 2}]
    store.untag("reviews", "gold")
    assert answer(store, "from _system.tags") == []


def test_an_empty_store_can_be_asked(store):
    assert answer(store, "SELECT 1 AS one") == [{"one": 1}]
    for table in ("runs", "models", "tags", "versions", "fates"):
        assert answer(store, f"SELECT * FROM _system.{table}") == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM review", 'there is no table "review". Did you mean "reviews"'),
        ("SELECT * FROM _system.run", r'Did you mean "_system.runs"|did you mean "_system.runs"'),
        ("SELEC 1", "syntax error"),
        ("SELECT nope FROM reviews", "nope"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("", "0 statements"),
        ("SELECT 'a'::INTEGER", "Conversion"),
    ],
)
def test_mistakes_are_told(store, query, message):
    commit(store, "r1", pa.table({"text": ["a"]}))
    with pytest.raises(errors.QueryError, match=message):
        answer(store, query)


ATTACKS = [
    "SELECT * FROM '{secret}'",
    "SELECT * FROM read_parquet('{secret}')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM parquet_metadata('{secret}')",
    "SELECT * FROM read_csv('https://example.com/a.csv')",
    "COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)",
    "COPY (SELECT 1) TO '/tmp/textmill-attack.csv'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)",
    "EXPLAIN (ANALYZE) SELECT 1",
    "EXPLAIN COPY (SELECT 1) TO '{file}'",
    "ATTACH '/tmp/textmill-attack.db'",
    "CREATE TABLE t AS SELECT 1",
    "CREATE OR REPLACE VIEW reviews AS SELECT 1",
    "DROP VIEW reviews",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "PRAGMA enable_external_access",
    "EXPORT DATABASE '/tmp/textmill-attack'",
    "PREPARE x AS SELECT 1",
    "CALL pragma_version()",
    "SELECT * FROM secret_table",
    "SELECT getenv('HOME')",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY (SELECT 1) TO '/tmp/textmill-attack.csv'",
    "EXECUTE x",
    "DEALLOCATE x",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_text('{file}/../../textmill.json')",
    "SELECT * FROM read_json_auto('{secret}')",
    "SELECT * FROM read_csv('{link}')",
    "SELECT * FROM parquet_scan('{link}')",
    "SELECT * FROM read_parquet(['{file}', '{secret}'])",
    "SELECT * FROM read_parquet('{file}/../*.parquet')",
    "SELECT * FROM parquet_kv_metadata('{secret}')",
    "SELECT * FROM query('SELECT * FROM ''{secret}''')",
    "SELECT * FROM query_table('{secret}')",
    "WITH x AS (SELECT * FROM '{secret}') SELECT * FROM x",
    "SELECT * FROM reviews WHERE text IN (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM 's3://bucket/key.parquet'",
    "SELECT * FROM delta_scan('/tmp')",
    "SELECT * FROM sqlite_scan('/tmp/x.db', 't')",
    "CREATE SECRET s (TYPE s3)",
    "RESET lock_configuration",
    "SET GLOBAL lock_configuration = false",
    "CHECKPOINT",
    "VACUUM",
    "USE memory",
    "DETACH memory",
    "INSERT INTO reviews VALUES ('b')",
    "UPDATE reviews SET text = 'b'",
    "DELETE FROM reviews",
    "CREATE MACRO f(x) AS x",
    "IMPORT DATABASE '/tmp'",
    "UPDATE EXTENSIONS",
    "MERGE INTO reviews USING reviews ON true WHEN MATCHED THEN DELETE",
    "WITH gone AS (DELETE FROM reviews RETURNING *) FROM gone",
    "PIVOT '{secret}' ON x",
    "SUMMARIZE '{secret}'",
    "DESCRIBE '{secret}'",
    "EXPLAIN FROM '{secret}'",
    "WITH reviews AS (FROM '{secret}') FROM reviews",
    "SELECT x.nope FROM '{secret}' x",
    "FROM read_text('/proc/self/environ')",
    "FROM read_blob('{file}', '{secret}')",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM ''{secret}'''))",
    "ATTACH '{secret}' AS x (READ_ONLY)",
    "COMMENT ON VIEW reviews IS 'x'",
    "CALL enable_logging(storage = 'file')",
    "PRAGMA profiling_output = '/tmp/textmill-attack.json'",
    "SET VARIABLE x = 1",
    "SET temp_directory = '/tmp'",
    "FROM arrow_scan(1, 2, 3)",
    "FROM secret_table, reviews",
]

#: What is planned differs by whether there is a page, and so does the moment at which files are closed.
LIMITS = [None, 5]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_untrusted_text_can_only_read_the_store(store, attack, limit, tmp_path):
    secret_table = pa.table({"x": [1]})
    secret = tmp_path / "secret.parquet"
    pq.write_table(secret_table, secret)
    commit(store, "r1", pa.table({"text": ["a"]}))
    file = store.snapshot("reviews").files[0].path
    before = Path(file).read_bytes()
    link = tmp_path / "link.csv"
    link.symlink_to("/etc/passwd")
    query = attack.format(secret=secret, file=file, link=link)
    with pytest.raises(errors.QueryError):
        answer(store, query, limit=limit)
    assert Path(file).read_bytes() == before
    assert not list(Path("/tmp").glob("textmill-attack*"))
    assert answer(store, "from reviews") == [{"text": "a"}]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize(
    "reading",
    [
        "SELECT nope FROM read_parquet('{folder}/secret.parquet')",
        "SELECT nope FROM '{folder}/secret.parquet'",
        "FROM read_json('{folder}/secret.txt')",
        "FROM read_ndjson('{folder}/secret.txt')",
        "FROM read_csv('{folder}/secret.txt', columns = {{'a': 'INT'}})",
        "FROM read_parquet('{folder}/secret.txt')",
        "SELECT (SELECT max(nope) FROM read_csv('{folder}/secret.txt'))",
        "FROM read_parquet('{folder}/missing.parquet')",
        "FROM glob('{folder}/*')",
    ],
)
def test_planning_tells_nothing_of_other_files(store, tmp_path, reading, limit):
    pq.write_table(pa.table({"hidden_name": ["hidden value"]}), tmp_path / "secret.parquet")
    (tmp_path / "secret.txt").write_text('hidden_name, "hidden value\n{"hidden": ')
    commit(store, "r1", pa.table({"text": ["a"]}))
    with pytest.raises(errors.QueryError, match="not allowed") as told:
        answer(store, reading.format(folder=tmp_path), limit=limit)
    assert "hidden" not in str(told.value)
    assert "Malformed" not in str(told.value)


def test_settings_tell_nothing_of_the_user(store):
    commit(store, "r1", pa.table({"text": ["a"]}))
    values = answer(store, "SELECT value FROM duckdb_settings()")
    home = str(Path.home())
    assert not [row for row in values if home in str(row["value"]) and store.uri not in str(row["value"])]


def test_files_outside_the_query_stay_closed(store):
    commit(store, "r1", pa.table({"text": ["old"]}))
    old = store.snapshot("reviews").files[0].path
    commit(store, "r2", pa.table({"text": ["new"]}))
    with pytest.raises(errors.QueryError, match="not allowed"):
        answer(store, f"SELECT * FROM reviews, '{old}'")


def test_explain_is_reading(store):
    commit(store, "r1", pa.table({"text": ["a"]}))
    assert "READ_PARQUET" in str(answer(store, "EXPLAIN SELECT * FROM reviews")).upper().replace(" ", "_")


def pages(store, query, limit):
    cursor, found, count = None, [], 0
    while True:
        with store.sql(query, limit=limit, cursor=cursor) as result:
            rows = [row for batch in result.batches() for row in batch.to_pylist()]
            cursor = result.cursor
        found += rows
        count += 1
        assert len(rows) <= limit
        if cursor is None:
            return found, count


def test_pages_keep_to_their_versions(store):
    commit(store, "r1", pa.table({"n": range(10)}), mode="append")
    with store.sql("SELECT n FROM reviews", limit=4) as page:
        cursor = page.cursor
        assert page.read_all()["n"].to_pylist() == [0, 1, 2, 3]
    commit(store, "r2", pa.table({"n": range(100)}))
    with store.sql("SELECT  n\nFROM reviews", limit=6, cursor=cursor) as page:
        assert page.read_all()["n"].to_pylist() == [4, 5, 6, 7, 8, 9]
        assert page.cursor is None
    with pytest.raises(errors.QueryError, match="belongs to another query"):
        store.sql("SELECT n + 1 FROM reviews", limit=4, cursor=cursor)
    for wrong in ("nonsense", "", "e30"):
        with pytest.raises(errors.QueryError, match="is no cursor"):
            store.sql("SELECT n FROM reviews", limit=4, cursor=wrong)
    with pytest.raises(errors.QueryError, match="without a limit"):
        store.sql("SELECT n FROM reviews", cursor=cursor)
    with pytest.raises(errors.QueryError, match="one row or more"):
        store.sql("SELECT n FROM reviews", limit=0)


def test_system_pages_do_not_see_what_came_later(store):
    for number in range(4):
        store.record_run(f"run-{number}", {"n": number})
    query = "SELECT run FROM _system.runs ORDER BY run DESC"
    with store.sql(query, limit=2) as page:
        cursor = page.cursor
    store.record_run("run-9", {})
    assert answer(store, query, limit=9, cursor=cursor) == [{"run": "run-1"}, {"run": "run-0"}]


@pytest.fixture(scope="module")
def ties(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("ties") / "store", create=True)
    parts = [
        pa.table({"k": [n % 3 for n in range(20_000)], "n": range(part * 20_000, (part + 1) * 20_000)})
        for part in range(3)
    ]
    store.commit(stage(store, "r1", parts))
    return store


PAGED = [
    "SELECT * FROM reviews",
    "SELECT n FROM reviews WHERE k = 1",
    "SELECT * FROM reviews ORDER BY k",
    "SELECT k, count(*) AS c FROM reviews GROUP BY ALL",
    "SELECT n % 1000 AS m, max(n) AS top FROM reviews GROUP BY m",
    "SELECT DISTINCT n % 500 AS m FROM reviews",
    "SELECT a.n FROM reviews a JOIN reviews b ON a.n = b.n + 1 WHERE a.n % 100 = 0",
    "SELECT n FROM reviews ORDER BY k DESC LIMIT 2000",
]


@pytest.mark.parametrize("query", PAGED)
@pytest.mark.parametrize("share", [0.13, 0.5, 1.0])
def test_pages_fit_together(ties, query, share):
    whole = answer(ties, query)
    limit = max(1, round(len(whole) * share))
    found, count = pages(ties, query, limit)
    assert count == -(-len(whole) // limit)
    assert found == answer(ties, query, limit=len(whole))
    if "LIMIT" not in query:
        assert sorted(map(str, found)) == sorted(map(str, whole))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 30), st.integers(1, 40))
def test_small_pages_of_a_scan_are_the_scan(tmp_path_factory, rows, limit):
    store = Store.open(tmp_path_factory.mktemp("p") / "s", create=True)
    commit(store, "r1", pa.table({"n": range(rows)}))
    found, _ = pages(store, "SELECT n FROM reviews", limit)
    assert [row["n"] for row in found] == list(range(rows))


def test_results_stream_in_small_batches(ties):
    with ties.sql("SELECT * FROM reviews") as result:
        sizes = [batch.num_rows for batch in result.batches()]
    assert sum(sizes) == 60_000
    assert max(sizes) <= 8192
    assert result.cursor is None


def test_nothing_is_left_behind(ties):
    result = ties.sql("SELECT * FROM reviews")
    next(result.batches())
    result.close()
    with pytest.raises(errors.QueryError):
        ties.sql("SELECT nope FROM reviews")
    spill = ties.layout.cache("spill")
    assert list(spill.iterdir()) == []


def test_too_little_memory_is_told(ties):
    query = "SELECT list(n::VARCHAR || repeat('x', 2000)) FROM reviews"
    with pytest.raises(errors.QueryError, match="more memory than allowed"):
        answer(ties, query, memory_bytes=20_000_000)


def test_unknown_datasets_to_read_at_are_told(store):
    commit(store, "r1", pa.table({"text": ["a"]}))
    with pytest.raises(errors.DatasetNotFoundError, match="did you mean 'reviews'"):
        store.sql("from reviews", at={"reviewz": 0})
    with pytest.raises(errors.VersionNotFoundError):
        store.sql("from reviews", at={"reviews": 5})


CLIENT = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
print(connection.sql("from reviews order by all").fetchall())
"""


def client_sees(store):
    command = [sys.executable, "-c", CLIENT, str(store.layout.views)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def test_a_plain_duckdb_client_opens_the_views(store, tmp_path):
    commit(store, "r0", pa.table({"x": [1]}), dataset="other")
    commit(store, "r1", pa.table({"text": ["a"]}), mode="append")
    held = duckdb.connect(str(store.layout.views), read_only=True)
    commit(store, "r2", pa.table({"text": ["b"], "n": [1]}), mode="append")
    assert held.sql("from reviews").fetchall() == [("a",)]
    held.close()
    assert client_sees(store) == "[('a', None), ('b', 1)]"
    Path(store.uri).rename(tmp_path / "moved")
    moved = Store.open(tmp_path / "moved")
    assert client_sees(moved) == "[('a', None), ('b', 1)]"
    moved.rollback("reviews", 0)
    assert client_sees(moved) == "[('a',)]"
    moved.layout.views.unlink()
    assert answer(moved, "from reviews") == [{"text": "a"}]
    assert moved.refresh_views()
    views = duckdb.connect(str(moved.layout.views), read_only=True)
    assert views.sql("from other").fetchall() == [(1,)]
    views.close()


def test_broken_views_never_break_a_commit(store, caplog):
    store.layout.views.write_bytes(b"no database")
    commit(store, "r1", pa.table({"text": ["a"]}))
    assert "was not brought up to date" in caplog.text
    assert store.refresh_views()
    assert client_sees(store) == "[('a',)]"


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-20])])
def test_a_damaged_file_is_told(store, damage):
    commit(store, "r1", pa.table({"text": ["a"]}))
    damage(Path(store.snapshot("reviews").files[0].path))
    with pytest.raises(errors.QueryError, match="textmill verify"):
        answer(store, "SELECT * FROM reviews")


def test_fates_can_be_asked_for_after_a_vacuum(store):
    fate = {"source": "a.csv", "position": 1, "fate": "rejected", "reason": "empty"}
    fates = pa.Table.from_pylist([fate], schema=FATE_SCHEMA)
    for run in ("r1", "r2", "r3"):
        store.commit(stage(store, run, [pa.table({"text": [run]})], fates=[fates], ledger={"read": 2}))
    assert store.vacuum("reviews", older_than_hours=0).versions == (0, 1)
    assert answer(store, "SELECT version, source FROM _system.fates") == [{"version": 2, "source": "a.csv"}]


def test_nan_is_found_by_filters(store):
    commit(store, "r1", pa.table({"n": list(range(4)), "x": [1.0, float("nan"), 3.0, None]}))
    assert answer(store, "SELECT n FROM reviews WHERE x > 2") == [{"n": 1}, {"n": 2}]
    assert answer(store, "SELECT n FROM reviews WHERE isnan(x)") == [{"n": 1}]
    assert answer(store, "SELECT n FROM reviews WHERE x = 'nan'::DOUBLE") == [{"n": 1}]
