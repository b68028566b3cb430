"""Rows compared with an earlier version: measures against plain Python, and runs that warn, stop or pass."""

import csv
import json
import math
import random
import re
from collections import Counter
from functools import reduce
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import parse_job
from pipeline.errors import DataError
from pipeline.execute import run_here
from pipeline.ingest.drift import measure_drift
from pipeline.ingest.drift_config import DriftConfig
from pipeline.ingest.flow import ingest
from pipeline.ingest.profile import Profile, least_length, length_bucket, profile_rows
from pipeline.ingest.token_sketch import SKETCH_TOKENS, TokenSketch, sketch_tokens
from storage.errors import VersionNotFoundError
from storage.scan import iter_rows
from storage.store import Store

_TEXT = st.one_of(st.none(), st.text("ab 投诉", max_size=80), st.text("x", min_size=60, max_size=300))
_ROWS = st.lists(st.tuples(_TEXT, st.one_of(st.none(), st.sampled_from("pqr"))), max_size=30)


def table_of(rows):
    return pa.table(
        {"text": pa.array([t for t, _ in rows], pa.string()), "label": pa.array([v for _, v in rows], pa.string())}
    )


def tokens_of(text):
    """Words; in a text that is half Han characters or more, and for those characters, one by one."""
    han, letters = len(re.findall("[\u4e00-\u9fff]", text)), len(re.findall("[a-z]", text))
    return re.findall("[\u4e00-\u9fff]|[a-z]" if han and han >= letters else "[\u4e00-\u9fff]|[a-z]+", text)


@settings(deadline=None)
@given(_ROWS, st.lists(st.integers(0, 30), max_size=3))
def test_a_profile_is_plain_counts_however_rows_are_cut(rows, cuts):
    edges = [0, *sorted(min(c, len(rows)) for c in cuts), len(rows)]
    whole = profile_rows(table_of(rows), "text", "label")
    pieces = [profile_rows(table_of(rows[a:b]), "text", "label") for a, b in pairwise(edges)]
    merged = reduce(Profile.merge, pieces)
    assert merged.to_dict() == whole.to_dict()
    assert Profile.from_dict(json.loads(json.dumps(whole.to_dict()))).to_dict() == whole.to_dict()
    texts = [t for t, _ in rows if t is not None]
    assert whole.rows == len(rows)
    assert whole.nulls == {name: sum(r[i] is None for r in rows) for i, name in enumerate(("text", "label"))}
    assert whole.labels == dict(sorted(Counter(v for _, v in rows if v is not None).items()))
    tokens = Counter(token for text in texts for token in tokens_of(text))
    assert whole.tokens.total == tokens.total()
    assert sorted(whole.tokens.counts.tolist()) == sorted(tokens.values())
    for share in (0.1, 0.5, 0.9):
        lengths = sorted(map(len, texts))
        exact = next((n for i, n in enumerate(lengths, 1) if i >= share * len(lengths)), 0)
        assert exact / 1.04 - 1 < whole.length_at(share) <= exact


def test_buckets_of_lengths_are_close_and_ascending():
    lengths = np.unique(np.concatenate([np.arange(5000), 2 ** np.arange(6, 31), 2 ** np.arange(6, 31) - 1]))
    buckets = length_bucket(lengths)
    assert (np.diff(buckets) >= 0).all()
    for length, bucket in zip(lengths.tolist(), buckets.tolist(), strict=True):
        assert least_length(bucket) <= length < least_length(bucket + 1)
        assert length - least_length(bucket) <= length / 32


def test_shares_of_new_tokens_are_exact_of_few_and_close_of_many():
    def sketch(tokens):
        return sketch_tokens(pa.chunked_array([[" ".join(tokens)]]))

    assert sketch(["a", "a", "b", "c"]).share_of_new(sketch(["a"])) == 0.5
    assert sketch(["a"]).share_of_new(TokenSketch()) == 1.0
    assert TokenSketch().share_of_new(sketch(["a"])) == 0.0
    random_ = random.Random(5)
    old = [f"w{random_.randrange(40_000)}" for _ in range(200_000)]
    new = [f"w{random_.randrange(40_000)}" for _ in range(70_000)] + [f"n{i % 20_000}" for i in range(30_000)]
    known = set(old)
    exact = sum(token not in known for token in new) / len(new)
    first, second = sketch(old), sketch(new)
    assert len(first.hashes) == SKETCH_TOKENS
    assert second.share_of_new(first) == pytest.approx(exact, rel=0.1)


