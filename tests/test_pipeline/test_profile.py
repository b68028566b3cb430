"""A profile equals what pandas and plain Python count, whatever the split; estimates keep to their errors."""

import json
import re
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_text import snapshot_of

from pipeline.execute import run_here
from pipeline.ingest.operations.language import identify
from pipeline.profile import profile as module
from pipeline.profile.partial import merged, profile_batch
from pipeline.profile.profile import QUANTILES, profile_version
from pipeline.profile.sketches import (
    DISTINCT_ERROR,
    EXACT,
    QUANTILE_ERROR,
    SAMPLE,
    Distinct,
    Frequent,
    Sampled,
    exact_sum,
    mean_of,
    number_keys,
    number_of,
)
from pipeline.profile.texts import script_counts, token_counts
from textmill.cli.output import json_line

ENGLISH = ["the", "parcel", "is", "late", "again", "and", "nobody", "answers", "my", "calls", "about", "order"]
CHINESE = ["包裹还没有到", "客服一直不回复", "订单怎么退货"]


def tickets(rows=1000, seed=0):
    random = np.random.default_rng(seed)
    texts = [
        str(random.choice(CHINESE)) * int(random.integers(1, 4))
        if random.random() < 0.4
        else " ".join(random.choice(ENGLISH, random.integers(1, 90)))
        for _ in range(rows)
    ]
    start = datetime(2025, 1, 1, tzinfo=UTC)
    return pa.table(
        {
            "text": pa.array([None if random.random() < 0.1 else text for text in texts], pa.string()),
            "label": random.choice(["bill", "slow", "other"], rows, p=[0.6, 0.395, 0.005]).tolist(),
            "stars": pa.array([None if random.random() < 0.2 else int(random.integers(1, 6)) for _ in range(rows)]),
            "price": random.lognormal(5, 3, rows) * random.choice([-1, 1], rows),
            "paid": [Decimal(int(cents)) / 100 for cents in random.integers(1, 10**6, rows)],
            "at": [start + timedelta(seconds=int(seconds)) for seconds in random.integers(0, 10**7, rows)],
            "day": pa.array(random.integers(-9000, 9000, rows), pa.int32()).cast(pa.date32()),
            "id": [f"T{number:06d}" for number in range(rows)],
            "same": ["x"] * rows,
            "none": pa.nulls(rows, pa.string()),
            "yes": (random.random(rows) < 0.25).tolist(),
        }
    )


@pytest.fixture(scope="module")
def table():
    return tickets()


@pytest.fixture(scope="module")
def facts(table, tmp_path_factory):
    return profile_version(snapshot_of(table, tmp_path_factory.mktemp("v"), files=3), [], run_here)


def column(facts, name):
    return next(one for one in facts["columns"] if one["column"] == name)


def test_counts_are_those_of_pandas(table, facts):
    frame = table.to_pandas()
    assert facts["rows"] == len(frame)
    for name in table.column_names:
        found = column(facts, name)
        assert found["nulls"] == frame[name].isna().sum()
        assert found["distinct"] == {"count": frame[name].nunique(), "exact": True, "standard_error": 0.0}
    assert facts["distinct_rows"]["count"] == len(frame.drop_duplicates())
    text = frame["text"].dropna()
    assert column(facts, "text")["duplicate_share"] == pytest.approx(1 - text.nunique() / len(text))
    for name in ("label", "stars", "yes"):
        counts = Counter(
            json.loads(json_line(frame[name].dropna().astype(table[name].type.to_pandas_dtype()).tolist()))
        )
        told = {one["value"]: one["count"] for one in column(facts, name)["values"]["top"]}
        assert told == {str(value).lower(): count for value, count in counts.items()}
    assert facts["versions"][0]["labels"] == frame["label"].value_counts().to_dict()


@pytest.mark.parametrize("name", ["stars", "price", "paid", "text"])
def test_numbers_and_lengths_are_those_of_pandas(table, facts, name):
    values = table.to_pandas()[name].dropna()
    values = (values.str.len() if name == "text" else values).astype(float)
    found = column(facts, name)["length" if name == "text" else "number"]
    assert float(found["min"]) == values.min()
    assert float(found["max"]) == values.max()
    assert found["mean"] == float(sum(map(Fraction, values.tolist())) / len(values))
    for share in QUANTILES:
        true = np.quantile(values, share, method="inverted_cdf")
        assert abs(found["quantiles"][str(share)] - true) <= QUANTILE_ERROR * abs(true)
    if name in ("stars", "text"):
        assert found["quantiles"]["0.5"] == values.quantile(0.5, interpolation="lower")


def test_times_are_those_of_pandas(table, facts):
    times = table.to_pandas()["at"]
    found = column(facts, "at")["time"]
    assert (found["min"], found["max"]) == (times.min(), times.max())
    for share in QUANTILES:
        assert (
            found["days"][str(share)]
            == pd.Timestamp(np.quantile(times.astype("int64"), share, method="inverted_cdf"), unit=times.dt.unit).date()
        )


