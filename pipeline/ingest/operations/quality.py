"""Quality filters after published recipes for web text, counted with compiled Arrow functions.

The rules and limits of `filter_gopher` are those of J. Rae et al., "Scaling Language Models: Methods, Analysis &
Insights from Training Gopher" (2021), appendix A.1.1; those of `filter_c4` and `keep_sentences` of C. Raffel et al.,
"Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer" (2020), section 2.2. They were made
for English web pages. Where a text is written without blanks, its characters count as words, and the rules about the
length of words and about English function words are left out.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from pipeline.ingest.operations.filters import TextFilter
from pipeline.ingest.operations.operation import TextOperation
from pipeline.ingest.operations.rows import each_text, on_rows

_ALONE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}"
#: A character of a script without blanks, or a run of anything else but blanks.
_WORD = rf"[{_ALONE}]|[^\s\x{{3000}}{_ALONE}]+"
_LETTER_WORD = rf"[{_ALONE}]|[^\s\x{{3000}}{_ALONE}]*\p{{L}}[^\s\x{{3000}}{_ALONE}]*"
_FUNCTION_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
_SENTENCE_END = r"[.!?。！？…]"
_END_MARKS = tuple(".!?\"'。！？…”’」』")
_BOILERPLATE = ("javascript", "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies")


def _count(texts: pa.ChunkedArray, pattern: str) -> npt.NDArray[np.float64]:
    counts = pc.fill_null(pc.count_substring_regex(texts, pattern), 0)
    return np.asarray(counts).astype(np.float64)


def _length(texts: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    return np.asarray(pc.fill_null(pc.utf8_length(texts), 0)).astype(np.float64)


def _share(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """``part / whole``, and 0 where there is nothing."""
    shares: npt.NDArray[np.float64] = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
    return shares


class FilterSymbols(TextFilter):
    """Leave out texts of few letters: keyboard noise, tables of numbers, rows of emoji and punctuation.

    op = "filter_symbols"
    min_letters = 0.5
    """

    op: Literal["filter_symbols"] = "filter_symbols"
    min_letters: float | None = Field(default=None, ge=0, le=1)
    """The least share of letters (of any script) among the characters that are not white space."""
    max_symbols: float | None = Field(default=None, ge=0, le=1)
    """The greatest share of punctuation and symbols (emoji too)."""
    max_digits: float | None = Field(default=None, ge=0, le=1)
    """The greatest share of digits."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> "FilterSymbols":
        if self.min_letters is None and self.max_symbols is None and self.max_digits is None:
            raise ValueError("give `min_letters`, `max_symbols` or `max_digits`")
        return self

    def select_texts(self, texts: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Texts beyond one of the limits; null and empty texts have a share of 0 of everything."""
        whole = _count(texts, r"[^\s\x{3000}]")
        selected = np.zeros(len(texts), np.bool_)
        if self.min_letters is not None:
            selected |= _share(_count(texts, r"[\p{L}\p{M}]"), whole) < self.min_letters
        if self.max_symbols is not None:
            selected |= _share(_count(texts, r"[\p{P}\p{S}]"), whole) > self.max_symbols
        if self.max_digits is not None:
            selected |= _share(_count(texts, r"\p{Nd}"), whole) > self.max_digits
        return selected


class FilterGopher(TextFilter):
    """Leave out texts that are no running text, by the document rules of Gopher (Rae et al. 2021).

    A text stays if it has between `min_words` and `max_words` words, words of 3 to 10 characters on average, at most
    one ``#`` or ellipsis for ten words, at most nine tenths of lines that begin with a bullet, at most three tenths
    that end with an ellipsis, a letter in at least `min_letter_words` of its words, and two English function words. The
    limits are for whole pages: set `min_words` lower for short texts.

        op = "filter_gopher"
        min_words = 10
    """

    op: Literal["filter_gopher"] = "filter_gopher"
    min_words: int = Field(default=50, ge=0)
    """The least number of words."""
    max_words: int = Field(default=100_000, ge=1)
    """The greatest number of words."""
    max_symbols: float = Field(default=0.1, ge=0)
    """The greatest number of ``#`` and ellipses for each word."""
    max_bullets: float = Field(default=0.9, ge=0, le=1)
    """The greatest share of lines that begin with a bullet."""
    max_ellipses: float = Field(default=0.3, ge=0, le=1)
    """The greatest share of lines that end with an ellipsis."""
    min_letter_words: float = Field(default=0.8, ge=0, le=1)
    """The least share of words with a letter."""
    function_words: int = Field(default=2, ge=0, le=8)
    """How many of the, be, to, of, and, that, have, with there must be; not asked of texts without blanks."""

    def select_texts(self, texts: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Texts that break one of the rules; null has no words."""
        words = _count(texts, _WORD)
        alone = _count(texts, f"[{_ALONE}]")
        spaced = alone * 2 < words
        lines = _count(texts, "\n") + 1
        length = _share(_count(texts, r"[^\s\x{3000}]"), words)
        selected = (words < self.min_words) | (words > self.max_words)
        selected |= spaced & ((length < 3) | (length > 10)) & (words > 0)
        selected |= _share(_count(texts, r"#|\.\.\.|…"), words) > self.max_symbols
        selected |= _share(_count(texts, r"(?m)^[ \t]*[-•●▪◦*‣]"), lines) > self.max_bullets
        selected |= _share(_count(texts, r"(?m)(?:\.\.\.|…)[ \t]*$"), lines) > self.max_ellipses
        selected |= _share(_count(texts, _LETTER_WORD), words) < self.min_letter_words
        if self.function_words:
            found = sum(
                np.asarray(pc.fill_null(pc.match_substring_regex(texts, rf"(?i)\b{word}\b"), False)).astype(np.int64)
                for word in _FUNCTION_WORDS
            )
            selected |= spaced & (found < self.function_words)
        return np.asarray(selected, dtype=np.bool_)


class FilterC4(TextFilter):
    """Leave out pages that are placeholders or code, by the page rules of C4 (Raffel et al. 2020).

    A page goes if it holds "lorem ipsum" or a curly bracket, or has fewer than `min_sentences` sentences. Run
    `keep_sentences` before it for the rules about lines.

        op = "filter_c4"
        min_sentences = 3
    """

    op: Literal["filter_c4"] = "filter_c4"
    min_sentences: int = Field(default=5, ge=0)
    """The least number of sentences."""
    brackets: bool = False
    """Keep texts with curly brackets."""

    def select_texts(self, texts: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Texts that break one of the rules; null has no sentences."""
        forbidden = "(?i)lorem ipsum" + ("" if self.brackets else "|[{}]")
        selected = np.asarray(pc.fill_null(pc.match_substring_regex(texts, forbidden), False))
        sentences = _count(texts, rf"{_SENTENCE_END}+[\"'”’」』)）]*(?:[\s\x{{3000}}]|$|[{_ALONE}])")
        return np.asarray(selected | (sentences < self.min_sentences), dtype=np.bool_)


class KeepSentences(TextOperation):
    """Keep only the lines that are sentences, by the line rules of C4 (Raffel et al. 2020).

    A line stays if it ends with a terminal mark (Chinese ones too), has at least `min_words` words, and holds neither
    "javascript" nor the usual words of cookie notes and terms of use.

        op = "keep_sentences"
    """

    op: Literal["keep_sentences"] = "keep_sentences"
    min_words: int = Field(default=3, ge=0)
    """The least number of words (characters, in scripts without blanks) of a line."""

    def transform(self, texts: pa.Array) -> pa.Array:
        """The texts without other lines."""
        return on_rows(texts, pc.is_valid(texts), lambda some: each_text(some, self._kept))

    def _kept(self, text: str) -> str:
        return "\n".join(line for line in text.split("\n") if self._is_sentence(line.strip()))

    def _is_sentence(self, line: str) -> bool:
        if not line.endswith(_END_MARKS):
            return False
        low = line.lower()
        words = sum(len(word) if not word.isascii() else 1 for word in line.split())
        return words >= self.min_words and not any(phrase in low for phrase in _BOILERPLATE)
