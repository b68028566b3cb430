"""Exact deduplication against a dictionary, however rows are cut into blocks and keys into buckets."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_cleaning import first_rows, make_frame, murmur128

from pipeline.errors import JobFileError
from pipeline.frame import POSITION
from pipeline.ingest.dedupe.duplicate_files import read_duplicates
from pipeline.ingest.dedupe.duplicates import find_duplicates
from pipeline.ingest.dedupe.key_files import MAX_BUCKETS, bucket_count, read_bucket, total_rows, write_keys
from pipeline.ingest.dedupe.keys import exact_keys
from pipeline.ingest.dedupe.murmur import SEED
from pipeline.ingest.dedupe_config import DedupeConfig, NearConfig

_TEXT = st.one_of(st.none(), st.text("ab投", max_size=2), st.text(max_size=40))
_ROW = st.tuples(_TEXT, st.one_of(st.none(), st.integers(0, 2)), st.booleans())


def frame_of(rows, source="in.csv"):
    return make_frame(
        {"text": pa.array([r[0] for r in rows], pa.string()), "n": pa.array([r[1] for r in rows], pa.int64())},
        [r[2] for r in rows],
        source,
    )


def cut(items, sizes):
    """`items` in pieces of these sizes in turn."""
    pieces, start, turn = [], 0, 0
    while start < len(items):
        pieces.append(items[start : start + sizes[turn % len(sizes)]])
        start, turn = start + sizes[turn % len(sizes)], turn + 1
    return pieces


def resolve(tables, folder, buckets, columns=("text", "n"), first_new=0, **options):
    """For each new table its duplicate rows with their survivors."""
    files = [write_keys(t, columns, folder / f"keys-{i}", **options) for i, t in enumerate(tables)]
    found = [f for b in range(buckets) for f in find_duplicates(files, b, buckets, folder / f"found-{b}", first_new)]
    blocks = [read_duplicates(found, files, b) for b in range(len(tables) - first_new)]
    assert sum(f.duplicates for f in found) == sum(len(b.rows) for b in blocks)
    return [list(zip(b.rows.tolist(), b.sources.to_pylist(), b.positions.tolist(), strict=True)) for b in blocks]


@settings(deadline=None)
@given(st.binary(max_size=70).map(lambda b: b.decode("latin-1")), st.text(max_size=20))
def test_keys_equal_murmur_in_plain_python(first, second):
    table = pa.table({"a": [first], "b": [second]})
    state = murmur128(second.encode(), *murmur128(first.encode(), *SEED))
    assert tuple(map(int, exact_keys(table, ["a", "b"])[0])) == state


def test_the_reference_knows_a_published_hash():
    assert murmur128(b"hello", 0, 0) == (0xCBD8A7B341BD9B02, 0x5B1E906A48AE1D19)


@settings(deadline=None)
@given(st.lists(st.tuples(_TEXT, _TEXT), max_size=20))
def test_equal_keys_are_equal_values(rows):
    table = pa.table(
        {"a": pa.array([r[0] for r in rows], pa.string()), "b": pa.array([r[1] for r in rows], pa.string())}
    )
    keys = [tuple(key) for key in exact_keys(table, ["a", "b"]).tolist()]
    assert first_rows(keys) == first_rows(rows)


@settings(deadline=None)
@given(st.lists(_TEXT, min_size=1, max_size=20), st.integers(1, 4))
def test_keys_depend_on_values_alone(texts, size):
    plain = pa.array(texts, pa.string())
    keys = exact_keys(pa.table({"text": plain}), ["text"])
    for kind in (
        pa.large_string(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.dictionary(pa.int8(), pa.large_string()),
    ):
        pieces = pa.chunked_array([plain.slice(i, size).cast(kind) for i in range(0, len(texts), size)])
        assert np.array_equal(exact_keys(pa.table({"text": pieces}), ["text"]), keys)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (pa.array([0.0, float("nan")]), pa.array([-0.0, -float("nan")])),
        (pa.array([1, 2], pa.int32()), pa.array([1, 2], pa.int64())),
        (pa.array([True, None]), pa.array([True, None])),
        (pa.array([1, None], pa.timestamp("us", "UTC")), pa.array([1, None], pa.timestamp("us"))),
        (pa.array([1, 2], pa.date32()), pa.array([1, 2], pa.date32())),
        (pa.array(["1.50", "2.00"]).cast(pa.decimal128(5, 2)), pa.array(["1.50", "2.00"]).cast(pa.decimal128(9, 2))),
    ],
)
def test_keys_of_other_types(left, right):
    keys = exact_keys(pa.table({"a": left}), ["a"])
    assert np.array_equal(keys, exact_keys(pa.table({"a": right}), ["a"]))
    assert keys[0].tolist() != keys[1].tolist()


def test_a_column_that_is_missing_counts_as_null():
    with_nulls = pa.table({"a": ["x"], "b": pa.nulls(1, pa.string())})
    assert np.array_equal(exact_keys(with_nulls, ["a", "b"]), exact_keys(pa.table({"a": ["x"]}), ["a", "b"]))


@pytest.mark.parametrize(
    ("normalize", "left", "right"),
    [
        (("nfkc",), "ＡＢ，客服", "AB,客服"),
        (("lowercase",), "Hello 客服", "hELLO 客服"),
        (("whitespace",), " a\u3000\n b ", "a b"),
        (("punctuation",), "很好！！！👍", "很好"),
        (("punctuation", "whitespace"), "a , b", "a b"),
        (("whitespace", "punctuation", "lowercase", "nfkc"), "Ａ ! ﬁ", "a fi"),
    ],
)
def test_normalization_makes_no_difference_between_texts(normalize, left, right):
    table = pa.table({"text": [left, right, "x"]})
    keys = exact_keys(table, ["text"], normalize)
    assert keys[0].tolist() == keys[1].tolist() != keys[2].tolist()
    plain = exact_keys(table, ["text"])
    assert plain[0].tolist() != plain[1].tolist()


@settings(deadline=None)
@given(
    st.lists(_ROW, max_size=60),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.sampled_from([1, 2, 3, 8]),
)
def test_duplicates_equal_a_dictionary_for_any_blocks_and_buckets(tmp_path_factory, rows, sizes, buckets):
    folder = tmp_path_factory.mktemp("keys")
    blocks = cut(rows, sizes)
    tables = [frame_of(block, f"file-{i % 2}.csv") for i, block in enumerate(blocks)]
    places = [(b, r) for b, block in enumerate(blocks) for r in range(len(block))]
    live = [(place, row[:2]) for place, row in zip(places, rows, strict=True) if not row[2]]
    expected = [[] for _ in blocks]
    for index, first in first_rows([key for _, key in live]).items():
        (block, row), (first_block, first_row) = live[index][0], live[first][0]
        expected[block].append((row, f"file-{first_block % 2}.csv", first_row * 10))
    assert resolve(tables, folder, buckets) == expected


def test_rows_of_stored_versions_survive_and_are_not_named(tmp_path):
    stored = frame_of([("a", 1, False), ("b", 1, False), ("b", 1, False)], "old.csv")
    stored = stored.select(["text", "n", "_source", "_position"])
    new = [frame_of([("c", 1, False), ("b", 1, False)]), frame_of([("c", 1, False), ("a", 2, False)])]
    assert resolve([stored, *new], tmp_path, 2, first_new=1) == [[(1, "old.csv", 10)], [(0, "in.csv", 0)]]


def test_survivors_keep_their_own_source_within_one_block(tmp_path):
    table = pa.concat_tables([frame_of([("a", 1, False)], "one.csv"), frame_of([("b", 1, False)], "two.csv")])
    again = frame_of([("b", 1, False), ("a", 1, False)], "three.csv")
    assert resolve([table, again], tmp_path, 4) == [[], [(0, "two.csv", 0), (1, "one.csv", 0)]]


def test_null_takes_no_part_in_uniqueness(tmp_path):
    table = frame_of([(None, 1, False), (None, 1, False), ("a", 1, False), ("a", 2, False)])
    assert resolve([table], tmp_path, 1, columns=["text"], skip_null=True) == [[(3, "in.csv", 20)]]


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_equal_texts_with_different_labels_are_counted(tmp_path, kind):
    labels = [["good", "bad", None], ["bad", "good", "good"]]
    tables = [make_frame({"text": ["a", "b", "c"], "label": pa.array(some, pa.string()).cast(kind)}) for some in labels]
    for label, conflicts in (("label", 2), (None, 0), ("no such column", 0)):
        files = [write_keys(t, ["text"], tmp_path / f"k{i}", label=label) for i, t in enumerate(tables)]
        [found] = find_duplicates(files, 0, 1, tmp_path / "d")
        assert (found.duplicates, found.conflicts) == (3, conflicts)


def test_a_file_written_again_is_the_same_file(tmp_path):
    table = frame_of([("a", 1, False), ("b", 2, True), ("投", None, False)])
    first = write_keys(table, ["text"], tmp_path / "k")
    before = (tmp_path / "k").read_bytes()
    assert write_keys(table, ["text"], tmp_path / "k") == first
    assert (tmp_path / "k").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["k"]
    assert total_rows([first]) == 2


def test_buckets_cover_each_key_once_in_order(tmp_path):
    table = frame_of([(str(i), i, False) for i in range(500)])
    file = write_keys(table, ["text"], tmp_path / "k")
    whole = read_bucket(file.path, 0, 1)
    assert np.all(whole["hi"][1:] >= whole["hi"][:-1])
    assert sorted(whole["row"]) == list(range(500))
    assert np.array_equal(whole["position"], np.asarray(table[POSITION])[whole["row"]])
    for buckets in (2, 7, 64, 1365, MAX_BUCKETS):
        parts = [read_bucket(file.path, b, buckets) for b in range(buckets)]
        assert np.array_equal(np.concatenate(parts), whole)


def test_a_file_that_is_no_key_file_is_refused(tmp_path):
    (tmp_path / "k").write_bytes(b"something else")
    with pytest.raises(OSError, match="not a file of keys"):
        read_bucket(str(tmp_path / "k"), 0, 1)


def test_buckets_are_enough_for_the_memory_and_no_more_than_there_can_be():
    assert bucket_count(0, 1) == 1
    assert bucket_count(10**6, 10**9) == 1
    assert bucket_count(10**15, 1) == MAX_BUCKETS
    memory = 256_000_000
    for rows in (1_500_000, 7_400_000, 22_000_000, 76_000_000, 10**9, 3 * 10**9):
        buckets = bucket_count(rows, memory, 160)
        edges = np.arange(buckets + 1) * MAX_BUCKETS // buckets
        largest = np.diff(edges).max() / MAX_BUCKETS * rows * 160
        assert memory / 2.5 < largest < memory / 1.09


def test_settings_are_checked_against_the_schema():
    schema = pa.schema([("text", pa.string()), ("n", pa.int64())])
    DedupeConfig(exact=("text", "n"), near=NearConfig()).require_fit(schema)
    with pytest.raises(JobFileError, match=r'"txt" is not a column\. Did you mean "text"'):
        DedupeConfig(exact=("txt",)).require_fit(schema)
    with pytest.raises(JobFileError, match='column "n" is int64, not text'):
        DedupeConfig(near=NearConfig(column="n")).require_fit(schema)
