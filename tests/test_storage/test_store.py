"""What a store promises of versions: whole, in order, found again, and never repeated."""

import datetime
import errno
import json
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from oracles_storage import rows_of, stage

from storage import commit as committing
from storage import errors, parquet
from storage.fates import FATE_SCHEMA
from storage.fingerprint import fingerprint_of
from storage.layout import parse_part_name
from storage.scan import cut, read_blocks, read_span, read_spans
from storage.store import Store


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store", create=True)


def texts(*values, **more):
    return pa.table({"text": list(values), **more})


def tree(store):
    return sorted(str(path.relative_to(store.uri)) for path in Path(store.uri).rglob("*.parquet"))


def test_a_version_tells_what_it_holds(store):
    table = texts("a", "b", _source=["f", "f"], _position=[0, 2])
    version = store.commit(stage(store, "r1", [table], message="first", author="me", ledger={"read": 2}))
    assert (version.dataset, version.number, version.rows, version.files) == ("reviews", 0, 2, 1)
    assert (version.run, version.mode, version.message, version.author) == ("r1", "replace", "first", "me")
    assert version.ledger == {"read": 2}
    assert version.fingerprint == fingerprint_of(table, ["text"]).digest(pa.schema([("text", pa.string())]))
    assert version.bytes == Path(store.snapshot("reviews").files[0].path).stat().st_size
    assert datetime.datetime.fromisoformat(version.created_at).tzinfo is not None
    assert rows_of(store) == table.to_pylist()


def test_rows_keep_the_order_of_parts_and_appends(store):
    store.commit(stage(store, "z", [texts(f"a{n}") for n in range(12)], mode="append"))
    store.commit(stage(store, "a", [texts("b"), texts("c", "d")], mode="append"))
    assert [row["text"] for row in rows_of(store)] == [f"a{n}" for n in range(12)] + ["b", "c", "d"]


def test_append_has_the_fingerprint_of_all_rows(store):
    store.commit(stage(store, "r1", [texts("a", "b")], mode="append"))
    appended = store.commit(stage(store, "r2", [texts("c")], mode="append"))
    whole = store.commit(stage(store, "r3", [texts("c", "b", "a")]))
    assert appended.fingerprint == whole.fingerprint
    assert (appended.rows, appended.files, whole.rows, whole.files) == (3, 2, 3, 1)
    assert len(rows_of(store)) == 3


def test_append_unites_columns_by_name(store):
    store.commit(stage(store, "r1", [texts("a")], mode="append"))
    version = store.commit(stage(store, "r2", [pa.table({"stars": [5], "text": ["b"]})], mode="append"))
    assert rows_of(store) == [{"text": "a", "stars": None}, {"text": "b", "stars": 5}]
    assert not store.snapshot("reviews").uniform
    whole = pa.table({"text": ["a", "b"], "stars": [None, 5]})
    assert store.commit(stage(store, "r3", [whole])).fingerprint == version.fingerprint
    assert store.snapshot("reviews").uniform
    assert [v.run for v in store.versions("reviews")] == ["r3", "r2", "r1"]
    assert store.datasets()[0].versions == 3


def test_append_refuses_another_type(store):
    store.commit(stage(store, "r1", [pa.table({"n": [1]})]))
    with pytest.raises(errors.SchemaMismatchError, match=r"n: int64 in the dataset, string in the new rows"):
        store.commit(stage(store, "r2", [pa.table({"n": ["1"]})], mode="append"))
    assert store.version("reviews").number == 0


def test_replace_may_change_everything(store):
    store.commit(stage(store, "r1", [texts("a")]))
    moment = datetime.datetime(2020, 1, 2)
    naive = pa.table({"n": pa.array([1], pa.int8()), "when": pa.array([moment], pa.timestamp("s"))})
    store.commit(stage(store, "r2", [naive]))
    assert rows_of(store) == [{"n": 1, "when": moment}]
    assert rows_of(store, at=0) == [{"text": "a"}]
    store.rollback("reviews", 0)
    assert rows_of(store) == [{"text": "a"}]


def test_a_run_commits_once(store):
    request = stage(store, "r1", [texts("a")], mode="append")
    first = store.commit(request)
    store.commit(stage(store, "r2", [texts("b")], mode="append"))
    assert store.commit(request) == first
    assert store.commit(stage(store, "r1", [texts("other")], mode="append")) == first
    assert len(store.versions("reviews")) == 2


def test_an_empty_version_is_a_version(store):
    version = store.commit(stage(store, "r1", [texts("a").slice(0, 0)]))
    assert (version.rows, version.files) == (0, 0)
    assert rows_of(store) == []
    assert store.snapshot("reviews").schema == pa.schema([("text", pa.string())])
    store.commit(stage(store, "r2", [texts("b")], mode="append"))
    assert rows_of(store) == [{"text": "b"}]


