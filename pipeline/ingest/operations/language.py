"""Language identification with the model that the package py3langid ships, compiled.

The model is that of M. Lui and T. Baldwin, "langid.py: An Off-the-shelf Language Identification Tool" (2012): a finite
automaton over bytes that counts features, and a naive Bayes classifier over them.
"""

import math
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from pydantic import Field

from pipeline import frame
from pipeline.errors import JobFileError
from pipeline.ingest.dedupe.murmur import text_buffers
from pipeline.ingest.operations.filters import TextFilter
from pipeline.ingest.operations.operation import (
    ColumnOperation,
    Outcome,
    content_columns,
    plain_texts,
    require_text,
)
from pipeline.ingest.operations.rows import on_rows
from pipeline.problems import unknown
from storage.compiled import kernel

#: Beyond so many times, a feature counts no more.
_MOST = 1 << 16
_ROWS = 1 << 14


class Model(NamedTuple):
    """The model as arrays.

    Attributes
    ----------
    moves
        The automaton's next state for each row and byte, flat.
    rows
        For each state the start of its row in `moves`.
    features
        For each state the feature that it counts, or -1.
    weights
        Shape (features, languages), float32.
    priors
        Shape (languages,), float64.
    languages
        ISO 639 codes; a language of two scripts comes twice.
    """

    moves: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64]
    features: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    priors: npt.NDArray[np.float64]
    languages: tuple[str, ...]


@cache
def model() -> Model:
    """The model, unpacked at first use (about a second)."""
    shipped = LanguageIdentifier.from_model_file(MODEL_FILE)
    return Model(
        moves=np.asarray(shipped.tk_nextmove, np.int32),
        rows=np.asarray(shipped.tk_row, np.int64) << 8,
        features=np.asarray(shipped.tk_output, np.int32),
        weights=np.asarray(shipped.nb_ptc, np.float32),
        priors=np.asarray(shipped.nb_pc, np.float64),
        languages=tuple(shipped.nb_classes),
    )


@kernel
def _score(
    data: Any,
    offsets: Any,
    valid: Any,
    moves: Any,
    rows: Any,
    features: Any,
    weights: Any,
    priors: Any,
    logs: Any,
    out: Any,
) -> None:
    counts = np.zeros(len(weights), np.int64)
    seen = np.empty(len(weights), np.int64)
    for row in range(len(valid)):
        state, used = 0, 0
        for i in range(offsets[row], offsets[row + 1]):
            state = moves[rows[state] + data[i]]
            feature = features[state]
            if feature >= 0:
                if counts[feature] == 0:
                    seen[used] = feature
                    used += 1
                counts[feature] += 1
        if used > 0:
            out[row] = priors
        for i in range(used):
            feature = seen[i]
            factor = logs[min(counts[feature], len(logs) - 1)]
            counts[feature] = 0
            for language in range(out.shape[1]):
                out[row, language] += factor * weights[feature, language]


def identify(texts: pa.ChunkedArray) -> tuple[pa.Array, npt.NDArray[np.float64]]:
    """The language of each text and how sure that is.

    Returns
    -------
    tuple
        ISO 639 codes (text array, null for texts without letters or with nothing known), and the probability among all
        languages, shape (texts,), 0 where there is none.
    """
    names = sorted(set(model().languages))
    plain = _as_trained(plain_texts(texts).combine_chunks())
    best, confidence = np.zeros(len(plain), np.int64), np.zeros(len(plain))
    # A few rows at a time: the scores of all languages take far more room than the texts.
    for start in range(0, len(plain), _ROWS):
        chances = _chances(plain.slice(start, _ROWS), names)
        here = slice(start, start + len(chances))
        best[here], confidence[here] = chances.argmax(axis=1), chances.max(axis=1)
    confidence[~np.asarray(pc.fill_null(pc.match_substring_regex(plain, r"\p{L}"), False))] = 0.0
    return pa.array(names, pa.string()).take(pa.array(best, mask=confidence == 0)), confidence


def _chances(texts: pa.Array, names: list[str]) -> npt.NDArray[np.float64]:
    """The probability of each language for each text, shape (texts, names); all 0 where there is nothing to tell by."""
    known = model()
    data, offsets, valid = text_buffers(texts)
    offsets = offsets.astype(np.int64)
    scores = np.full((len(valid), len(known.languages)), -np.inf)
    _score(data, offsets, valid, known.moves, known.rows, known.features, known.weights, known.priors, _logs(), scores)
    told = np.isfinite(scores[:, 0])
    # Divided by the root of the length, the scores of short and long texts give comparable probabilities.
    scores = scores[told] / np.sqrt(np.diff(offsets)[told])[:, None]
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    merged = np.zeros((len(valid), len(names)))
    for column, language in enumerate(known.languages):
        merged[told, names.index(language)] += chances[:, column]
    return merged


@cache
def _logs() -> npt.NDArray[np.float64]:
    return np.array([math.log1p(count) for count in range(_MOST)])


def _as_trained(texts: pa.Array) -> pa.Array:
    """The texts as the model was trained on them: composed, and not all in capitals."""
    texts = on_rows(texts, pc.utf8_is_upper(texts), pc.utf8_lower)
    return on_rows(texts, pc.invert(pc.string_is_ascii(texts)), lambda some: pc.utf8_normalize(some, "NFC"))


class FilterLanguage(TextFilter):
    """Leave out texts in other languages; texts with nothing to tell by (numbers, emoji) stay.

    op = "filter_language"
    keep = ["en", "zh"]
    """

    op: Literal["filter_language"] = "filter_language"
    keep: tuple[str, ...] = Field(min_length=1)
    """ISO 639-1 codes of the languages to keep."""
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """How sure it must be that a text is in another language before it is left out."""

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` itself, where the columns are text and the model knows the languages."""
        require_text(schema, self.targets, self.rule)
        known = sorted(set(model().languages))
        problems = tuple(
            f"{self.rule}: {unknown('language that can be told', language, known)}"
            for language in self.keep
            if language not in known
        )
        if problems:
            raise JobFileError(problems)
        return schema

    def select_texts(self, texts: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Texts that are surely enough in another language."""
        languages, confidence = identify(texts)
        other = pc.fill_null(pc.invert(pc.is_in(languages, pa.array(self.keep))), False)
        return np.asarray(pc.and_(pc.is_valid(languages), other)) & (confidence >= self.min_confidence)


class DetectLanguage(ColumnOperation):
    """Write the language of each text (an ISO 639-1 code, or null where there is nothing to tell by) into a new column.

    op = "detect_language"
    """

    op: Literal["detect_language"] = "detect_language"
    into: str = "language"
    """The name of the new column."""

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` with the new column after the other content columns."""
        require_text(schema, self.targets, self.rule)
        problems = []
        if len(self.targets) > 1:
            problems.append(f"{self.rule}: give one column to look at, not {len(self.targets)}")
        if self.into in schema.names or self.into in frame.SYSTEM_COLUMNS:
            problems.append(f'{self.rule}: there is a column "{self.into}" already; give another name in `into`')
        if problems:
            raise JobFileError(tuple(problems))
        return schema.insert(len(content_columns(schema)), pa.field(self.into, pa.string()))

    def apply(self, table: pa.Table) -> Outcome:
        """The frame with the new column, null for rows with a fate."""
        live = frame.alive(table)
        languages = pc.if_else(live, identify(table[self.targets[0]])[0], pa.scalar(None, pa.string()))
        place = len(content_columns(table.schema))
        table = table.add_column(place, pa.field(self.into, pa.string()), languages)
        return Outcome(table=table, changed=int(live.sum()))
