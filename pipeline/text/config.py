"""The ``[features]`` table of a job file: how texts become weighted, hashed n-grams."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.settings import Settings, Size

Analyzer = Literal["word", "char", "char_wb", "chinese", "chinese_word"]
Norm = Literal["l2", "l1", "none"]

#: Lengths of n-grams where the job does not say: what scored best on public corpora of that kind.
DEFAULT_NGRAMS: dict[Analyzer, tuple[int, int]] = {
    "word": (1, 2),
    "char": (2, 4),
    "char_wb": (2, 4),
    "chinese": (1, 2),
    "chinese_word": (1, 2),
}


#: The name of scikit-learn's list.
ENGLISH = "english"
_WORD = re.compile(r"\w+")


def _listed(words: Any) -> Any:
    """The words of a list that goes by a name, so that the model keeps what it left out, whatever the list becomes."""
    if not isinstance(words, str):
        return words
    if words != ENGLISH:
        raise ValueError(f'"{words}" is no list; write "{ENGLISH}", or the words themselves, as in ["the", "of"]')
    # scikit-learn comes along, which a job without this list does not wait for.
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return sorted(ENGLISH_STOP_WORDS)


class FeatureConfig(Settings):
    """How a text becomes a row of numbers: analyzer, n-grams, hashing, weighting."""

    analyzer: Analyzer = "word"
    """What a text is cut into: `word` (runs of two or more letters or digits), `char` (characters), `char_wb`
    (characters within a word and its edges), `chinese` (characters within a stretch without spaces and punctuation and
    its edges, spaced-out characters joined, longer Latin words and numbers as a whole too), `chinese_word` (words as
    jieba finds them, of one character too; needs `pip install 'textmill[jieba]'`)."""

    ngrams: tuple[int, int] | None = None
    """Shortest and longest n-gram, such as `[1, 2]`. Not given: `[2, 4]` for `char` and `char_wb`, else `[1, 2]`."""

    bits: Annotated[int, Field(ge=1, le=26)] | Literal["auto"] = 20
    """N-grams are hashed into 2^bits buckets. `auto` takes as many buckets as there are different n-grams, within
    `memory`; the choice is told and kept in the model."""

    memory: Size = 1_000_000_000
    """With `bits = "auto"`: bytes that the weights may take while they are learned, as in "1GB"; not looked at
    otherwise."""

    lowercase: bool = True
    """Whether texts are lower-cased first."""

    stop_words: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    """With `word` and `chinese_word`: words that are left out before n-grams are made, such as `["the", "of"]`, or
    `"english"` for scikit-learn's list."""

    keep_punctuation: bool = False
    """With `chinese`: whether punctuation is part of n-grams too, and spaces alone end a stretch."""

    sublinear_tf: bool = True
    """Whether a count c weighs 1 + ln(c) instead of c."""

    idf: bool = True
    """Whether a bucket weighs less the more training rows hold it: ln((1 + rows) / (1 + rows with it)) + 1."""

    norm: Norm = "l2"
    """What each row is scaled to: length one (`l2`), a sum of absolute values of one (`l1`), or left (`none`)."""

    min_df: int = Field(default=1, ge=1)
    """Buckets that fewer training rows hold are left out."""

    @model_validator(mode="after")
    def _ngrams_are_a_range(self) -> "FeatureConfig":
        low, high = self.ngram_range
        if not 1 <= low <= high <= 8:
            raise ValueError(
                f"ngrams = [{low}, {high}] is not a range of lengths; write two numbers from 1 to 8, "
                "the smaller first, such as [1, 2]"
            )
        return self

    @model_validator(mode="after")
    def _stop_words_are_words(self) -> "FeatureConfig":
        if self.stop_words and not self.cuts_words:
            raise ValueError(
                f'stop_words are for analyzer = "word" or "chinese_word"; remove them, or change "{self.analyzer}"'
            )
        for word in self.stop_words:
            if not _WORD.fullmatch(word):
                found = " and ".join(f'"{part}"' for part in _WORD.findall(word) if len(part) > 1) or "other words"
                raise ValueError(
                    f'stop_words: "{word}" is never met, since words are letters and digits alone; write {found}'
                )
            if self.lowercase and word != word.lower():
                raise ValueError(f'stop_words: "{word}" is never met in lower-case text; write "{word.lower()}"')
        return self

    @model_validator(mode="after")
    def _punctuation_can_be_kept(self) -> "FeatureConfig":
        if self.keep_punctuation and self.analyzer != "chinese":
            raise ValueError(
                'keep_punctuation = true is for analyzer = "chinese": "char" and "char_wb" always keep punctuation, '
                f'words never have any; remove it, or change "{self.analyzer}"'
            )
        return self

    @classmethod
    def recorded(cls, facts: Mapping[str, Any] | None) -> "FeatureConfig":
        """The settings that a model was trained with, of any version of textmill.

        Parameters
        ----------
        facts
            What the model keeps of them. One that does not say whether punctuation is kept is from before there was
            the choice: the analyzer `chinese` kept it.
        """
        if facts is not None and facts.get("analyzer") == "chinese":
            facts = {"keep_punctuation": True, **facts}
        return cls.model_validate(facts)

    @property
    def is_segmented(self) -> bool:
        """Whether words must be found first, since nothing stands between them."""
        return self.analyzer == "chinese_word"

    @property
    def cuts_words(self) -> bool:
        """Whether n-grams are of words, with a blank between them."""
        return self.analyzer in ("word", "chinese_word")

    @property
    def ngram_range(self) -> tuple[int, int]:
        """Shortest and longest n-gram, given or chosen by the analyzer."""
        return self.ngrams if self.ngrams is not None else DEFAULT_NGRAMS[self.analyzer]

    @property
    def width(self) -> int:
        """How many buckets there are."""
        return 1 << self.hash_bits

    @property
    def hash_bits(self) -> int:
        """`bits` as a number; raises `ValueError` before they are chosen."""
        if self.bits == "auto":
            raise ValueError('bits = "auto" is chosen when a model is trained; give a number')
        return self.bits