def test_versions_are_found_by_number_tag_and_time(store):
    for run in ("r0", "r1", "r2"):
        store.commit(stage(store, run, [texts(run)]))
    store.tag("reviews", 1, "gold")
    when = store.version("reviews", 1).created_at
    assert [store.version("reviews", at).number for at in (None, 0, "0", "gold")] == [2, 0, 0, 1]
    assert store.version("reviews", when).created_at == when
    assert store.version("reviews", "2999-01-01").number == 2
    assert store.version("reviews", "gold").tags == ("gold",)
    with pytest.raises(errors.VersionNotFoundError, match="did you mean the tag 'gold'"):
        store.version("reviews", "golt")
    with pytest.raises(errors.VersionNotFoundError, match="Versions: 2, 1, 0"):
        store.version("reviews", 7)
    with pytest.raises(errors.VersionNotFoundError):
        store.version("reviews", "1999-01-01")
    with pytest.raises(errors.DatasetNotFoundError, match="no such dataset"):
        store.version("nope")


def test_tags_stay_unless_moved(store):
    for run in ("r0", "r1"):
        store.commit(stage(store, run, [texts(run)]))
    store.tag("reviews", 0, "gold")
    store.tag("reviews", 0, "gold")
    with pytest.raises(errors.TagError, match="already names version 0"):
        store.tag("reviews", 1, "gold")
    store.tag("reviews", 1, "gold", move=True)
    assert store.tags("reviews") == {"gold": 1}
    store.untag("reviews", "gold")
    assert store.tags("reviews") == {}
    with pytest.raises(errors.TagError):
        store.untag("reviews", "gold")
    with pytest.raises(errors.TagError, match="starts with a letter"):
        store.tag("reviews", 1, "2024")


def test_rollback_brings_back_files_without_copying(store):
    first = store.commit(stage(store, "r1", [texts("a")]))
    store.commit(stage(store, "r2", [texts("b")]))
    before = tree(store)
    back = store.rollback("reviews", 0, author="me")
    assert (back.mode, back.origin, back.number, back.author) == ("rollback", 0, 2, "me")
    assert (back.fingerprint, back.rows) == (first.fingerprint, 1)
    assert tree(store) == before
    assert store.commit(stage(store, "r3", [texts("c")], mode="append")).rows == 2
    assert rows_of(store) == [{"text": "a"}, {"text": "c"}]


def fates_table(*rows):
    return pa.Table.from_pylist([dict(zip(FATE_SCHEMA.names, row, strict=True)) for row in rows], schema=FATE_SCHEMA)


def test_fates_come_with_their_version(store):
    short = ("f.csv", 10, "rejected", "short_row", None, None, "x")
    twin = ("f.csv", 20, "duplicate", "exact", "f.csv", 5, None)
    store.commit(stage(store, "r1", [texts("a")], fates=[fates_table(short), fates_table(twin)]))
    store.commit(stage(store, "r2", [texts("b")]))
    assert store.fates("reviews").num_rows == 0
    found = store.fates("reviews", version=0).to_pylist()
    assert [tuple(row.values()) for row in found] == [("reviews", 0, "r1", *short), ("reviews", 0, "r1", *twin)]
    assert store.fates("reviews", version=0, reason="exact").num_rows == 1
    assert store.fates("reviews", version=0, limit=1).num_rows == 1
    store.rollback("reviews", 0)
    assert store.fates("reviews").num_rows == 2
    with pytest.raises(errors.StagedPartError, match="missing: source"):
        store.commit(stage(store, "r3", [texts("a")], fates=[texts("x")]))


def test_a_part_that_is_not_what_it_says_is_refused(store):
    def spoiled(change):
        request = stage(store, "r", [texts("a")])
        change(Path(request.parts[0].path))
        with pytest.raises(errors.StagedPartError, match="nothing was committed"):
            store.commit(request)

    spoiled(lambda path: path.unlink())
    spoiled(lambda path: path.write_bytes(path.read_bytes()[:-9]))
    spoiled(lambda path: path.write_bytes(b""))
    other = stage(store, "other", [texts("a", "b")])
    spoiled(lambda path: path.write_bytes(Path(other.parts[0].path).read_bytes()))
    with pytest.raises(errors.StagedPartError, match="its columns are text: string, the commit says other: string"):
        store.commit(committing.replace(stage(store, "r", [texts("a")]), schema=pa.schema([("other", pa.string())])))
    assert store.datasets() == []


