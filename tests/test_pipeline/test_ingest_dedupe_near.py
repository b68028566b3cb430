"""Near-duplicates: exact Jaccard against sets, recall on planted pairs, components against a search, any blocks."""

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_cleaning import components, jaccard, make_frame, shingles

from pipeline.execute import run_here
from pipeline.ingest.dedupe.components import Roots, connect, roots_of, unite, write_edges
from pipeline.ingest.dedupe.key_files import write_keys
from pipeline.ingest.dedupe.minhash import band_keys, bands_for
from pipeline.ingest.dedupe.resolve import resolve_exact, resolve_near
from pipeline.ingest.dedupe.shingles import shingle_sets
from pipeline.ingest.dedupe.verify import jaccards
from pipeline.ingest.dedupe_config import NearConfig

_LITTLE = 10_000
_MUCH = 10**9
_NEAR = NearConfig()
_TEXT = st.text("abC1 ,.!投诉客服很", max_size=30)


def words(random_, count):
    return ["".join(random_.choices("abcdefghijklmnopqrstuvwxyz", k=random_.randint(2, 9))) for _ in range(count)]


def characters(random_, count):
    return [chr(random_.randint(0x4E00, 0x9000)) for _ in range(count)]


def planted(make, join, pairs, seed=7):
    """Texts and edited copies of them, similarities from about 0.5 to 1."""
    random_ = random.Random(seed)
    texts = []
    for _ in range(pairs):
        tokens = make(random_, random_.randint(30, 80))
        copy = list(tokens)
        for _ in range(random_.randint(1, 6)):
            copy[random_.randrange(len(copy))] = make(random_, 1)[0]
        texts += [join.join(tokens), join.join(copy)]
    random_.shuffle(texts)
    return texts


def near_rows(texts, sizes, folder, memory, near=_NEAR, dead=(), first_new=0):
    """Each near-duplicate's number with its survivor's, numbers counted over all rows."""
    frames, start = [], 0
    for i, size in enumerate(sizes):
        flags = [n in dead for n in range(start, start + size)]
        frames.append(make_frame({"text": pa.array(texts[start : start + size], pa.string())}, flags, f"{i}.csv"))
        start += size
    assert start == len(texts)
    found = resolve_near(frames, near, folder, run_here, memory, first_new)
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    rows = {}
    for block in range(len(sizes) - first_new):
        part = found.of_block(block)
        for row, source, position in zip(part.rows, part.sources.to_pylist(), part.positions, strict=True):
            rows[starts[block + first_new] + int(row)] = starts[int(source[:-4])] + int(position) // 10
    assert found.duplicates == len(rows)
    return rows


def read_roots(roots):
    parts = [roots_of(roots, part) for part in range(roots.parts)]
    return tuple(np.concatenate(side) for side in zip(*parts, strict=True))


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), _TEXT), min_size=1, max_size=8))
def test_shingle_sets_equal_plain_python(texts):
    near = NearConfig()
    sets = shingle_sets(pa.chunked_array([pa.array(texts, pa.string())]), near)
    expected = [set() if t is None else shingles(t) for t in texts]
    assert np.diff(sets.offsets).tolist() == [len(s) for s in expected]
    pairs = [(i, j) for i in range(len(texts)) for j in range(len(texts)) if expected[i] or expected[j]]
    if pairs:
        left, right = (np.array(side) for side in zip(*pairs, strict=True))
        found = jaccards(sets, left, sets, right)
        assert found.tolist() == [jaccard(expected[i], expected[j]) for i, j in pairs]
    *_, taking = band_keys(pa.chunked_array([pa.array(texts, pa.string())]), near)
    assert taking.tolist() == [bool(s) for s in expected]


@pytest.mark.parametrize(("make", "join"), [(words, " "), (characters, "")])
def test_recall_and_precision_on_planted_pairs(tmp_path, make, join):
    texts = planted(make, join, 400)
    sets = [shingles(t) for t in texts]
    # Texts of different pairs share next to nothing, so pairs are found by a common shingle.
    holders: dict = {}
    for i, s in enumerate(sets):
        for shingle in s:
            holders.setdefault(shingle, set()).add(i)
    pairs = {tuple(sorted((i, j))) for group in holders.values() for i in group for j in group if i != j}
    similar = {p for p in pairs if jaccard(sets[p[0]], sets[p[1]]) >= 0.8}
    assert len(similar) > 60
    assert len(pairs - similar) > 100
    rows = near_rows(texts, [300, 500], tmp_path, _MUCH)
    found = {(survivor, row) for row, survivor in rows.items()}
    assert found <= similar
    assert len(found) >= 0.95 * len(similar)


