"""Label leaks: found where planted, not found in ordinary texts, the same however rows are cut into blocks."""

import random
from functools import reduce

import pyarrow as pa
import pytest
from oracles_cleaning import make_frame

from pipeline.ingest.dedupe.keys import exact_keys
from pipeline.ingest.label_leaks import SAMPLE_ROWS, LabelSample, find_leaks, sample_labels, tokens_of
from storage.cell_hash import column_hashes

LABELS = ("complaint", "inquiry", "suggestion")


def corpus(rows, mark=None, seed=1):
    """Texts of random words, with `mark` in those of the first label."""
    random_ = random.Random(seed)
    words = [f"word{i}" for i in range(200)]
    labels = [random_.choice(LABELS) for _ in range(rows)]
    texts = [
        " ".join(random_.choices(words, k=12)) + (f" {mark}" if mark and name == LABELS[0] else "") for name in labels
    ]
    return texts, labels


@pytest.mark.parametrize(("mark", "token"), [("[CASE-7]", "case"), ("【投诉】", "投")])
def test_a_planted_word_is_found(mark, token):
    texts, labels = corpus(600, mark)
    (leak,) = find_leaks(sample_labels(make_frame({"text": texts, "label": labels}), "text", "label"))
    assert (leak.label, leak.precision, leak.recall) == ("complaint", 1.0, 1.0)
    assert leak.token in (token, "7", "投诉", "诉")
    assert leak.texts == labels.count("complaint")
    assert '"complaint": 100.0% of the texts' in str(leak)


def test_ordinary_texts_one_class_and_few_texts_give_no_warning():
    texts, labels = corpus(600)
    assert find_leaks(sample_labels(make_frame({"text": texts, "label": labels}), "text", "label")) == ()
    texts, _ = corpus(100, "mark")
    assert (
        find_leaks(
            sample_labels(make_frame({"text": [t + " x" for t in texts], "label": ["a"] * 100}), "text", "label")
        )
        == ()
    )
    few = make_frame({"text": ["a x", "b y"] * 5, "label": ["a", "b"] * 5})
    assert find_leaks(sample_labels(few, "text", "label")) == ()
    assert find_leaks(LabelSample.empty()) == ()


def test_samples_merge_to_the_same_sample_in_any_blocks():
    texts, labels = corpus(6000)
    table = make_frame({"text": texts, "label": labels})
    whole = sample_labels(table, "text", "label")
    assert whole.rows.num_rows == SAMPLE_ROWS
    pieces = [sample_labels(table.slice(i, 700), "text", "label") for i in range(0, 6000, 700)]
    random.Random(2).shuffle(pieces)
    assert reduce(LabelSample.merge, pieces, LabelSample.empty()).rows.equals(whole.rows)
    assert whole.merge(whole).rows.equals(whole.rows)


@pytest.mark.parametrize("distinct", [1, 3000, 9000, 60_000])
def test_samples_hold_the_smallest_hashes_however_often_texts_repeat(distinct):
    texts = [f"text {i % distinct}" for i in range(60_000)]
    labels = [str(i % 2) for i in range(60_000)]
    sample = sample_labels(make_frame({"text": texts, "label": labels}), "text", "label").rows
    pairs = pa.table({"text": texts, "label": labels}).group_by(["text", "label"]).aggregate([])
    hashes = [column_hashes(pairs["text"], "text"), exact_keys(pairs, ["label"])]
    keys = [each[:, 0].tolist() for each in hashes]
    expected = sorted(zip(*keys, strict=True))[:SAMPLE_ROWS]
    assert list(zip(sample["hash"].to_pylist(), sample["mark"].to_pylist(), strict=True)) == expected


def test_rows_without_text_label_or_life_are_not_sampled():
    table = make_frame({"text": ["a", None, "c", "d"], "label": pa.array([1, 2, None, 4])}, [False, False, False, True])
    assert sample_labels(table, "text", "label").rows.select(["text", "label"]).to_pylist() == [
        {"text": "a", "label": "1"}
    ]
    assert sample_labels(table, "body", "label").rows.num_rows == 0


def test_tokens_of_chinese_and_english():
    assert list(tokens_of("Hello, 客服好 v2")) == ["hello", "客", "服", "好", "客服", "服好", "v2"]
