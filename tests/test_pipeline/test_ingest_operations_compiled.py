"""Compiled cleaning against the plain functions of Arrow: over all of Unicode, and in every layout of an array."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles_cleaning import WHITESPACE, make_frame

from pipeline.errors import DataError
from pipeline.ingest.operations import EmptyText, clean, splice
from pipeline.ingest.operations.filters import _UNSEEN
from pipeline.ingest.operations.normal_forms import HARD, INERT, SIMPLE, normal_form
from pipeline.ingest.operations.splice import Rows, spliced
from pipeline.ingest.operations.text import CollapseWhitespace, NormalizeUnicode, Trim

WHITE = "[" + "".join(f"\\x{{{ord(c):x}}}" for c in WHITESPACE) + "]"
BREAK = r"[\x{a}-\x{d}\x{85}\x{2028}\x{2029}]"


def slow_trim(texts):
    return pc.replace_substring_regex(texts, f"^{WHITE}+|{WHITE}+$", "")


def slow_collapse(texts):
    return pc.replace_substring_regex(texts, f"{WHITE}+", " ")


def slow_collapse_lines(texts):
    with_breaks = pc.replace_substring_regex(texts, f"{WHITE}*{BREAK}{WHITE}*", "\n")
    return pc.replace_substring_regex(with_breaks, WHITE.replace(r"\x{a}", "") + "+", " ")


PAIRS = {
    "trim": (Trim(), slow_trim),
    "collapse": (CollapseWhitespace(), slow_collapse),
    "collapse_lines": (CollapseWhitespace(keep_lines=True), slow_collapse_lines),
    "nfkc": (NormalizeUnicode(form="NFKC"), lambda texts: pc.utf8_normalize(texts, "NFKC")),
    "nfc": (NormalizeUnicode(form="NFC"), lambda texts: pc.utf8_normalize(texts, "NFC")),
}
SCALARS = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]


ALONE = ("{}", "a{}", "{}a", " {} ")
COMPOSED = ("{0}{0}", "e{}\u0301", "\uac00{}", "\u1100{}", "{}\u11a8", "{}\u3099", "{}\u0338")


@pytest.mark.parametrize(
    ("name", "shape"),
    [(name, shape) for name in PAIRS for shape in ((*ALONE, *COMPOSED) if name.startswith("nf") else ALONE)],
)
def test_every_code_point_in_company(name, shape):
    operation, slow = PAIRS[name]
    texts = pa.array([shape.format(c) for c in SCALARS])
    got, expected = operation.transform(texts), slow(texts)
    got.validate(full=True)
    assert got.equals(expected), [
        (a, b, c) for a, b, c in zip(texts.to_pylist(), got.to_pylist(), expected.to_pylist(), strict=True) if b != c
    ][:5]


_PIECES = st.one_of(
    st.sampled_from(
        ["a", " ", "  ", "\t", "\n", "\r\n", "\x85", "\xa0", "\u2003", "\u2028", "\u3000", "\u1680", "\u200b"]
    ),
    st.sampled_from(
        [
            "，",
            "Ａ",
            "①",
            "ﬁ",
            "é",
            "e\u0301",
            "\u0301",
            "\u1112\u1161\u11ab",
            "\u3131",
            "\u314f",
            "㍿",
            "体",
            "。",
            "ｶﾞ",
        ]
    ),
    st.text(max_size=3),
    st.integers(50, 140).map(lambda n: "x" * n),
    st.integers(15, 50).map(lambda n: "体" * n),
)
_TEXT = st.one_of(st.none(), st.lists(_PIECES, max_size=8).map("".join))


def laid_out(texts, wide, cuts, offset):
    """The texts as chunks of an array that begin in the middle of other rows."""
    kind = pa.large_string() if wide else pa.string()
    whole = pa.array([*["before "] * offset, *texts, " after"], kind).slice(offset, len(texts))
    edges = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
    return pa.chunked_array([whole.slice(a, b - a) for a, b in pairwise(edges)], kind)


@pytest.mark.parametrize("name", PAIRS)
@settings(deadline=None, max_examples=150)
@given(
    rows=st.lists(st.tuples(_TEXT, st.booleans()), max_size=10),
    wide=st.booleans(),
    cuts=st.lists(st.integers(0, 10), max_size=2),
    offset=st.integers(0, 9),
)
@example(rows=[("ends with ", False), (" begins with", False)], wide=False, cuts=[], offset=1)
@example(rows=[("x" * 63 + "\u3000", False), ("x" * 62 + "\u2003y", False)], wide=False, cuts=[], offset=0)
@example(rows=[("", False), (" ", False), ("\u3000 \t", False)], wide=False, cuts=[], offset=0)
def test_live_rows_are_changed_as_by_the_plain_function_and_counted(name, rows, wide, cuts, offset):
    operation, slow = PAIRS[name]
    texts, dead = [text for text, _ in rows], [d for _, d in rows]
    column = laid_out(texts, wide, cuts, offset)
    table = make_frame({"text": pa.array(texts, pa.string())}, dead)
    table = table.set_column(0, "text", column)
    outcome = operation.apply(table)
    outcome.table["text"].validate(full=True)
    plain = slow(column).to_pylist()
    expected = [old if d else new for old, new, d in zip(texts, plain, dead, strict=True)]
    assert outcome.table["text"].to_pylist() == expected
    assert outcome.table["text"].type == column.type
    assert outcome.changed == sum(old != new for old, new in zip(texts, expected, strict=True))
    assert operation.apply(outcome.table).changed == 0 or name.startswith("collapse_lines")


@pytest.mark.parametrize("name", ["NFC", "NFKC"])
def test_kinds_of_characters(name):
    kinds = normal_form(name).kinds
    assert {kinds[ord(c)] for c in "aé体가。\u3042"} == {INERT}
    assert {kinds[ord(c)] for c in "\u0301\u1161\u11a8\u3099\u0f71"} == {HARD}
    assert {kinds[ord(c)] for c in "\u212b\uf900"} == {SIMPLE}
    assert kinds[ord("Ａ")] == (SIMPLE if name == "NFKC" else INERT)
    # Most of what is not inert needs no long way.
    assert (kinds[:0x10000] == SIMPLE).sum() > (400 if name == "NFC" else 2500)


def test_texts_beyond_what_an_array_holds_are_refused(monkeypatch):
    monkeypatch.setattr(splice, "_MOST_BYTES", 10)
    texts = pa.array(["abc", "def"])
    zero = np.zeros(1, np.int64)
    with pytest.raises(DataError, match="grow to 11 bytes"):
        spliced(texts, Rows(zero, np.zeros(8, np.uint8), zero, zero + 8))
    assert spliced(texts, Rows(zero, np.full(7, 97, np.uint8), zero, zero + 7)).to_pylist() == ["aaaaaaa", "def"]


@settings(deadline=None)
@given(texts=st.lists(st.none() | st.text(alphabet="ab \t\n\u3000\uff21\u00a8e\u0301中", max_size=12), max_size=40))
def test_steps_that_splice_together_do_what_they_do_one_by_one(texts: list[str | None]) -> None:
    steps = [NormalizeUnicode(), CollapseWhitespace(), Trim(), NormalizeUnicode(form="NFC"), CollapseWhitespace()]
    table = make_frame({"text": pa.array(texts, pa.string())}, [at % 3 == 1 for at in range(len(texts))])
    single, changed = table, []
    for step in steps:
        outcome = step.apply(single)
        single = outcome.table
        changed.append(outcome.changed)
    together = clean(table, steps)
    assert together.table.equals(single)
    assert together.changed == tuple(changed)


@pytest.mark.parametrize("shape", ["{}", " {}", "{}\u200b"])
def test_every_code_point_that_cannot_be_seen_makes_an_empty_text(shape: str) -> None:
    texts = pa.chunked_array([[shape.format(c) for c in SCALARS], [None, ""]])
    expected = pc.fill_null(pc.match_substring_regex(texts, _UNSEEN), True)
    assert EmptyText().select_texts(texts).tolist() == expected.to_pylist()
