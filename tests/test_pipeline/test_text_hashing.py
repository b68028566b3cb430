"""The compiled hashing against scikit-learn's, over all of Unicode."""

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_text import chinese_grams, is_punctuation, murmur_64a
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

from pipeline.text.config import FeatureConfig
from pipeline.text.gram_texts import gram_texts
from pipeline.text.hashing import hash_contents, hash_texts
from pipeline.text.sorting import PLACES, add_up, sort_keys
from pipeline.text.utf8 import is_lower

TRICKY = st.sampled_from("İIıiΣσςΑα'’ʰͅ.­ßẞǅﬁ𐐀𝔄\u0301\u200d _-\n\t\u2028\x1c\u3000退款慢か한ﾊー１２3😀！，ȺK")
TEXTS = st.lists(st.text(max_size=40) | st.text(TRICKY, max_size=30), max_size=6)
ANALYZERS = st.sampled_from(["word", "char", "char_wb"])
RANGES = st.tuples(st.integers(1, 4), st.integers(0, 3)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def reference(texts, features):
    vectorizer = HashingVectorizer(
        analyzer=features.analyzer,
        ngram_range=features.ngram_range,
        n_features=features.width,
        lowercase=features.lowercase,
        stop_words=list(features.stop_words) or None,
        norm=None,
    )
    if not texts:
        return sparse.csr_matrix((0, features.width))
    return vectorizer.transform(texts)


def assert_equal(ours, theirs):
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours.indptr, theirs.indptr)
    np.testing.assert_array_equal(ours.indices, theirs.indices)
    np.testing.assert_array_equal(ours.data, theirs.data)


@given(TEXTS, ANALYZERS, RANGES, st.sampled_from([1, 5, 20, 26]), st.booleans())
@settings(max_examples=400, deadline=None)
def test_equals_hashing_vectorizer(texts, analyzer, ngrams, bits, lowercase):
    features = FeatureConfig(analyzer=analyzer, ngrams=ngrams, bits=bits, lowercase=lowercase)
    assert_equal(hash_texts(pa.array(texts, pa.string()), features), reference(texts, features))


#: Words of one length that share letters, so that a wrong comparison is found out.
_CHOSEN = st.sampled_from(["the", "The", "a", "of", "off", "ohne", "ohnе", "не", "不是", "i̇x", "x_1", "word", "wore"])
SPOKEN = st.lists(st.lists(_CHOSEN | st.text(max_size=5), max_size=12).map(" ".join), max_size=5)


@given(SPOKEN, st.sets(_CHOSEN | st.from_regex(r"\w{1,4}", fullmatch=True), max_size=20), RANGES, st.booleans())
@settings(max_examples=300, deadline=None)
def test_stop_words_are_left_out_as_hashing_vectorizer_does(texts, words, ngrams, lowercase):
    possible = (
        word for word in sorted(words) if re.fullmatch(r"\w+", word) and (not lowercase or word == word.lower())
    )
    features = FeatureConfig(ngrams=ngrams, lowercase=lowercase, stop_words=tuple(possible))
    assert_equal(hash_texts(pa.array(texts, pa.string()), features), reference(texts, features))


def test_the_english_list_is_scikit_learns():
    texts = ["The invoice of the month has not been paid", "it was the worst of times", "", "of the", "退款 the 慢"]
    features = FeatureConfig.model_validate({"stop_words": "english"})
    vectorizer = HashingVectorizer(stop_words="english", ngram_range=(1, 2), norm=None)
    assert_equal(hash_texts(pa.array(texts), features), vectorizer.transform(texts))


@pytest.mark.parametrize("analyzer", ["word", "char_wb"])
def test_equals_hashing_vectorizer_on_every_code_point(analyzer):
    points = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    # Each code point stands alone, within a word and at its end, before a sigma and after one.
    texts = ["".join(f" {one} a{one}b b{one} {one}Σ AΣ{one}" for one in points[at::4096]) for at in range(4096)]
    features = FeatureConfig(analyzer=analyzer, ngrams=(1, 1) if analyzer == "word" else (3, 3))
    assert_equal(hash_texts(pa.array(texts), features), reference(texts, features))


@given(st.text(st.sampled_from("ΣσςAaİ'.:ͅ­\u0301 1中"), max_size=12))
@settings(max_examples=400, deadline=None)
def test_final_sigma_as_python_has_it(text):
    features = FeatureConfig(analyzer="char", ngrams=(1, 8))
    assert_equal(hash_texts(pa.array([text]), features), reference([text], features))


@given(TEXTS | st.lists(st.text("退款慢 ，。！,\n_～😀aİ"), max_size=4), RANGES, st.booleans())
@settings(max_examples=300, deadline=None)
def test_chinese_equals_its_description(texts, ngrams, keep):
    features = FeatureConfig(analyzer="chinese", ngrams=ngrams, keep_punctuation=keep)

    def grams(text):
        return chinese_grams(text, *ngrams, keep)

    theirs = HashingVectorizer(analyzer=grams, n_features=features.width, norm=None)
    expected = theirs.transform(texts) if texts else sparse.csr_matrix((0, features.width))
    assert_equal(hash_texts(pa.array(texts, pa.string()), features), expected)


def test_spaced_out_characters_read_as_one_word():
    spaced, whole = hash_texts(pa.array(["退 款 慢", "退款慢"]), FeatureConfig(analyzer="chinese")).toarray()
    np.testing.assert_array_equal(spaced, whole)