def test_days_are_those_of_the_sorted_list(table, facts):
    days = sorted(table["day"].to_pylist())
    found = column(facts, "day")["time"]
    assert (found["min"], found["max"], found["days"]["0.25"]) == (days[0], days[-1], days[249])


@pytest.mark.parametrize("label", ["price", "at", "stars"])
def test_labels_are_texts_or_whole_numbers(table, tmp_path, label):
    one = snapshot_of(table, tmp_path)
    found = profile_version(one, [one], run_here, label=label)
    labels = [each["labels"] for each in found["versions"]]
    counts = {str(int(value)): count for value, count in table.to_pandas()["stars"].value_counts().items()}
    assert labels == ([counts, counts] if label == "stars" else [])
    assert not [line for line in found["anomalies"] if "in version" in line]


def test_tokens_and_scripts_are_those_of_a_plain_count(table, facts):
    texts = [text for text in table["text"].to_pylist() if text is not None]
    counts = Counter()
    for text in texts:
        chinese = text[0] > "\u3000"
        counts.update(
            [text[i : i + 2] for i in range(len(text) - 1)] if chinese else re.findall(r"(?u)\b\w\w+\b", text)
        )
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:20]
    found = column(facts, "text")
    assert [(one["value"], one["count"]) for one in found["tokens"]["top"]] == top
    assert found["tokens"]["count_error"] == 0
    assert found["scripts"] == {
        "Latin": sum(text[0] < "\u3000" for text in texts) / len(texts),
        "Han": sum(text[0] > "\u3000" for text in texts) / len(texts),
    }


def test_languages_are_those_that_the_operation_tells(table, facts):
    texts = table["text"].drop_null()
    codes, confidence = identify(texts)
    told = [
        "none" if code is None else "unsure" if sure < 0.5 else code
        for code, sure in zip(codes.to_pylist(), confidence, strict=True)
    ]
    found = column(facts, "text")["languages"]
    assert found["shares"] == {one: count / len(told) for one, count in sorted(Counter(told).items())}
    assert {"en", "zh"} <= set(found["shares"])
    assert (found["rows"], found["exact"], found["standard_error"]) == (len(told), True, 0.0)
    assert "languages" not in column(facts, "label")


HASHES = st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**63, 2**60]), max_size=60)


def sampled(hashes):
    hashes = np.array(hashes, np.uint64)
    return Sampled.of(hashes, lambda places: [f"l{int(hashes[place]) % 3}" for place in places])


@given(HASHES, HASHES, HASHES)
@settings(max_examples=60, deadline=None)
def test_a_sample_depends_on_the_rows_alone(one, two, three):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.profile.sketches.SAMPLE", 8)
        whole = sampled(one + two + three)
        for merge in (
            sampled(one).merge(sampled(two)).merge(sampled(three)),
            sampled(three).merge(sampled(one).merge(sampled(two))),
            Sampled().merge(sampled(two + one)).merge(sampled(three)),
        ):
            assert (merge.level, merge.answers) == (whole.level, whole.answers)
        assert len(whole.answers) <= 8
        if whole.level == 0:
            assert sum(whole.counts.values()) == len(one + two + three)


def test_a_sample_estimates_shares():
    random = np.random.default_rng(5)
    hashes = random.integers(0, 2**64, 300_000, np.uint64)
    truth = np.asarray(random.random(len(hashes)) < 0.3)
    found = Sampled.of(hashes, lambda places: ["yes" if truth[place] else "no" for place in places])
    assert SAMPLE / 4 < len(found.answers) <= SAMPLE
    share = found.counts["yes"] / sum(found.counts.values())
    assert abs(share - 0.3) < 5 * found.standard_error


@given(st.lists(st.text(alphabet="aB9_ é包裹のか한글ж!-\u0301", max_size=12), max_size=40))
@settings(max_examples=60, deadline=None)
def test_words_are_those_of_the_regular_expression(texts):
    words = [text for text in texts if not any(ord(letter) > 0x1000 for letter in text)]
    expected = Counter(word for text in words for word in re.findall(r"(?u)\b\w\w+\b", text.lower()))
    assert token_counts(pa.array(words, pa.string())) == expected
    assert sum(script_counts(pa.array(texts, pa.string())).values()) == len(texts)


def test_many_tokens_are_all_told_apart():
    words = [f"w{number}" for number in range(30_000)]
    assert token_counts(pa.array([" ".join(words), " ".join(words[::2])])) == Counter(words + words[::2])