def test_recall_at_exactly_the_threshold(tmp_path):
    random_ = random.Random(3)
    texts = []
    for _ in range(500):
        common, own = words(random_, 40), words(random_, 10)
        texts += [" ".join(common + own[:5]), " ".join(common + own[5:])]
    near = NearConfig(words=1)
    similar = [jaccard(shingles(a, 1), shingles(b, 1)) for a, b in zip(texts[::2], texts[1::2], strict=True)]
    assert np.mean(similar) < 0.81
    rows = near_rows(texts, [1000], tmp_path, _MUCH, near)
    assert len(rows) >= 0.95 * 500
    assert all(row % 2 == 1 and survivor == row - 1 for row, survivor in rows.items())


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 1.0])
def test_bands_meet_at_the_threshold(threshold):
    bands = bands_for(threshold)
    assert bands.chance(threshold) >= 0.99
    assert bands.bands * bands.values <= 128
    assert bands.chance(threshold - 0.2) < bands.chance(threshold)


def test_blocks_and_memory_make_no_difference(tmp_path):
    texts = (
        planted(words, " ", 60) + planted(characters, "", 60) + [None, "", "!!!", "same text here", "Same text, here!"]
    )
    texts += ["same text here"] * 50
    dead = {3, 100, len(texts) - 1}
    expected = near_rows(texts, [len(texts)], tmp_path / "0", _MUCH, dead=dead)
    survivor = texts.index("same text here")
    assert [expected[n] for n in range(survivor + 1, len(texts) - 1)] == [survivor] * 50
    for number, size in enumerate((50, 17), start=1):
        sizes = [size] * (len(texts) // size) + [len(texts) % size]
        folder = tmp_path / str(number)
        assert near_rows(texts, sizes, folder, _LITTLE * size, dead=dead) == expected
    assert not dead & {*expected, *expected.values()}


def test_rows_of_stored_versions_survive(tmp_path):
    base = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    texts = [base + " x", base + " y", base + " z", "something else altogether"]
    assert near_rows(texts, [2, 2], tmp_path, _MUCH, first_new=1) == {2: 0}
    assert near_rows(texts, [2, 2], tmp_path, _MUCH) == {1: 0, 2: 0}


def test_chains_are_one_component(tmp_path):
    tokens = words(random.Random(5), 60)
    texts = [" ".join(tokens[i : i + 40]) for i in range(12)]
    assert jaccard(shingles(texts[0]), shingles(texts[11])) < 0.8 < jaccard(shingles(texts[0]), shingles(texts[1]))
    assert near_rows(texts, [4, 4, 4], tmp_path, _MUCH) == dict.fromkeys(range(1, 12), 0)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda e: e[0] != e[1]), max_size=40),
    st.integers(1, 3),
)
def test_components_equal_a_search(tmp_path_factory, edges, files):
    folder = tmp_path_factory.mktemp("edges")
    expected = components(edges)
    written = []
    for i in range(files):
        some = np.array(edges[i::files], np.uint64).reshape(-1, 2)
        written.append(write_edges(some[:, 0], some[:, 1], folder / f"e{i}"))
    for memory in (_MUCH, 4_000, 1):
        roots = connect(written, folder / str(memory), run_here, memory if memory > 1 else 1_000)
        nodes, smallest = read_roots(roots)
        assert dict(zip(nodes.tolist(), smallest.tolist(), strict=True)) == expected


def test_a_long_chain_settles_in_rounds(tmp_path):
    rng = np.random.default_rng(1)
    order = rng.permutation(3000).astype(np.uint64)
    edges = write_edges(order[1:], order[:-1], tmp_path / "e")
    roots = connect([edges], tmp_path / "r", run_here, 200_000)
    assert roots.parts > 1
    nodes, smallest = read_roots(roots)
    assert sorted(nodes.tolist()) == list(range(1, 3000))
    assert not smallest.any()
    whole, zero = roots_of(Roots(files=unite([edges], tmp_path / "u"), parts=1), 0)
    assert whole.tolist() == list(range(1, 3000))
    assert not zero.any()


def test_exact_duplicates_are_resolved_in_order(tmp_path):
    frames = [make_frame({"text": ["a", "b"]}), make_frame({"text": ["b", "c", "a"]})]
    keys = [write_keys(f, ["text"], tmp_path / f"k{i}") for i, f in enumerate(frames)]
    for memory in (_MUCH, 200):
        found = resolve_exact(keys, tmp_path / str(memory), run_here, memory)
        assert found.duplicates == 2
        assert found.of_block(1).rows.tolist() == [0, 2]
        assert found.of_block(1).mask(3).tolist() == [True, False, True]
