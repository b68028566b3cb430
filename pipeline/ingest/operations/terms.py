"""A filter by a list of terms: a handful in the job file, or a stop list of many thousands in a file of its own."""

from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator, model_validator

from pipeline.ingest.dedupe.murmur import text_buffers
from pipeline.ingest.operations.filters import TextFilter
from pipeline.ingest.operations.trie import Trie, build_trie, holds_word


class FilterTerms(TextFilter):
    """Leave out texts that hold one of the terms of a list, or keep only those.

    Case makes no difference. A term that begins or ends with a Latin letter or a digit counts as a whole word there; a
    term in a script without blanks counts anywhere.

        op = "filter_terms"
        terms = ["test ticket", "请忽略"]
    """

    op: Literal["filter_terms"] = "filter_terms"
    terms: tuple[str, ...] = Field(min_length=1)
    """The terms."""
    file: str | None = None
    """A text file (UTF-8) with a term on each line, relative to the job file; empty lines and those that start with
    ``#`` do not count. It is read with the job file: from then on its terms stand with `terms`."""
    keep: bool = False
    """Keep the texts that hold a term, and leave out all others."""

    @property
    def default_rule(self) -> str:
        """``terms``."""
        return "terms"

    @model_validator(mode="before")
    @classmethod
    def _with_those_of_the_file(cls, settings: Any) -> Any:
        # The file's terms become part of the settings: workers, and who runs the job again, need no file.
        if not isinstance(settings, dict) or settings.get("file") is None:
            return settings
        rest = {key: value for key, value in settings.items() if key != "file"}
        return {**rest, "terms": (*settings.get("terms", ()), *_terms_in(str(settings["file"])))}

    @field_validator("terms")
    @classmethod
    def _are_no_blanks(cls, terms: tuple[str, ...]) -> tuple[str, ...]:
        if not all(term.strip() for term in terms):
            raise ValueError("a term is empty or blank; it would be found in every text")
        return terms

    def select_texts(self, texts: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Texts with a term, or with `keep` those without; null holds none."""
        held = [np.zeros(0, np.bool_), *(_holding(chunk, self.terms) for chunk in texts.chunks)]
        selected = np.concatenate(held)
        return ~selected if self.keep else selected


def _terms_in(path: str) -> tuple[str, ...]:
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the list of terms {path} cannot be read as UTF-8 text: {error}") from error
    lines = (line.strip() for line in text.splitlines())
    terms = tuple(line for line in lines if line and not line.startswith("#"))
    if not terms:
        raise ValueError(f"the list of terms {path} holds no term")
    return terms


@cache
def _trie(terms: tuple[str, ...]) -> Trie:
    return build_trie(dict.fromkeys(pc.utf8_lower(pa.array(terms)).to_pylist(), ""))


def _holding(texts: pa.Array, terms: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    data, offsets, valid = text_buffers(pc.utf8_lower(texts))
    return holds_word(data, offsets.astype(np.int64), _trie(terms)) & valid