def test_more_blocks_a_deeper_tree_and_another_cut_give_the_same(table, facts, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_BYTES", 5000)
    monkeypatch.setattr(module, "_MOST_ROOTS", 2)
    again = profile_version(snapshot_of(table, tmp_path, files=7, row_group_rows=100), [], run_here)
    assert json_line(again) == json_line(facts)


def plain(state):
    """All that a state holds, arrays in full."""
    if isinstance(state, dict):
        return {key: plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


@given(st.lists(st.integers(0, 400), max_size=8), st.data())
@settings(max_examples=25, deadline=None)
def test_any_split_merges_to_the_same(cuts, data):
    table = tickets(400, seed=3)
    edges = sorted({0, 400, *cuts})
    parts = [
        profile_batch(table.slice(start, stop - start).combine_chunks().to_batches()[0])
        for start, stop in pairwise(edges)
    ]
    shuffled = data.draw(st.permutations(parts))
    middle = data.draw(st.integers(0, len(parts)))
    found = merged([merged(shuffled[:middle]), merged(shuffled[middle:])])
    whole = profile_batch(table.combine_chunks().to_batches()[0])
    assert plain(asdict(found)) == plain(asdict(whole))


@given(st.integers(0, 2**32), st.integers(EXACT + 1, 300_000))
@settings(max_examples=25, deadline=None)
def test_estimates_of_different_values_keep_to_their_error(seed, count):
    hashes = np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)
    found = Distinct.of(hashes)
    # Five standard errors: beyond them once in two million.
    assert abs(found.count / count - 1) < 5 * DISTINCT_ERROR
    parts = Distinct.of(hashes[: count // 3]).merge(Distinct.of(hashes[count // 4 :]))
    assert np.array_equal(parts.registers, found.registers)
    assert len(parts.hashes) == 0


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
@settings(deadline=None)
def test_sums_are_exact_and_bins_are_near(numbers):
    array = np.array(numbers)
    exact = sum(map(Fraction, numbers)) / len(numbers)
    assert mean_of(exact_sum(array[::2]) + exact_sum(array[1::2]), len(numbers)) == float(exact)
    for number, key in zip(numbers, number_keys(array).tolist(), strict=True):
        assert abs(number) - abs(number_of(key)) <= max(QUANTILE_ERROR * abs(number), 2.3e-308)


@given(st.lists(st.lists(st.integers(0, 60), max_size=80), max_size=8), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_frequent_values_are_exact_or_too_small_by_no_more_than_they_say(parts, room):
    true, found = Counter(), Frequent(room=room)
    for part in parts:
        counts = Counter(map(str, part))
        true += counts
        found = found.merge(Frequent.of(counts, room))
    assert len(found.counts) <= room
    assert found.error <= true.total() / (room + 1)
    for text, count in true.items():
        assert count - found.error <= found.counts.get(text, 0) <= count
    if len(true) <= room:
        assert (found.counts, found.error) == (dict(sorted(true.items())), 0)


def test_an_odd_version_is_told_in_sentences(tmp_path):
    before, now = tickets(2000, seed=5), tickets(2000, seed=6)
    texts = now["text"].to_pylist()
    texts[0], texts[1] = "long " * 5000, "bro\ufffdken"
    texts[2:400] = [None] * 398
    labels = ["slow" if number % 3 else "bill" for number in range(1990)] + ["odd"] * 10
    prices = [float("inf"), float("nan"), *now["price"].to_pylist()[2:]]
    for name, values in (("text", texts), ("label", labels), ("price", prices)):
        now = now.set_column(now.schema.get_field_index(name), name, pa.array(values))
    now = pa.concat_tables([now, now.slice(100, 200)])
    found = profile_version(
        snapshot_of(now, tmp_path / "b"), [snapshot_of(before, tmp_path / "a")], run_here
    )["anomalies"]  # fmt: skip
    expected = [
        r'share of nulls in column "text": \d+\.\d+% in version 1, \d+\.\d+% now',
        r'label shares, most of all "(bill|slow)": \d+\.\d+% in version 1, \d+\.\d+% now',
        r'column "text": its longest text has 25,000 characters, 99 % of the texts have at most \d+',
        r'column "text": 1 text with replacement characters \(U\+FFFD\)',
        r'column "price": 2 of its numbers are infinite or not a number',
        r'column "same" has one value in all rows that have any',
        r'column "none" is null in every row',
        r'label "odd" has only 10 rows',
        r"9\.1% of the rows repeat another row in all columns",
    ]
    for pattern in expected:
        assert [line for line in found if re.fullmatch(pattern, line)], (pattern, found)
    assert len(found) == len(expected)


def test_what_chance_may_do_is_no_anomaly(tmp_path):
    versions = [snapshot_of(tickets(2000, seed=seed), tmp_path / str(seed)) for seed in (7, 8)]
    found = profile_version(versions[0], versions[1:], run_here)["anomalies"]
    assert not [line for line in found if "in version" in line]
    assert 'column "id" is nearly unique (2,000 values in 2,000 rows): it may be an identifier' in found


def test_no_rows_have_a_profile(tmp_path):
    found = profile_version(snapshot_of(tickets(5).slice(0, 0), tmp_path), [], run_here)
    assert (found["rows"], found["examples"], found["anomalies"]) == (0, [], [])
    assert column(found, "price")["number"]["min"] is None
    assert [one["column"] for one in found["columns"]] == tickets(1).column_names
