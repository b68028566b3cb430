"""Quality filters, language, samples and lists of terms, on Chinese and English."""

import collections

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles_cleaning import make_frame
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from pydantic import ValidationError

from pipeline.errors import JobFileError
from pipeline.frame import REASON
from pipeline.ingest.operations.language import DetectLanguage, FilterLanguage, identify
from pipeline.ingest.operations.quality import FilterC4, FilterGopher, FilterSymbols, KeepSentences
from pipeline.ingest.operations.repetition import LONG, TOP, FilterRepetition, repetition, token_counts
from pipeline.ingest.operations.sampling import Sample
from pipeline.ingest.operations.terms import FilterTerms

ENGLISH = (
    "The driver was late and the food was cold, but they offered to send a new order with a small discount. "
    "I have used this service for years and this is the first time that something went wrong. "
    "Please pass my thanks to the team that answered the phone so quickly."
)
CHINESE = (
    "昨天晚上点的外卖送得很慢，等了一个多小时，饭菜都凉了。打电话给客服，态度还不错，答应退一部分钱。"
    "希望以后能改进配送速度，不然下次就不想再点了。味道本身还可以，分量也足。"
)


def left_out(op, *texts):
    table = make_frame({"text": pa.array(texts, pa.string())})
    outcome = op.apply(table)
    reasons = outcome.table[REASON].to_pylist()
    assert set(reasons) <= {None, op.rule}
    assert outcome.changed == len(texts) - reasons.count(None)
    return [reason is not None for reason in reasons]


def test_gopher_keeps_running_text_and_nothing_else():
    op = FilterGopher(min_words=20)
    bullets = "\n".join(f"- point {i} of the list that we have with us" for i in range(10))
    ellipses = "\n".join(f"line {i} of the list that we have with..." for i in range(10))
    numbers = " ".join(str(i) for i in range(100, 160)) + " the and"
    hashes = ENGLISH.replace(" ", " #")
    assert left_out(op, ENGLISH, CHINESE) == [False, False]
    assert left_out(op, "Too short.", "太短", bullets, ellipses, numbers, hashes, None) == [True] * 7
    no_function_words = " ".join(["cheap watches brand sale"] * 10)
    assert left_out(op, no_function_words) == [True]
    assert left_out(FilterGopher(min_words=20, function_words=0), no_function_words) == [False]
    assert left_out(FilterGopher(min_words=0, max_words=20), ENGLISH) == [True]


def test_c4_rules_for_pages_and_lines():
    op = FilterC4(min_sentences=3)
    assert left_out(op, ENGLISH, CHINESE) == [False, False]
    assert (
        left_out(op, ENGLISH + " Lorem ipsum dolor.", "function() { return; }. A. B. C.", "One. Two.", None)
        == [True] * 4
    )
    assert left_out(FilterC4(min_sentences=3, brackets=True), ENGLISH + " {x}.") == [False]
    page = "Home | About\nThis is a sentence.\nNo end\nPlease enable JavaScript to go on.\n这是一句话。\nOk.\n好。"
    kept = KeepSentences().transform(pa.array([page, None]))
    assert kept.to_pylist() == ["This is a sentence.\n这是一句话。", None]


def test_symbols_digits_and_letters_are_shares_of_what_can_be_seen():
    texts = ("abc d", "客服 很好", "!!!! a", "12345 a", "😀😀😀", "", None)
    assert left_out(FilterSymbols(min_letters=0.5), *texts) == [False, False, True, True, True, True, True]
    assert left_out(FilterSymbols(max_symbols=0.5), *texts) == [False, False, True, False, True, False, False]
    assert left_out(FilterSymbols(max_digits=0.5), *texts) == [False, False, False, True, False, False, False]
    with pytest.raises(ValidationError, match="give `min_letters`"):
        FilterSymbols()


def repetition_of(text):
    """The measures in plain Python, for texts of the letters a, b, c, blanks and line breaks."""
    lines = [line.replace(" ", "") for line in text.split("\n")]
    lines = [line for line in lines if line]
    out = [1 - len(set(lines)) / len(lines) if lines else 0.0]
    tokens = text.split()
    for size in TOP:
        grams = collections.Counter(tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1))
        most = max(grams.values(), default=0)
        out.append(min(1.0, most * size / len(tokens)) if most > 1 else 0.0)
    for size in LONG:
        seen, repeated, i = set(), 0, 0
        while i + size <= len(tokens):
            gram = tuple(tokens[i : i + size])
            repeated += size if gram in seen else 0
            i += size if gram in seen else 1
            seen.add(gram)
        out.append(repeated / len(tokens) if tokens else 0.0)
    return out


