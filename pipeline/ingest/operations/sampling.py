"""A filter by chance: a sample of the rows, the same in every run."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline.ingest.dedupe.murmur import SEED, extend_keys
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
