"""The way back from buckets to n-grams."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer

from pipeline.text.config import FeatureConfig
from pipeline.text.gram_texts import gram_texts, merged_grams, most_frequent, shown
from pipeline.text.hashing import hash_texts


@given(
    st.lists(st.text(st.sampled_from("ab cdéÄ1中文"), max_size=15), max_size=5),
    st.sampled_from(["word", "char", "char_wb"]),
    st.sampled_from([(1, 1), (1, 3), (3, 4)]),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_names_every_ngram_behind_every_bucket(texts, analyzer, ngrams, stops):
    words = ("ab", "cd", "é中") if stops and analyzer == "word" else ()
    features = FeatureConfig(analyzer=analyzer, ngrams=ngrams, bits=20, stop_words=words)
    vectorizer = HashingVectorizer(analyzer=analyzer, ngram_range=ngrams, stop_words=list(words) or None)
    expected = {}
    for text in texts:
        for gram in vectorizer.build_analyzer()(text):
            row = HashingVectorizer(analyzer=lambda one: [one], n_features=2**20, norm=None).transform([gram])
            counts = expected.setdefault(int(row.indices[0]), {})
            counts[gram, int(row.data[0])] = counts.get((gram, int(row.data[0])), 0) + 1
    array = pa.array(texts, pa.string())
    found = gram_texts(array, features, hash_texts(array, features).indices.tolist())
    assert {bucket: {gram: min(n, 32) for gram, n in grams.items()} for bucket, grams in expected.items()} == {
        bucket: dict(grams) for bucket, grams in found.items()
    }


def test_looks_for_nothing_else():
    features = FeatureConfig(ngrams=(1, 1))
    array = pa.array(["late again"])
    first = int(hash_texts(array, features).indices[0])
    assert set(gram_texts(array, features, [first])) == {first}
    assert gram_texts(array, features, []) == {}


def test_the_frequent_one_of_a_shared_bucket_is_named():
    features = FeatureConfig(ngrams=(1, 1), bits=1)
    parts = [gram_texts(pa.array([text]), features, [0, 1]) for text in ["late late late", "paid again card"]]
    merged = merged_grams(parts)
    assert sum(sum(counts.values()) for counts in merged.values()) == 6
    assert "late" in {most_frequent(counts)[0] for counts in merged.values()}


@pytest.mark.parametrize(
    ("analyzer", "gram", "expected"), [("word", "a b", "a b"), ("char_wb", " 退", "·退"), ("char", "  ", "··")]
)
def test_edges_are_shown(analyzer, gram, expected):
    assert shown(gram, FeatureConfig(analyzer=analyzer)) == expected


def test_merging_nothing():
    assert merged_grams([]) == {}
    assert np.size(list(merged_grams([{}, {}]))) == 0
