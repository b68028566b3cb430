"""A preview tells what a commit is going to give, and touches nothing."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.fingerprint import fingerprint_of
from storage.parquet import write_part
from storage.scan import iter_rows
from storage.store import Store
from storage.versions import CommitRequest


def request(store, run, texts, mode):
    table = pa.table({"text": pa.array(texts, pa.string())})
    part = write_part(table, store.staging(run) / "part.parquet")
    return CommitRequest(
        dataset="rows",
        mode=mode,
        parts=(part,),
        schema=table.schema,
        fingerprint=fingerprint_of(table, ["text"]),
        run=run,
    )


def texts_of(snapshot):
    return [text for batch in iter_rows(snapshot) for text in batch["text"].to_pylist()]


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_preview_holds_the_rows_and_the_fingerprint_of_the_version_to_come(tmp_path, mode):
    store = Store.open(tmp_path / "store", create=True)
    store.commit(request(store, "first", ["a", "b"], "replace"))
    second = request(store, "second", ["c", "d"], mode)
    preview = store.preview(second)
    expected = ["c", "d"] if mode == "replace" else ["a", "b", "c", "d"]
    assert texts_of(preview) == expected
    assert [version.run for version in store.versions("rows")] == ["first"]
    assert pq.read_table(second.parts[0].path).num_rows == 2
    version = store.commit(second)
    assert (version.number, version.fingerprint, version.rows) == (
        preview.version.number,
        preview.version.fingerprint,
        preview.version.rows,
    )
    assert texts_of(store.snapshot("rows")) == expected


def test_the_preview_of_a_run_that_has_committed_is_its_version(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    first = request(store, "first", ["a"], "replace")
    version = store.commit(first)
    store.commit(request(store, "second", ["b"], "replace"))
    preview = store.preview(first)
    assert preview.version.number == version.number
    assert texts_of(preview) == ["a"]
