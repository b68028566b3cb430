"""Reading one block, whatever its format."""

from collections.abc import Callable

import pyarrow as pa

from pipeline.ingest.reading.csv.csv_blocks import read_csv
from pipeline.ingest.reading.json_lines import read_json_lines
from pipeline.ingest.reading.parquet_blocks import read_parquet
from pipeline.ingest.reading.source_plan import Block, Piece

_READERS: dict[str, Callable[[Piece], pa.Table]] = {
    "csv": read_csv,
    "lines": read_csv,
    "jsonl": read_json_lines,
    "parquet": read_parquet,
}


def read_block(block: Block) -> pa.Table:
    """The frame of a block: one row for each record in it, in order; rejected ones carry their reason and text.

    The same block always gives the same frame. Memory is a small multiple of the block's size.

    Parameters
    ----------
    block
        One of a plan's blocks; nothing else is needed.

    Raises
    ------
    SourceError
        If a file is damaged, or has changed since it was planned.
    """
    frames = [_READERS[piece.file.format](piece) for piece in block.pieces]
    if len(frames) == 1:
        return frames[0]
    return pa.concat_tables(frames).unify_dictionaries().combine_chunks()
