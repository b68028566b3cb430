"""Settings of deduplication: the ``[dedupe]`` table of a job file."""

from typing import Literal

import pyarrow as pa
from pydantic import Field

from pipeline.ingest.operations.operation import require_columns, require_text
from pipeline.settings import Settings

#: What may be made equal before rows are compared; the rows themselves stay as they are.
Normalization = Literal["nfkc", "lowercase", "whitespace", "punctuation"]


class NearConfig(Settings):
    """Near-duplicates: texts that share most of their shingles (runs of words or characters).

    near = { threshold = 0.8 }
    """

    threshold: float = Field(default=0.8, ge=0.3, le=1.0)
    """Two texts are near-duplicates where the Jaccard similarity of their shingle sets is at least this."""
    column: str = "text"
    """The column with the texts to compare."""
    shingles: Literal["auto", "words", "characters"] = "auto"
    """Compare runs of words, runs of characters, or decide by each text (characters where it has no blanks)."""
    words: int = Field(default=3, ge=1, le=10)
    """How many words make a shingle."""
    characters: int = Field(default=4, ge=1, le=20)
    """How many characters make a shingle."""


class DedupeConfig(Settings):
    """Leave out rows that repeat another; of equal rows the first in the order of the input stays.

    [dedupe]
    exact = ["text"]
    normalize = ["nfkc", "lowercase", "whitespace"]
    """

    exact: tuple[str, ...] = ()
    """The columns that make two rows equal; null equals null. None: no exact deduplication."""
    normalize: tuple[Normalization, ...] = ()
    """What makes no difference between texts: ``nfkc`` (Unicode spelling and width), ``lowercase`` (case),
    ``whitespace`` (how much and which), ``punctuation`` (and symbols)."""
    near: NearConfig | None = None
    """Near-duplicates, looked for among the rows that exact deduplication left."""
    against_stored: bool = True
    """With mode ``append``: also leave out rows that repeat a row of the version already stored."""

    def require_fit(self, schema: pa.Schema) -> None:
        """Nothing where the rows of `schema` can be compared as declared.

        Raises
        ------
        JobFileError
            If a column is missing, or is not text where it must be.
        """
        require_columns(schema, self.exact, "[dedupe] exact")
        if self.near is not None:
            require_text(schema, [self.near.column], "[dedupe] near")
