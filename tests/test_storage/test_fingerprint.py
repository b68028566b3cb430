"""The fingerprint is a function of the multiset of rows and of nothing else."""

import datetime
import decimal
import math
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_storage import multiset_of, murmur3_x64_128

from storage.cell_hash import cell_hashes, column_seeds
from storage.errors import SchemaMismatchError
from storage.fingerprint import Fingerprint, fingerprint_of

TEXTS = st.one_of(st.none(), st.text(max_size=40))
ROWS = st.lists(st.tuples(TEXTS, TEXTS, st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))), max_size=12)
NAMES = ["text", "label", "count"]
SCHEMA = pa.schema([("text", pa.string()), ("label", pa.string()), ("count", pa.int64())])


def table_of(rows):
    return pa.Table.from_pylist([dict(zip(NAMES, row, strict=True)) for row in rows], schema=SCHEMA)


def print_of(table):
    return fingerprint_of(table, NAMES)


@settings(deadline=None)
@given(st.binary(max_size=70))
def test_text_hash_is_the_published_murmur3(data):
    seeds = np.zeros(2, np.uint64)
    assert tuple(cell_hashes(pa.array([data], pa.binary()), seeds)[0].tolist()) == murmur3_x64_128(data)


def test_oracle_matches_a_published_value():
    assert murmur3_x64_128(b"hello") == (0xCBD8A7B341BD9B02, 0x5B1E906A48AE1D19)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_chunking_and_encoding_do_not_count(rows, random, chunk):
    table = table_of(rows)
    expected = print_of(table)
    shuffled = rows.copy()
    random.shuffle(shuffled)
    assert print_of(table_of(shuffled)) == expected
    pieces = [table.slice(start, chunk) for start in range(0, len(rows), chunk)]
    assert print_of(pa.concat_tables([SCHEMA.empty_table(), *pieces])) == expected
    encoded = table.set_column(0, "text", table["text"].cast(pa.large_string()))
    encoded = encoded.set_column(1, "label", table["label"].dictionary_encode())
    assert print_of(encoded) == expected
    viewed = table.set_column(0, "text", table["text"].cast(pa.string_view()))
    assert print_of(viewed) == expected
    assert fingerprint_of(table, NAMES[::-1]) == expected
    merged = Fingerprint.empty()
    for piece in pieces:
        merged = print_of(piece).merge(merged)
    assert merged == expected


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS)
def test_equal_exactly_for_equal_multisets(left, right):
    same = multiset_of(table_of(left)) == multiset_of(table_of(right))
    assert (print_of(table_of(left)) == print_of(table_of(right))) is same


@settings(max_examples=80, deadline=None)
@given(ROWS.filter(bool), st.data())
def test_any_changed_cell_changes_it(rows, data):
    row = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, 2))
    value = data.draw(TEXTS if column < 2 else st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)))
    changed = [list(line) for line in rows]
    if changed[row][column] == value:
        return
    changed[row][column] = value
    assert print_of(table_of(changed)) != print_of(table_of(rows))


def test_null_and_empty_and_moved_cells_differ():
    rows = [[(None, "a", 1)], [("", "a", 1)], [("a", None, 1)], [("a", "", 1)], [("a", "a", None)], []]
    assert len({print_of(table_of(row)).lanes for row in rows}) == len(rows)


def test_a_missing_column_equals_a_column_of_nulls():
    table = table_of([("a", None, None), (None, None, None)])
    assert fingerprint_of(table, ["text"]) == fingerprint_of(table, NAMES)


def test_a_row_counts_as_often_as_it_occurs():
    once, twice = table_of([("a", "b", 1)]), table_of([("a", "b", 1)] * 2)
    assert print_of(once).merge(print_of(once)) == print_of(twice) != print_of(once)


SCALARS = {
    "bool": pa.array([True, False, None]),
    "int8": pa.array([1, -1, None], pa.int8()),
    "uint64": pa.array([2**64 - 1, 0, None], pa.uint64()),
    "float16": pa.array(np.array([1.5, -0.0, math.inf], np.float16)),
    "float64": pa.array([1.5, math.nan, None]),
    "decimal": pa.array([decimal.Decimal("1.10"), decimal.Decimal("-1.10"), None], pa.decimal128(10, 2)),
    "date": pa.array([datetime.date(2020, 1, 2), datetime.date(1960, 1, 1), None]),
    "date64": pa.array([datetime.date(2020, 1, 2), None], pa.date64()),
    "naive time": pa.array([datetime.datetime(2020, 1, 2, 3), None], pa.timestamp("s")),
    "time": pa.array([datetime.datetime(2020, 1, 2, 3), None], pa.timestamp("ns", "Asia/Shanghai")),
    "null": pa.nulls(3),
    "binary": pa.array([b"\x00", b"", None], pa.large_binary()),
    "fixed binary": pa.array([b"ab", None], pa.binary(2)),
    "empty dictionary": pa.array([None, None], pa.dictionary(pa.int8(), pa.string())),
    "numbers as dictionary": pa.array([5, None, 5], pa.int64()).dictionary_encode(),
}


@pytest.mark.parametrize("name", SCALARS)
def test_every_scalar_type_has_a_fingerprint(name):
    array = SCALARS[name]
    table = pa.table({"c": array})
    whole = fingerprint_of(table, ["c"])
    assert whole.rows == len(array)
    parts = [fingerprint_of(table.slice(row, 1), ["c"]) for row in range(len(array))]
    distinct = set(array.to_pylist()) if name != "float64" else {1.5, "nan", None}
    assert len({part.lanes for part in parts}) == len(distinct)
    merged = Fingerprint.empty()
    for part in parts:
        merged = merged.merge(part)
    assert merged == whole
    assert fingerprint_of(table.slice(0, 0), ["c"]) == Fingerprint.empty()
    assert whole.digest(table.schema).startswith("sha256:")


def test_digest_knows_names_types_and_rows_but_not_order():
    empty = Fingerprint.empty()
    one = pa.schema([("a", pa.string()), ("b", pa.int64())])
    assert empty.digest(one) == empty.digest(pa.schema([one.field(1), one.field(0)]))
    assert empty.digest(one) == empty.digest(pa.schema([("a", pa.large_string()), ("b", pa.int64())]))
    others = [pa.schema([("a", pa.string()), ("b", pa.int32())]), pa.schema([("a", pa.string()), ("c", pa.int64())])]
    assert len({empty.digest(schema) for schema in [one, *others]}) == 3
    assert Fingerprint(rows=1).digest(one) != empty.digest(one)


def test_it_survives_json():
    mark = print_of(table_of([("a", "b", 1)]))
    assert Fingerprint.from_dict(mark.to_dict()) == mark


def test_it_is_the_same_in_another_process():
    program = (
        "import pyarrow as pa; from storage.fingerprint import fingerprint_of as f;"
        "t = pa.table({'text': ['a', '订单', None], 'n': [1, 2, 3]}); print(f(t, t.column_names).digest(t.schema))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    table = pa.table({"text": ["a", "订单", None], "n": [1, 2, 3]})
    assert out.stdout.strip() == fingerprint_of(table, table.column_names).digest(table.schema)


def test_a_nested_column_is_refused_in_words():
    table = pa.table({"tags": [["a"]]})
    with pytest.raises(SchemaMismatchError, match="no hash for cells of type list"):
        fingerprint_of(table, ["tags"])


def test_seeds_differ_by_name():
    assert column_seeds("a").tolist() != column_seeds("b").tolist()
