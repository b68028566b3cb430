"""Deduplication of inputs that are bad for it, in little memory: one key or one band everywhere, long chains."""

import itertools
import random
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles_cleaning import components, jaccard, make_frame, shingles

from pipeline.execute import run_here
from pipeline.ingest.dedupe import candidates, duplicate_files, key_files
from pipeline.ingest.dedupe.candidates import BAND_RECORD, find_candidates, pairs_of_block
from pipeline.ingest.dedupe.components import connect, roots_of, write_edges
from pipeline.ingest.dedupe.key_files import KeyFile, write_keys, write_records
from pipeline.ingest.dedupe.minhash import band_keys
from pipeline.ingest.dedupe.resolve import resolve_exact, resolve_near
from pipeline.ingest.dedupe.sorted_runs import Run, stretches
from pipeline.ingest.dedupe_config import NearConfig

_MUCH = 10**9
_RECORD = np.dtype([("key", "<u8"), ("second", "<u8"), ("number", "<u4")])
_KEYS = st.one_of(st.integers(0, 3), st.integers(0, 2**64 - 1))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.tuples(_KEYS, st.integers(0, 2)), max_size=30), max_size=5),
    st.integers(1, 12),
    st.sampled_from([("key",), ("key", "second")]),
)
def test_stretches_are_one_sorted_file(tmp_path_factory, files, most, fields):
    folder = tmp_path_factory.mktemp("runs")
    runs, everything = [], []
    for at, rows in enumerate(files):
        records = np.array([(*row, at * 100 + n) for n, row in enumerate(rows)], _RECORD)
        records = records[np.lexsort([records[name] for name in reversed(fields)])]
        (folder / str(at)).write_bytes(b"head" + records.tobytes())
        runs.append(Run(path=str(folder / str(at)), offset=4, last=len(records)))
        everything += records.tolist()
    found = [some.tolist() for some in stretches(runs, _RECORD, fields, most)]
    assert all(0 < len(some) <= most for some in found)
    everything.sort(key=lambda row: row[: len(fields)])
    assert [row for some in found for row in some] == everything
    for before, after in itertools.pairwise(found):
        # A key is cut only where it fills more than one stretch by itself.
        key = before[-1][: len(fields)]
        if after[0][: len(fields)] == key:
            assert sum(row[: len(fields)] == key for row in everything) > most


def test_a_run_that_was_cut_short_is_told(tmp_path):
    (tmp_path / "r").write_bytes(bytes(30))
    with pytest.raises(OSError, match="cut short"):
        list(stretches([Run(path=str(tmp_path / "r"), last=2)], _RECORD, ["key"], 10))


def exact_in(frames, folder, memory):
    keys = [write_keys(f, ["text"], folder / f"k{i}") for i, f in enumerate(frames)]
    found = resolve_exact(keys, folder, run_here, memory)
    blocks = [found.of_block(b) for b in range(len(frames))]
    return [list(zip(b.rows.tolist(), b.sources.to_pylist(), b.positions.tolist(), strict=True)) for b in blocks]


def first_of_each(frames):
    first, found = {}, []
    for f in frames:
        rows = zip(f["text"].to_pylist(), f["_source"].to_pylist(), f["_position"].to_pylist(), strict=True)
        found.append([])
        for row, (text, source, position) in enumerate(rows):
            if text in first:
                found[-1].append((row, *first[text]))
            else:
                first[text] = (source, position)
    return found


@pytest.mark.parametrize("which", ["all equal", "half of all", "none equal"])
def test_one_key_may_hold_any_share_of_the_rows(tmp_path, monkeypatch, which):
    monkeypatch.setattr(key_files, "_PIECE_RECORDS", 7)
    monkeypatch.setattr(duplicate_files, "_RUN_RECORDS", 20)
    random_ = random.Random(1)
    texts = {
        "all equal": ["a"] * 300,
        "half of all": [random_.choice(["a", str(n)]) for n in range(300)],
        "none equal": [str(n) for n in range(300)],
    }[which]
    frames = [make_frame({"text": texts[at : at + 75]}, source=f"{at}.csv") for at in range(0, 300, 75)]
    expected = first_of_each(frames)
    for memory in (_MUCH, 5_000):
        (folder := tmp_path / str(memory)).mkdir()
        assert exact_in(frames, folder, memory) == expected


