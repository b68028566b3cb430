"""What workers do with one partition before and after it is staged; no part of Dask is loaded for it there."""

import pandas as pd

from pipeline import frame
from pipeline.ingest.reading.read import read_block
from pipeline.ingest.reading.source_plan import Block
from pipeline.ingest.stage_block import BlockSummary


def read_partition(block: Block) -> pd.DataFrame:
    """The records of a block."""
    return frame.to_pandas(read_block(block))


def numbered(number: int) -> pd.DataFrame:
    """A partition that holds its own number."""
    return pd.DataFrame({"number": [number]})


def summary_in(partition: pd.DataFrame) -> BlockSummary:
    """The one value of a partition that was staged."""
    summary: BlockSummary = partition["summary"].iloc[0]
    return summary