def test_merged_sketches_count_as_one_does():
    random_ = random.Random(6)
    pieces = [[f"w{int(random_.expovariate(1e-4))}" for _ in range(20_000)] for _ in range(5)]
    whole = sketch_tokens(pa.chunked_array([[" ".join(piece) for piece in pieces]]))
    parts = [sketch_tokens(pa.chunked_array([[" ".join(piece)]])) for piece in pieces]
    random_.shuffle(parts)
    merged = reduce(TokenSketch.merge, parts)
    assert (merged.total, len(merged.hashes)) == (100_000, SKETCH_TOKENS)
    assert np.array_equal(merged.hashes, whole.hashes)
    assert np.array_equal(merged.counts, whole.counts)


@settings(deadline=None)
@given(_ROWS, _ROWS)
def test_measures_equal_plain_ones(old, new):
    then, now = (profile_rows(table_of(rows), "text", "label") for rows in (old, new))
    nothing = DriftConfig(rows=0, nulls=0, labels=0, lengths=0, tokens=0)
    found = {(d.measure, d.what): d.change for d in measure_drift(then, now, len(new), nothing)}
    changes = {}
    noise = 0.0
    if len(old) != len(new):
        changes["rows"] = abs(len(new) - len(old)) / len(old) if old else 1
    a, b = ([v for _, v in rows if v is not None] for rows in (old, new))
    if a and b:
        changes["labels"] = sum(abs(a.count(v) / len(a) - b.count(v) / len(b)) for v in "pqr") / 2
        spread, both = 1 / len(a) + 1 / len(b), [*a, *b]
        deviations = [(both.count(v) / len(both)) * (1 - both.count(v) / len(both)) * spread for v in "pqr"]
        noise = sum(math.sqrt(2 * d / math.pi) for d in deviations) / 2 + math.sqrt(math.log(1000) * spread / 2)
    known = {token for t, _ in old for token in tokens_of(t or "")}
    tokens = [token for t, _ in new for token in tokens_of(t or "")]
    if known and tokens:
        changes["tokens"] = sum(token not in known for token in tokens) / len(tokens)
    for measure, change in changes.items():
        got = [value for (name, _), value in found.items() if name == measure]
        beyond = change - (noise if measure == "labels" else 1e-12)
        assert abs(beyond) < 1e-13 or got == ([pytest.approx(change)] if beyond > 0 else [])
    if old and new:
        nulls = [
            abs(sum(r[i] is None for r in new) / len(new) - sum(r[i] is None for r in old) / len(old)) for i in (0, 1)
        ]
        got = [value for (name, _), value in found.items() if name == "nulls"]
        assert sorted(got) == pytest.approx(sorted(n for n in nulls if n))


def labelled(rng, rows, shares):
    names = [f"label {n}" for n in range(len(shares))]
    counts = rng.multinomial(rows, shares)
    return Profile(rows=rows, labels={n: int(c) for n, c in zip(names, counts, strict=True) if c})


@pytest.mark.parametrize("rows", [(50, 50), (2000, 60), (100_000, 3000)])
@pytest.mark.parametrize("classes", [2, 12, 77])
def test_chance_alone_is_no_drift_of_labels_and_real_drift_is(rows, classes):
    rng = np.random.default_rng(9)
    shares = rng.dirichlet(np.ones(classes))
    config = DriftConfig(rows=1e9, nulls=1, labels=0, lengths=1e9, tokens=1)
    told = sum(
        bool(measure_drift(labelled(rng, rows[0], shares), labelled(rng, rows[1], shares), rows[1], config))
        for _ in range(300)
    )
    assert told <= 3
    moved = np.roll(np.sort(shares), 1)
    distance = np.abs(np.sort(shares) - moved).sum() / 2
    then, now = labelled(rng, 10**6, np.sort(shares)), labelled(rng, 10**6, moved)
    [drift] = measure_drift(then, now, 10**6, config)
    assert drift.change == pytest.approx(distance, abs=0.01)
    assert drift.noise < 0.01


def corpus(count, seed=1, words=50, length=6, labels="ab", channel="web"):
    random_ = random.Random(seed)
    return [
        (" ".join(f"word{random_.randrange(words)}" for _ in range(length)), random_.choice(labels), channel)
        for _ in range(count)
    ]


def run(folder, rows, run_id, drift=None, mode="replace"):
    file = folder / f"{run_id}.csv"
    with file.open("w", newline="", encoding="utf-8") as sink:
        csv.writer(sink).writerows([("text", "label", "channel"), *rows])
    tables = {"drift": drift} if drift is not None else {}
    job = parse_job(
        {
            "name": "job",
            "store": str(folder / "store"),
            "source": {"files": [str(file)], "block": 4000},
            "dataset": {"name": "d", "mode": mode},
            "dedupe": {"exact": ["text"]},
            **tables,
        }
    )
    store, heard, stages = Store.open(folder / "store", create=True), [], []

    def execute(stage, tasks, *, sizes=None):
        stages.append((stage, len(tasks)))
        return run_here(stage, tasks, sizes=sizes)

    ingested = ingest(job, store, run_id, execute, note=heard.append)
    assert [text for text in ingested.warnings if text.startswith("drift")] == [t for t in heard if "drift" in t]
    return ingested, store, Counter(stage for stage, _ in stages)