def test_a_failed_commit_leaves_store_and_staging_as_they_were(store, monkeypatch):
    store.commit(stage(store, "r1", [texts("a")]))
    request = stage(store, "r2", [texts("b"), texts("c")])
    before = tree(store)

    def refuse(*_args, **_settings):
        raise errors.DiskFullError("log", "no room left", "Free some space.")

    with monkeypatch.context() as patch:
        patch.setattr(committing, "commit_files", refuse)
        with pytest.raises(errors.DiskFullError):
            store.commit(request)
    assert tree(store) == before
    assert rows_of(store) == [{"text": "a"}]
    assert store.commit(request).rows == 2


def test_a_run_that_died_before_the_log_is_resumed(store, monkeypatch):
    request = stage(store, "r1", [texts("a"), texts("b")])

    def die(*_args, **_settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(committing, "commit_files", die)
        patch.setattr(committing.Moves, "take_back", lambda self: None)
        with pytest.raises(KeyboardInterrupt):
            store.commit(request)
    assert store.datasets() == []
    assert store.commit(request).rows == 2
    assert [row["text"] for row in rows_of(store)] == ["a", "b"]


def test_a_commit_that_landed_before_its_error_is_not_repeated(store, monkeypatch):
    real = committing.commit_files

    def land_and_fail(*args, **settings):
        real(*args, **settings)
        raise OSError(errno.EIO, "lost the answer")

    with monkeypatch.context() as patch:
        patch.setattr(committing, "commit_files", land_and_fail)
        version = store.commit(stage(store, "r1", [texts("a")]))
    assert version.number == 0
    assert rows_of(store) == [{"text": "a"}]


def test_names_are_checked(store):
    store.commit(stage(store, "r1", [texts("a")], dataset="客服_2024"))
    assert [summary.name for summary in store.datasets()] == ["客服_2024"]
    for name in ("_system", "a/b", "../x", "", "9a", "a b"):
        with pytest.raises(errors.DatasetNameError):
            store.commit(stage(store, "r2", [texts("a")], dataset=name))
    store.commit(stage(store, "r3", [texts("a")], dataset="Reviews"))
    with pytest.raises(errors.DatasetNameError, match="in case alone"):
        store.commit(stage(store, "r4", [texts("a")]))
    with pytest.raises(errors.DatasetNameError):
        store.staging("../../x")


def test_the_store_can_be_moved(store, tmp_path):
    store.commit(stage(store, "r1", [texts("a")], fates=[fates_table(("f", 1, "rejected", "x", None, None, None))]))
    Path(store.uri).rename(tmp_path / "elsewhere")
    moved = Store.open(tmp_path / "elsewhere")
    assert rows_of(moved) == [{"text": "a"}]
    assert moved.fates("reviews").num_rows == 1
    assert moved.commit(stage(moved, "r2", [texts("b")], mode="append")).rows == 2


def test_opening_says_what_is_wrong(tmp_path):
    with pytest.raises(errors.StoreNotFoundError, match="there is no textmill store"):
        Store.open(tmp_path / "nope")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("x")
    with pytest.raises(errors.StoreNotFoundError, match="not empty"):
        Store.open(tmp_path / "full", create=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises((errors.StoreError, OSError)):
        Store.open(tmp_path / "file", create=True)
    store = Store.open(tmp_path / "store", create=True)
    store.layout.mark.write_text(json.dumps({"format": 99}))
    with pytest.raises(errors.StoreDamagedError, match="written in format 99"):
        Store.open(tmp_path / "store")
    with pytest.raises(errors.StoreNotFoundError, match="a store is a directory, or a prefix"):
        Store.open("ftp://bucket/store")


def test_an_empty_store_can_be_taken_away(store):
    assert Store.open(store.uri).discard_if_empty()
    assert not Path(store.uri).exists()
    again = Store.open(store.uri, create=True)
    again.commit(stage(again, "r1", [texts("a")]))
    assert not again.discard_if_empty()
    assert rows_of(again) == [{"text": "a"}]


def test_plain_deltalake_reads_and_writes_it(store):
    store.commit(stage(store, "r1", [texts("a")]))
    store.commit(stage(store, "r2", [pa.table({"text": ["b"], "n": [1]})], mode="append"))
    table = DeltaTable(str(Path(store.uri) / "reviews"))
    assert sorted(pa.table(table.to_pyarrow_table()).to_pylist(), key=str) == sorted(rows_of(store), key=str)
    write_deltalake(table, pa.table({"text": ["c"], "n": [2]}), mode="append")
    newest = store.version("reviews")
    assert (newest.mode, newest.rows, newest.fingerprint) == ("external", 3, "")
    appended = store.commit(stage(store, "r3", [pa.table({"text": ["d"], "n": [3]})], mode="append"))
    whole = pa.table({"text": ["a", "b", "c", "d"], "n": [None, 1, 2, 3]})
    assert appended.fingerprint == fingerprint_of(whole, ["text", "n"]).digest(whole.schema)
    assert len(rows_of(store)) == 4


def test_the_log_repeats_no_text(store):
    store.commit(stage(store, "r1", [texts("secret words", n=[7])]))
    log = (Path(store.uri) / "reviews" / "_delta_log" / f"{0:020d}.json").read_text()
    assert "secret" not in log
    assert '\\"n\\": 7' in log
    assert DeltaTable(str(Path(store.uri) / "reviews")).metadata().configuration == {
        "delta.enableExpiredLogCleanup": "false"
    }


def test_file_names_say_order_and_content(store):
    request = stage(store, "r1", [texts("a"), texts("b")])
    store.commit(request)
    names = [parse_part_name(Path(file.path).name) for file in store.snapshot("reviews").files]
    assert [(name.number, name.part) for name in names] == [(0, 0), (0, 1)]
    assert [name.sha for name in names] == [part.sha256[:32] for part in request.parts]
    assert parse_part_name("part-0001.parquet") is None


def test_spans_read_exactly_their_rows(store):
    parts = [texts(*(f"{part}-{row}" for row in range(rows))) for part, rows in enumerate((5, 0, 1, 9, 3))]
    store.commit(stage(store, "r1", parts))
    snapshot = store.snapshot("reviews")
    everything = [row["text"] for row in rows_of(store)]
    for block in (1, 2, 7, 18, 100):
        blocks = [read_spans(spans, ["text"], schema=snapshot.schema) for spans in cut(snapshot, block)]
        assert [table.num_rows for table in blocks[:-1]] == [block] * (len(blocks) - 1)
        assert [text for table in blocks for text in table["text"].to_pylist()] == everything
        assert list(read_blocks(cut(snapshot, block), ["text"], schema=snapshot.schema)) == blocks
        assert list(read_blocks(cut(snapshot, block)[1:], ["text"], schema=snapshot.schema)) == blocks[1:]
    file = pickle.loads(pickle.dumps(snapshot.files[2]))
    assert read_span(file, 2, 4)["text"].to_pylist() == ["3-2", "3-3"]
    assert read_span(file, 4, 4).num_rows == 0
    with pytest.raises(errors.SchemaMismatchError, match="'nope' not among text"):
        read_span(file, 0, 1, ["nope"])
    wider = pa.schema([("text", pa.string()), ("more", pa.int64())])
    assert read_span(file, 0, 2, ["more"], schema=wider).to_pylist() == [{"more": None}] * 2


def test_a_row_group_that_blocks_share_is_read_once(store, monkeypatch):
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", (4, 4))
    store.commit(stage(store, "r1", [texts(*map(str, range(10))), texts(*map(str, range(10, 22)))]))
    snapshot = store.snapshot("reviews")
    read = []
    whole = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda self, group, **how: read.append(group) or whole(self, group, **how)
    )
    blocks = list(read_blocks(cut(snapshot, 3), ["text"], schema=snapshot.schema))
    assert [table["text"].to_pylist() for table in blocks] == [
        [str(row) for row in range(first, min(first + 3, 22))] for first in range(0, 22, 3)
    ]
    assert read == [0, 1, 2, 0, 1, 2]


def test_a_gone_file_is_told(store):
    store.commit(stage(store, "r1", [texts("a")]))
    snapshot = store.snapshot("reviews")
    Path(snapshot.files[0].path).unlink()
    with pytest.raises(errors.VersionNotFoundError, match="the file is gone"):
        read_span(snapshot.files[0], 0, 1)


def test_versions_survive_pickling(store):
    version = store.commit(stage(store, "r1", [texts("a")], ledger={"read": 1}))
    assert pickle.loads(pickle.dumps(version)) == version
    snapshot = store.snapshot("reviews")
    assert pickle.loads(pickle.dumps(snapshot)) == snapshot


def test_more_versions_than_a_checkpoint(store):
    for number in range(104):
        store.commit(stage(store, f"r{number}", [texts(str(number))], mode="append"))
    assert any((Path(store.uri) / "reviews" / "_delta_log").glob("*.checkpoint.parquet"))
    assert store.commit(stage(store, "r3", [texts("again")], mode="append")).number == 3
    assert store.version("reviews").rows == 104
    assert len(rows_of(store, at=3)) == 4
    assert [version.number for version in store.versions("reviews")] == list(range(103, -1, -1))