def test_punctuation_is_skipped_and_ends_what_it_stands_between():
    texts = pa.array(["好！慢", "好 慢来", "！好。。。慢，", "很 好 ， 慢 来"])
    features = FeatureConfig(analyzer="chinese", ngrams=(1, 3))
    marked = gram_texts(texts.slice(0, 1), features, range(features.width))
    assert {gram for found in marked.values() for gram, _ in found} == {
        " ",
        "好",
        "慢",
        " 好",
        "好 ",
        " 慢",
        "慢 ",
        " 好 ",
        " 慢 ",
    }
    one, _, other, _ = hash_texts(texts, features).toarray()
    np.testing.assert_array_equal(one, other)
    spaced, joined = hash_texts(pa.array(["很 好 ， 慢 来", "很好，慢来"]), features).toarray()
    np.testing.assert_array_equal(spaced, joined)


def test_every_mark_of_unicode_is_skipped():
    marks = [chr(point) for point in range(0x110000) if is_punctuation(chr(point))]
    features = FeatureConfig(analyzer="chinese", ngrams=(1, 2))
    assert_equal(
        hash_texts(pa.array([f"好{mark}慢" for mark in marks]), features),
        hash_texts(pa.array(["好，慢"] * len(marks)), features),
    )


def test_punctuation_that_is_kept_has_features():
    kept, without = (
        hash_texts(pa.array(["好！慢"]), FeatureConfig(analyzer="chinese", keep_punctuation=keep))
        for keep in (True, False)
    )
    assert kept.nnz > without.nnz


def test_punctuation_alone_has_no_features():
    matrix = hash_texts(pa.array(["!!!", "😀😀", "，。", "好！"]), FeatureConfig(analyzer="chinese"))
    assert (np.diff(matrix.indptr) > 0).tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    "texts",
    [
        pa.array(["late again", None, "", "paid twice"]),
        pa.array(["late again", None, "", "paid twice"], pa.large_string()),
        pa.array(["x", "late again", None, "", "paid twice", "y"]).slice(1, 4),
        pa.array(["late again", None, "", "paid twice"]).dictionary_encode(),
        pa.array(["late again", None, "", "paid twice"], pa.string_view()),
        pa.chunked_array([["late again"], [], [None, "", "paid twice"]]),
    ],
    ids=["string", "large", "sliced", "dictionary", "view", "chunked"],
)
def test_layouts_of_the_same_texts_are_equal(texts):
    expected = reference(["late again", "", "", "paid twice"], FeatureConfig())
    assert_equal(hash_texts(texts, FeatureConfig()), expected)


@pytest.mark.parametrize("texts", [pa.array([], pa.string()), pa.chunked_array([], pa.string())])
def test_no_texts(texts):
    matrix = hash_texts(texts, FeatureConfig(bits=4))
    assert matrix.shape == (0, 16)
    assert matrix.nnz == 0


def test_a_text_longer_than_the_first_guess_of_room():
    text = " ".join(f"word{number}" for number in range(50_000))
    assert_equal(
        hash_texts(pa.array([text, "a b", text]), FeatureConfig()), reference([text, "a b", text], FeatureConfig())
    )


@given(st.lists(st.text(max_size=40), max_size=8), st.integers(0, 2**63 - 1))
@settings(max_examples=100, deadline=None)
def test_content_hash_equals_its_description(texts, seed):
    hashes = hash_contents(pa.array(texts, pa.string()), seed)
    assert hashes.tolist() == [murmur_64a(text.encode(), seed) for text in texts]


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=60), st.integers(1, 80), st.integers(1, 26))
@settings(max_examples=150, deadline=None)
def test_sorted_keys_add_up(keys, copies, bits):
    mask = (1 << bits) - 1
    keys = np.array([key & (mask | 1 << 31) for key in keys * copies], np.uint32)
    spare, places = np.empty_like(keys), np.empty(PLACES, np.int32)
    expected = Counter()
    for key in keys.tolist():
        expected[key & mask] += -1 if key >> 31 else 1
    sort_keys(keys, spare, len(keys), bits, places)
    indices, values = np.empty(len(keys), np.int32), np.empty(len(keys), np.float32)
    count = add_up(spare, len(keys), indices, values, 0)
    assert list(zip(indices[:count].tolist(), values[:count].tolist(), strict=True)) == sorted(expected.items())


def test_what_is_surely_lower_case_is():
    letters = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    surely = [one for one in letters if is_lower(np.frombuffer(one.encode(), np.uint8), 0, len(one.encode()))]
    assert all(one.lower() == one for one in surely)
    assert {"a", " ", "退", "，", "、"} <= set(surely)


@pytest.mark.parametrize("ngrams", [(1, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("between", [" ", ", ", "-x-", "é "])
def test_words_of_every_length_wherever_they_lie(ngrams, between):
    # Words are found 64 bytes at a time and hashed sixteen: each length ends at each place of both.
    words = ["".join(chr(97 + (at * length) % 26) for at in range(length)) for length in range(1, 70)]
    texts = [
        "." * shift + between.join([word.title(), word, *words[shift : shift + 9]])
        for shift in range(64)
        for word in words
    ]
    features = FeatureConfig(ngrams=ngrams)
    assert_equal(hash_texts(pa.array(texts), features), reference(texts, features))


@pytest.mark.parametrize("ngrams", [(1, 1), (1, 2)])
@pytest.mark.parametrize("word", ["a", "aB", "z_9", "x" * 70])
def test_words_end_anywhere_among_64_bytes(word, ngrams):
    features = FeatureConfig(ngrams=ngrams)
    texts = [" " * before + f"{word} " * count for before in range(3) for count in range(70)]
    assert_equal(hash_texts(pa.array(texts), features), reference(texts, features))
