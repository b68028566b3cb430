"""A part holds what was written, tells its hash, and does not repeat text in its statistics."""

import errno

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from oracles_storage import sha256_of_file

from storage import parquet
from storage.errors import DiskFullError, SchemaMismatchError
from storage.parquet import row_group_rows, write_part

TABLE = pa.table(
    {
        "text": ["secret words", None, "订单"],
        "label": pa.array(["a", "b", "a"]).dictionary_encode(),
        "n": pa.array([1, 2, None], pa.uint8()),
        "nothing": pa.nulls(3),
    }
)


def test_the_record_says_what_the_file_holds(tmp_path):
    part = write_part(TABLE, tmp_path / "run" / "part.parquet")
    path = tmp_path / "run" / "part.parquet"
    assert (part.path, part.rows, part.bytes) == (str(path), 3, path.stat().st_size)
    assert part.sha256 == sha256_of_file(path)
    again = pq.read_table(path)
    assert again.to_pylist() == TABLE.to_pylist()
    assert [str(kind) for kind in again.schema.types] == ["string", "string", "int16", "string"]


def test_text_is_not_repeated_in_statistics(tmp_path):
    path = tmp_path / "part.parquet"
    write_part(TABLE, path)
    group = pq.read_metadata(path).row_group(0)
    assert [group.column(index).statistics is not None for index in range(4)] == [False, False, True, False]
    assert path.read_bytes().count(b"secret words") <= 1


def test_the_same_rows_give_the_same_bytes_however_chunked(tmp_path):
    rows = pa.table({"text": [f"text {n % 7} " * 20 for n in range(5000)], "n": range(5000)})
    chunked = pa.concat_tables([rows.slice(0, 13), rows.slice(13, 2000), rows.slice(2013)])
    first, second = write_part(rows, tmp_path / "a"), write_part(chunked, tmp_path / "b")
    assert first.sha256 == second.sha256


def test_no_rows_are_a_file_too(tmp_path):
    part = write_part(TABLE.slice(0, 0), tmp_path / "empty.parquet")
    assert part.rows == 0
    assert pq.read_table(tmp_path / "empty.parquet").num_rows == 0


def test_row_groups_are_small_in_bytes():
    wide = pa.table({"text": ["x" * 100_000] * 10})
    assert row_group_rows(wide) == 83
    assert row_group_rows(pa.table({"n": [1]})) == 131_072


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def refuse(*_args, **_settings):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(parquet.pq.ParquetWriter, "write_table", refuse)
    with pytest.raises(DiskFullError, match="no room left"):
        write_part(TABLE, tmp_path / "part.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (pa.table({"tags": [["a"]]}), "'tags' of type list"),
        (pa.table({"Text": ["a"], "text": ["b"]}), "'Text' and 'text' have the same name"),
    ],
)
def test_what_cannot_be_stored_is_refused(tmp_path, table, problem):
    with pytest.raises(SchemaMismatchError, match=problem):
        write_part(table, tmp_path / "part.parquet")
