"""Rows set aside come back as they were, as a whole, by column and one by one."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from pipeline.ingest.rows_aside import set_aside
from storage.errors import SchemaMismatchError
from storage.schema import to_stored


def rows(count):
    labels = [["a"] * (count // 2), ["b"] * (count - count // 2)]
    return pa.table(
        {
            "text": pa.array([None if n % 7 == 3 else f"text {n} " * 200 for n in range(count)], pa.string()),
            "label": pa.chunked_array(labels, pa.string()).dictionary_encode(),
            "at": pa.array([dt.datetime(2026, 1, 1) + dt.timedelta(hours=n) for n in range(count)], pa.timestamp("s")),
            "_position": pa.array(np.arange(count, dtype=np.int64)),
        }
    )


@pytest.mark.parametrize("count", [1, 2, 20_011])
def test_all_rows_and_each_alone(tmp_path, count):
    table = rows(count)
    aside = set_aside(table, tmp_path / "rows.arrow")
    stored = to_stored(table)
    assert (aside.rows, aside.bytes) == (count, (tmp_path / "rows.arrow").stat().st_size)
    assert aside.table().equals(stored)
    wanted = ["_position", "text"]
    assert aside.table(wanted).equals(stored.select(wanted))
    for number in {0, 1, count // 2, count - 1} & set(range(count)):
        assert aside.row(number, wanted).equals(stored.select(wanted).slice(number, 1))
    with pytest.raises(IndexError, match=rf"rows\.arrow: {count} rows"):
        aside.row(count, wanted)


def test_what_cannot_be_stored_is_not_set_aside(tmp_path):
    with pytest.raises(SchemaMismatchError):
        set_aside(pa.table({"text": pa.array([["a"]], pa.list_(pa.list_(pa.string())))}), tmp_path / "rows.arrow")
    assert not list(tmp_path.iterdir())