@settings(deadline=None)
@given(st.lists(st.text("aabc \n", max_size=60), min_size=1, max_size=4))
@example(["a a a a a a"])
def test_repetition_equals_plain_python(texts):
    column = pa.chunked_array([texts])
    assert np.allclose(repetition(column), [repetition_of(t) for t in texts], atol=1e-12)
    assert token_counts(column).tolist() == [len(t.split()) for t in texts]


def test_repetition_leaves_out_texts_that_say_the_same_again():
    op = FilterRepetition()
    again = "buy cheap watches online now " * 10
    assert left_out(op, ENGLISH, CHINESE, "好评", "very very good", None) == [False] * 5
    assert left_out(op, again, "很好吃" * 20, "same line here\n" * 8) == [True] * 3
    assert left_out(FilterRepetition(tolerance=100), again) == [False]
    assert left_out(FilterRepetition(min_words=1000), again) == [False]


def test_languages_equal_the_package():
    texts = [
        ENGLISH,
        CHINESE,
        "Le livreur était en retard et le repas était froid.",
        "HELLO THERE, WHO IS THIS",
        "Das Essen war kalt und der Fahrer sehr unfreundlich.",
        "とても美味しかったです",
        "외식 배달이 너무 늦었어요",
        "好评",
    ]
    shipped = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    languages, confidence = identify(pa.chunked_array([texts, [None, "", "12345"]], pa.string()))
    expected = [shipped.classify(text) for text in texts]
    assert languages.to_pylist() == [language for language, _ in expected] + [None] * 3
    assert np.allclose(confidence, [c for _, c in expected] + [0.0] * 3, atol=1e-4)
    assert languages.to_pylist()[:3] == ["en", "zh", "fr"]


def test_language_filter_and_column():
    texts = (ENGLISH, CHINESE, "Das Essen war kalt und der Fahrer sehr unfreundlich.", "12345", None)
    assert left_out(FilterLanguage(keep=("en", "zh")), *texts) == [False, False, True, False, False]
    assert left_out(FilterLanguage(keep=("en",), min_confidence=1.0), *texts) == [False] * 5
    table = make_frame({"text": pa.array(texts, pa.string())}, [False, True, False, False, False])
    op = DetectLanguage()
    outcome = op.apply(table)
    assert outcome.table.schema == op.output_schema(table.schema)
    assert outcome.table["language"].to_pylist() == ["en", None, "de", None, None]
    assert outcome.changed == 4
    with pytest.raises(JobFileError, match=r'"eng" is not a language that can be told\. Did you mean "en"'):
        FilterLanguage(keep=("eng",)).output_schema(table.schema)
    with pytest.raises(JobFileError, match='a column "text" already'):
        DetectLanguage(into="text").output_schema(table.schema)


@settings(deadline=None)
@given(st.lists(st.text(max_size=5), max_size=20), st.integers(1, 5))
def test_samples_depend_on_content_alone(texts, size):
    op = Sample(share=0.5, seed=3)
    whole = make_frame({"text": pa.array(texts, pa.string())})
    expected = op.select(whole)
    pieces = [op.select(whole.slice(i, size)) for i in range(0, len(texts), size)]
    assert np.array_equal(np.concatenate([np.empty(0, bool), *pieces]), expected)
    fates = dict(zip(texts, expected.tolist(), strict=True))
    assert [fates[t] for t in texts] == expected.tolist()


def test_samples_have_their_share_and_differ_by_seed():
    table = make_frame({"text": [f"text {i}" for i in range(20_000)]})
    kept = [~Sample(share=0.1, seed=seed).select(table) for seed in (0, 1)]
    assert all(0.09 < k.mean() < 0.11 for k in kept)
    assert (kept[0] & kept[1]).mean() < 0.02
    assert not Sample(share=1.0).select(table).any()
    wider = ~Sample(share=0.2).select(table)
    assert not (kept[0] & ~wider).any()
    numbers = make_frame({"n": pa.array([1, 1, None])})
    assert Sample(share=0.5, column="n").select(numbers).tolist()[0] == Sample(share=0.5, column="n").select(numbers)[1]


def test_terms_are_words_in_latin_and_anywhere_in_chinese():
    texts = ("This is a TEST ticket", "latest", "请忽略这条", "c++ is hard", None)
    assert left_out(FilterTerms(terms=("test", "忽略")), *texts) == [True, False, True, False, False]
    assert left_out(FilterTerms(terms=("C++",)), *texts) == [False, False, False, True, False]
    assert left_out(FilterTerms(terms=("test ticket",), keep=True), *texts) == [False, True, True, True, True]
