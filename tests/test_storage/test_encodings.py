"""Columns are written as takes the least room for their own values, and any reader gives the same rows back."""

import datetime
import io

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_storage import stage

from storage.encodings import DELTA, DICTIONARY, PLAIN, SPLIT, Encoding, choose_encodings
from storage.parquet import write_batches, write_part
from storage.store import Store

ROWS = 20_000


def columns(rows=ROWS):
    random = np.random.default_rng(3)
    words = np.array([f"{word}{number}" for word in ("late", "parcel", "order") for number in range(700)])
    start = datetime.datetime(2024, 1, 1)
    return {
        "text": pa.array([" ".join(some) for some in random.choice(words, (rows, 12))], pa.string()),
        "label": pa.array(random.choice(["complaint", "inquiry"], rows)),
        "noise": pa.array([random.bytes(60) for _ in range(rows)], pa.binary()),
        "position": pa.array(np.cumsum(random.integers(50, 400, rows))),
        "key": pa.array(random.integers(-(2**62), 2**62, rows)),
        "share": pa.array(random.random(rows)),
        "at": pa.array([start + datetime.timedelta(seconds=number) for number in range(rows)], pa.timestamp("us")),
        "none": pa.nulls(rows, pa.string()),
        "yes": pa.array(random.random(rows) < 0.5),
    }


@pytest.fixture(scope="module")
def table():
    return pa.table(columns())


def test_each_column_is_written_by_what_it_holds(table):
    chosen = choose_encodings(table)
    values = {name: one.values for name, one in chosen.items()}
    assert values | {"yes": PLAIN} == {
        "text": PLAIN,
        "label": DICTIONARY,
        "noise": PLAIN,
        "position": DELTA,
        "key": PLAIN,
        "share": SPLIT,
        "at": DELTA,
        "none": DICTIONARY,
        "yes": PLAIN,
    }
    assert [name for name, one in chosen.items() if one.level is None and name in ("text", "noise", "key")] == [
        "noise",
        "key",
    ]


def test_all_readers_give_the_rows_back(table, tmp_path):
    part = write_part(table, tmp_path / "a.parquet")
    assert pq.read_table(part.path).equals(table)
    assert duckdb.sql(f"SELECT * FROM '{part.path}'").to_arrow_table().cast(table.schema).equals(table)
    assert polars.read_parquet(part.path).to_arrow().cast(table.schema).equals(table)


def test_the_choice_is_smaller_than_one_way_for_all(table, tmp_path):
    table = table.select(["label", "position", "share", "at"])
    fixed = io.BytesIO()
    pq.write_table(table, fixed, compression="zstd", compression_level=1, use_dictionary=["label"], store_schema=False)
    part = write_part(table, tmp_path / "a.parquet")
    assert part.bytes < 0.8 * len(fixed.getvalue())


@pytest.mark.parametrize("rows", [0, 1, 1023, 1024, 4096, 4097])
def test_the_same_rows_give_the_same_bytes(tmp_path, rows):
    table = pa.table(columns(rows))
    pieces = pa.concat_tables([table.slice(0, rows // 3), table.slice(rows // 3)])
    one, other = (write_part(each, tmp_path / f"{number}.parquet") for number, each in enumerate((table, pieces)))
    assert one.sha256 == other.sha256
    assert pq.read_table(one.path).equals(table)


def test_streams_choose_by_their_first_rows(table, tmp_path):
    part = write_batches(iter(table.to_batches(max_chunksize=1000)), table.schema, tmp_path / "a.parquet")
    assert pq.read_table(part.path).equals(table)
    chunk = pq.read_metadata(part.path).row_group(0).column(table.column_names.index("noise"))
    assert chunk.compression == "UNCOMPRESSED"


CELLS = {
    pa.int8(): st.integers(-128, 127),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.date32(): st.dates(),
    pa.string(): st.text(max_size=3),
    pa.decimal128(9, 2): st.decimals(-1000, 1000, places=2),
}


@given(st.data(), st.sampled_from(list(CELLS)), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_every_type_survives_every_choice(tmp_path_factory, data, kind, period):
    cells = data.draw(st.lists(st.none() | CELLS[kind], min_size=period, max_size=50))
    column = pa.array((cells * (1200 // len(cells) + 1))[:1200], kind)
    path = tmp_path_factory.mktemp("e") / "a.parquet"
    write_part(pa.table({"c": column}), path)
    assert pq.read_table(path)["c"].combine_chunks().equals(column)


def test_a_version_tells_how_it_is_stored(table, tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    store.commit(stage(store, "r1", [table, table.slice(0, 5000)]))
    layouts = {one.column: one for one in store.column_layouts("reviews")}
    assert list(layouts) == table.column_names
    assert layouts["label"].encodings == (DICTIONARY,)
    assert layouts["position"].encodings == (DELTA,)
    assert layouts["noise"].compressions == ("UNCOMPRESSED",)
    assert layouts["text"].encoded_bytes > 1.5 * layouts["text"].stored_bytes
    total = sum(one.stored_bytes for one in layouts.values())
    assert 0.9 < total / sum(file.bytes for file in store.snapshot("reviews").files) <= 1


def test_few_rows_are_written_the_usual_way():
    assert choose_encodings(pa.table({"n": [1, 2, 3], "l": ["a"] * 3})) == {
        "n": Encoding(),
        "l": Encoding(values=DICTIONARY),
    }