@pytest.mark.parametrize("repeats", [20, 80])
def test_memory_follows_the_different_keys_and_not_their_repeats(tmp_path, repeats):
    keys = np.arange(1_000, dtype=np.uint64) * np.uint64(2**54)
    records = np.zeros(len(keys) * 50, key_files.RECORD)
    records["hi"], records["row"] = np.repeat(keys, 50), np.arange(len(records))
    write_records(records, tmp_path / "k", ("in.csv",))
    files = [KeyFile(path=str(tmp_path / "k"), rows=len(records))] * repeats
    resolve_exact(files[:1], tmp_path / "warm", run_here, _MUCH)
    tracemalloc.start()
    found = resolve_exact(files, tmp_path / "found", run_here, _MUCH)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.duplicates == len(records) * repeats - len(keys)
    # The records of 80 files are 144 MB, and 96 MB of duplicates are found.
    assert peak < 80_000_000 + 24 * duplicate_files._RUN_RECORDS


def band_file(groups, path):
    """A file of bands: (key, node, whole signature)."""
    write_records(np.array(groups, BAND_RECORD), path)
    return KeyFile(path=str(path), rows=len(groups))


def pairs_in(files, blocks, folder, memory):
    found = find_candidates(files, 0, 1, folder, memory)
    some = [pairs_of_block(found, block, memory) for block in range(blocks)]
    return {(int(b), int(a)) for block in some for pairs in block for a, b in pairs.tolist() if a != b}


