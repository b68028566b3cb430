"""Weighting against scikit-learn's TfidfTransformer, and the portable functions against the C library's."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

from pipeline.text.config import FeatureConfig
from pipeline.text.hashing import hash_texts
from pipeline.text.portable_math import portable_exp, portable_log, portable_logs
from pipeline.text.tfidf import Weighting, document_frequencies

WORDS = st.sampled_from(["late", "paid", "twice", "again", "card", "lost", "refund", "slow", "the", "a", "my", "is"])
TEXTS = st.lists(st.lists(WORDS, max_size=12).map(" ".join), min_size=1, max_size=15)


def counts_of(texts, bits):
    return abs(hash_texts(pa.array(texts, pa.string()), FeatureConfig(bits=bits)))


@given(TEXTS, TEXTS, st.booleans(), st.booleans(), st.sampled_from(["l1", "l2", "none"]), st.sampled_from([4, 20]))
@settings(max_examples=150, deadline=None)
def test_equals_tfidf_transformer(train, other, sublinear, idf, norm, bits):
    features = FeatureConfig(bits=bits, sublinear_tf=sublinear, idf=idf, norm=norm)
    counts = counts_of(train, bits)
    weighting = Weighting.learned(features, document_frequencies(counts), len(train))
    theirs = TfidfTransformer(norm=None if norm == "none" else norm, use_idf=idf, sublinear_tf=sublinear)
    theirs.fit(counts.astype(np.float64))
    for texts in (train, other):
        counts = counts_of(texts, bits)
        # What no training row holds has no feature here; there it has the highest IDF of all.
        known = counts.astype(np.float64)[:, weighting.buckets]
        expected = sparse.csr_matrix((known.data, weighting.buckets[known.indices], known.indptr), shape=counts.shape)
        if sublinear:
            expected.eliminate_zeros()
        expected = theirs.transform(expected)[:, weighting.buckets].toarray()
        np.testing.assert_allclose(weighting.weigh(counts).toarray(), expected, rtol=2e-7, atol=0)


@given(TEXTS, st.integers(0, 15))
@settings(max_examples=50, deadline=None)
def test_frequencies_of_blocks_add_up(texts, cut):
    whole = document_frequencies(counts_of(texts, 8))
    parts = [document_frequencies(counts_of(part, 8)) for part in (texts[:cut], texts[cut:])]
    np.testing.assert_array_equal(parts[0] + parts[1], whole)


def test_min_df_leaves_rare_buckets_out():
    features = FeatureConfig(ngrams=(1, 1), min_df=2)
    counts = hash_texts(pa.array(["late again", "late", "never"]), features)
    weighting = Weighting.learned(features, document_frequencies(counts), 3)
    weighed = weighting.weigh(counts)
    assert weighed.shape == (3, 1)
    np.testing.assert_array_equal(abs(weighed.toarray()[:, 0]), [1, 1, 0])


def test_damped_counts_keep_their_sign():
    features = FeatureConfig(ngrams=(1, 1), norm="none", idf=False)
    texts = pa.array([" ".join(["late"] * 3 + ["paid"] * 2 + ["again"] * 4 + ["card"])])
    counts = hash_texts(texts, features)
    assert {-1.0, 1.0} == set(np.sign(counts.data))
    weighed = Weighting.learned(features, document_frequencies(counts), 1).weigh(counts)
    np.testing.assert_allclose(weighed.data, np.sign(counts.data) * (1 + np.log(abs(counts.data))), rtol=1e-7)


def units_apart(ours, theirs):
    return abs(ours - theirs) / math.ulp(theirs)


@given(st.floats(-700, 700))
@settings(max_examples=500, deadline=None)  # the first example compiles
def test_portable_exp(x):
    assert units_apart(portable_exp(x), math.exp(x)) <= 2


@pytest.mark.parametrize(("x", "expected"), [(-1e9, 0.0), (0.0, 1.0), (1e9, math.inf)])
def test_portable_exp_at_its_ends(x, expected):
    assert portable_exp(x) == expected


@given(st.floats(1e-300, 1e300))
@settings(max_examples=500)
def test_portable_log(x):
    assert abs(portable_log(x) - math.log(x)) <= 2 * max(math.ulp(math.log(x)), 1e-17)


@given(st.lists(st.floats(1e-300, 1e300), max_size=20))
@settings(max_examples=500)
def test_portable_logs_are_those_of_each_value_to_the_last_bit(values):
    assert portable_logs(np.array(values)).tolist() == [portable_log(value) for value in values]