def test_rows_alike_pass_without_a_word(tmp_path):
    run(tmp_path, corpus(300, 1), "first", drift={})
    ingested, _, _ = run(tmp_path, corpus(300, 2), "second", drift={})
    assert ingested.warnings == ()


def test_each_measure_is_told_with_both_values_and_the_limit(tmp_path):
    first, _, _ = run(tmp_path, corpus(300), "first")
    changed = corpus(100, 2, words=500, length=20, labels="aaac", channel="")
    ingested, _, _ = run(tmp_path, changed, "second", drift={})
    told = "\n".join(ingested.warnings)
    assert told.count(f"drift from d version {first.version.number}: ") == len(ingested.warnings) == 5
    assert "rows: 300 then, 100 now (a change of 0.667, beyond the limit of 0.5 of [drift] rows)" in told
    assert 'share of nulls in column "channel": 0.00% then, 100.00% now (a change of 1,' in told
    assert 'label shares, most of all "' in told
    assert re.search(r"characters that \d0% of the texts stay within: [34]\d then, 1[3-5]\d now", told)
    assert "words that the earlier version does not have: 0.00% then, 90.50% now" in told


def test_a_stop_commits_nothing_and_names_value_limit_and_cure(tmp_path):
    run(tmp_path, corpus(300), "first")
    with pytest.raises(DataError) as caught:
        run(tmp_path, corpus(300, 2, labels="abc"), "second", drift={"labels": {"limit": 0.2, "severity": "stop"}})
    assert re.search(
        r'drifted from d version \d+: label shares, most of all "c": 0\.00% then, \d\d\.\d\d% now '
        r"\(a change of 0\.\d+, beyond the limit of 0\.2 of \[drift\] labels\); nothing was committed\. "
        r".*raise the limit",
        str(caught.value),
    )
    store = Store.open(tmp_path / "store")
    assert len(store.versions("d")) == 1


def test_profiles_are_of_the_committed_rows_and_kept_for_the_next_run(tmp_path):
    rows = corpus(200)
    _, _, stages = run(tmp_path, [*rows, *rows], "first", drift={})
    assert stages["profile"] == 1
    # Rows that deduplication took out do not count.
    ingested, store, stages = run(tmp_path, rows, "second", drift=dict.fromkeys(("rows", "labels", "lengths"), 0))
    assert (ingested.warnings, stages["profile"]) == ((), 1)
    for path in store.cache("profiles", "d").iterdir():
        path.unlink()
    ingested, _, stages = run(tmp_path, rows, "third", drift=dict.fromkeys(("rows", "labels", "lengths"), 0))
    assert (ingested.warnings, stages["profile"]) == ((), 2)


def test_appended_rows_are_compared_and_the_whole_version_is_kept(tmp_path):
    run(tmp_path, corpus(300, 1), "first", drift={})
    ingested, store, _ = run(tmp_path, corpus(200, 2), "second", drift={"rows": 0.7}, mode="append")
    assert ingested.warnings == ()
    number = ingested.version.number
    (kept,) = store.cache("profiles", "d").glob(f"{number}-*.json")
    profile = profile_rows(pa.Table.from_batches(iter_rows(store.snapshot("d"))), "text", "label")
    assert json.loads(kept.read_text()) == profile.to_dict()
    _, _, stages = run(tmp_path, corpus(30, 3), "third", drift={}, mode="append")
    assert stages["profile"] == 1


def test_a_tag_or_number_names_the_version_and_an_unknown_one_ends_the_run_at_once(tmp_path):
    first, store, _ = run(tmp_path, corpus(100), "first", drift={"against": "gold"})
    store.tag("d", first.version.number, "gold")
    run(tmp_path, corpus(400, 2), "second")
    for against in ("gold", first.version.number):
        ingested, _, _ = run(tmp_path, corpus(400, 3), f"third-{against}", drift={"against": against})
        assert any("rows: 100 then, 400 now" in text for text in ingested.warnings)
    with pytest.raises(VersionNotFoundError, match="silver"):
        run(tmp_path, corpus(400, 2), "fourth", drift={"against": "silver"})


def test_the_same_run_again_is_not_compared_with_itself(tmp_path):
    run(tmp_path, corpus(100), "first", drift={})
    first, _, _ = run(tmp_path, corpus(400, 2), "second", drift={})
    again, _, _ = run(tmp_path, corpus(400, 2), "second", drift={})
    assert again.version.number == first.version.number
    assert again.warnings == first.warnings != ()