def meet(members):
    """The pairs of one band: everyone with everyone up to 32 different signatures; see `find_candidates`."""
    pairs, met, before = set(), [], None
    for node, whole in members:
        same = [other for other, known in met if known == whole]
        if same:
            pairs.add((same[0], node))
            continue
        pairs |= {(other, node) for other, _ in (met if len(met) < 32 else met[:8])}
        if len(met) < 32:
            met.append((node, whole))
        else:
            pairs.add((before, node))
        before = node
    return pairs


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_pairs_of_a_band_are_the_same_in_any_memory_and_blocks(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("bands")
    sizes = data.draw(st.lists(st.integers(1, 120), min_size=1, max_size=4))
    random_ = random.Random(data.draw(st.integers(0, 99)))
    rows = [(random_.randrange(len(sizes)), random_.choice([n, n % 7])) for n in range(sum(sizes))]
    nodes = [((n // 40) << 32) | (n % 40) for n in range(len(rows))]
    expected = set()
    for key in range(len(sizes)):
        expected |= meet([(node, whole) for node, (k, whole) in zip(nodes, rows, strict=True) if k == key])
    # Keys close together: buckets by their high bits cannot tell them apart.
    records = [(key, node, whole) for node, (key, whole) in zip(nodes, rows, strict=True)]
    files = [band_file(records[at : at + 40], folder / f"b{at}") for at in range(0, len(records), 40)]
    for memory in (_MUCH, 5_000, 1):
        assert pairs_in(files, len(files), folder / str(memory), memory) == expected


def test_a_band_that_a_million_rows_share(tmp_path):
    count, blocks = 1_000_000, 8
    size = count // blocks
    files = []
    for block in range(blocks):
        records = np.empty(size, BAND_RECORD)
        records["hi"] = 42
        records["node"] = (block << 32) | np.arange(size)
        records["whole"] = block * size + np.arange(size)
        write_records(records, tmp_path / f"b{block}")
        files.append(KeyFile(path=str(tmp_path / f"b{block}"), rows=size))
    find_candidates(files[:1], 0, 2, tmp_path / "warm", 1_000_000)
    memory = 16_000_000
    tracemalloc.start()
    found = find_candidates(files, 0, 1, tmp_path / "p", memory)
    some = list(pairs_of_block(found[:4], 0, memory))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * memory + sum(pairs.nbytes for pairs in some)
    # Each row with the first eight and the one before, the first 32 with all before them; the first with itself.
    assert sum(file.pairs for file in found) == 32 * 31 // 2 + 1 + 9 * (count - 32)
    assert max(file.pairs for file in found) * 96 <= memory


def near_in(texts, size, folder, memory):
    frames = [
        make_frame({"text": texts[at : at + size]}, source=f"{at // size}.csv") for at in range(0, len(texts), size)
    ]
    found = resolve_near(frames, NearConfig(), folder, run_here, memory)
    rows = {}
    for block in range(len(frames)):
        part = found.of_block(block)
        for row, source, position in zip(part.rows, part.sources.to_pylist(), part.positions, strict=True):
            rows[block * size + int(row)] = int(source[:-4]) * size + int(position) // 10
    return rows


def test_near_duplicates_of_bad_inputs_are_the_same_in_any_memory_and_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(candidates, "_SLICE_ROWS", 100)
    random_ = random.Random(2)
    words = ["".join(random_.choices("abcdefghijklmnop", k=5)) for _ in range(400)]
    template = words[:40]
    # A chain: each like its neighbours alone. A template with one word filled in. Equal texts. And others.
    chain = [" ".join(words[100 + i : 140 + i]) for i in range(150)]
    filled = [" ".join([*template, f"code{n}"]) for n in range(200)]
    equal = ["The same text, again and again and again!"] * 200
    other = [" ".join(random_.choices(words, k=12)) for _ in range(100)]
    texts = [*chain, *filled, *equal, *other]
    random_.shuffle(texts)
    sets = [shingles(text) for text in texts]
    similar = {
        (i, j) for j in range(len(texts)) for i in range(j) if sets[i] & sets[j] and jaccard(sets[i], sets[j]) >= 0.8
    }
    whole = near_in(texts, len(texts), tmp_path / "whole", _MUCH)
    assert whole == components(similar)
    assert len(whole) >= 149 + 199 + 199
    for size, memory in ((130, _MUCH), (59, 80_000)):
        assert near_in(texts, size, tmp_path / f"{size}-{memory}", memory) == whole


@pytest.mark.parametrize("shape", ["chain", "star", "both"])
def test_components_of_bad_graphs_settle_in_little_memory(tmp_path, shape):
    rng = np.random.default_rng(4)
    chain = rng.permutation(2_000).astype(np.uint64)
    star = np.arange(2_000, 4_000, dtype=np.uint64)
    lefts, rights = {
        "chain": (chain[1:], chain[:-1]),
        "star": (star[1:], np.full(1_999, 2_000, np.uint64)),
        "both": (np.concatenate([chain[1:], star[1:]]), np.concatenate([chain[:-1], np.full(1_999, 2_000)])),
    }[shape]
    edges = [write_edges(lefts[i::3], rights[i::3], tmp_path / f"e{i}") for i in range(3)]
    roots = connect(edges, tmp_path / "r", run_here, 300_000)
    assert roots.parts > 1
    found = [roots_of(roots, part) for part in range(roots.parts)]
    nodes, smallest = (np.concatenate(side) for side in zip(*found, strict=True))
    expected = {**dict.fromkeys(range(1, 2_000), 0), **dict.fromkeys(range(2_001, 4_000), 2_000)}
    some = {"chain": range(2_000), "star": range(2_000, 4_000), "both": range(4_000)}[shape]
    assert dict(zip(nodes.tolist(), smallest.tolist(), strict=True)) == {n: expected[n] for n in some if n in expected}


def test_equal_texts_have_equal_signatures():
    texts = pa.chunked_array([["one two three four", "ONE two, three four!", "one two three five"]])
    _, whole, _ = band_keys(texts, NearConfig())
    assert whole[0] == whole[1] != whole[2]
