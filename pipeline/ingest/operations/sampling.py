"""Filters by what rows are, not by what their text is like: samples, and lists of terms."""

import re
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline.ingest.dedupe.murmur import SEED, extend_keys
from pipeline.ingest.operations.filters import TextFilter
from pipeline.ingest.operations.operation import FilterOperation, is_text, plain_texts

_WIDE = 2.0**64


class Sample(FilterOperation):
    """Keep a share of the rows, drawn by a hash of their content: the same rows in every run, on any number of workers.

    Rows with equal content are kept or left out together.

        op = "sample"
        share = 0.1
    """

    op: Literal["sample"] = "sample"
    share: float = Field(gt=0, le=1)
    """The share of rows to keep."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Another seed draws another sample."""

    def select(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Rows that are not drawn."""
        keys = np.empty((table.num_rows, 2), np.uint64)
        keys[:] = np.uint64(SEED[0]) ^ np.uint64(self.seed), SEED[1]
        for name in self.targets:
            column = plain_texts(table[name])
            extend_keys(keys, column if is_text(column.type) else pc.cast(column, pa.string()))
        return np.asarray(keys[:, 0] >= self.share * _WIDE)


class FilterTerms(TextFilter):
    """Leave out texts that hold one of the terms of a list, or keep only those.

    A term of Latin letters counts as a whole word, in any case; a term in a script without blanks counts anywhere.

        op = "filter_terms"
        terms = ["test ticket", "请忽略"]
    """

    op: Literal["filter_terms"] = "filter_terms"
    terms: tuple[str, ...] = Field(min_length=1)
    """The terms."""
    keep: bool = False
    """Keep the texts that hold a term, and leave out all others."""

    @property
    def default_rule(self) -> str:
        """``terms``."""
        return "terms"

    def select_texts(self, texts: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Texts with a term, or with `keep` those without; null holds none."""
        pattern = "(?i)" + "|".join(_term(term) for term in self.terms)
        held = np.asarray(pc.fill_null(pc.match_substring_regex(texts, pattern), False))
        return ~held if self.keep else held


def _term(term: str) -> str:
    # RE2's word boundaries know ASCII letters alone, and so do terms that need them.
    left = r"\b" if re.match("[A-Za-z0-9_]", term) else ""
    right = r"\b" if re.search("[A-Za-z0-9_]$", term) else ""
    return left + re.escape(term).replace(r"\ ", " ") + right
