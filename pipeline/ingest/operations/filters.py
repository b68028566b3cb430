"""Filters: rules that leave rows out for what their text is like."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from pipeline.ingest.dedupe.murmur import text_buffers
from pipeline.ingest.operations.operation import FilterOperation, plain_texts, require_text
from pipeline.ingest.operations.text import CONTROLS, JOINERS, WHITESPACE, ZERO_WIDTH
from storage.compiled import kernel

_UNSEEN = f"^[{WHITESPACE}{CONTROLS}{ZERO_WIDTH}{JOINERS}]*$"


class TextFilter(FilterOperation):
    """A filter that looks at each text; a row goes where one of the columns is selected."""

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` itself, where all columns to look at are there and are text."""
        require_text(schema, self.targets, self.rule)
        return schema

    def select_texts(self, texts: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Which texts to leave out, shape (rows,)."""
        raise NotImplementedError

    def select(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Rows with a selected text in one of the columns."""
        selected = np.zeros(table.num_rows, np.bool_)
        for name in self.targets:
            selected |= self.select_texts(plain_texts(table[name]))
        return selected


@kernel
def _may_be_unseen(data: Any, offsets: Any, unseen: Any) -> None:
    """Texts that begin with a character that shows for certain (ASCII, U+4000 to U+9FFF) are struck off `unseen`."""
    for row in range(len(unseen)):
        start = offsets[row]
        if start < offsets[row + 1]:
            first = data[start]
            if (first > 0x20 and first < 0x7F) or (first >= 0xE4 and first <= 0xE9):
                unseen[row] = False


def _unseen(texts: pa.Array) -> npt.NDArray[np.bool_]:
    data, offsets, valid = text_buffers(texts)
    unseen = np.ones(len(texts), np.bool_)
    _may_be_unseen(data, offsets, unseen)
    unseen |= ~valid
    rows = np.flatnonzero(unseen)
    unseen[rows] = pc.fill_null(pc.match_substring_regex(texts.take(pa.array(rows)), _UNSEEN), True)
    return unseen


class EmptyText(TextFilter):
    """Leave out rows without a text: null, or nothing that can be seen. Part of every job with a text column.

    op = "empty_text"
    """

    op: Literal["empty_text"] = "empty_text"

    def select_texts(self, texts: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Null, and texts of white space, control and zero-width characters alone."""
        return np.concatenate([_unseen(chunk) for chunk in texts.chunks] or [np.zeros(0, np.bool_)])


class FilterLength(TextFilter):
    """Leave out texts that are too short or too long, counted in characters; null has length 0.

    op = "filter_length"
    min = 2
    max = 5000
    """

    op: Literal["filter_length"] = "filter_length"
    min: int | None = Field(default=None, ge=0)
    """The least number of characters."""
    max: int | None = Field(default=None, ge=0)
    """The greatest number of characters."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> "FilterLength":
        if self.min is None and self.max is None:
            raise ValueError("give `min`, `max` or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`min` ({self.min}) is greater than `max` ({self.max})")
        return self

    def select_texts(self, texts: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Texts outside the limits."""
        length = np.asarray(pc.fill_null(pc.utf8_length(texts), 0))
        selected = np.zeros(len(length), np.bool_)
        if self.min is not None:
            selected |= length < self.min
        if self.max is not None:
            selected |= length > self.max
        return selected
