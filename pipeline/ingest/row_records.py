"""What is remembered of a row that is not kept: its record."""

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import frame

#: Rows that are Python objects at the same time.
_BATCH_ROWS = 8192


def records_of(rows: pa.Table) -> pa.Array:
    """Each row's record as it stood in the source where that was kept, else its columns as JSON."""
    content = rows.select(frame.content_names(rows))
    kept = frame.column_or_null(rows, frame.RECORD)
    batches = [pa.array([], pa.string())]
    for at in range(0, rows.num_rows, _BATCH_ROWS):
        raws = kept.slice(at, _BATCH_ROWS).to_pylist()
        # Arrow takes a slice of no columns for as long as was asked for.
        columns = content.slice(at, len(raws)).to_pylist()
        texts = [
            raw if raw is not None else orjson.dumps(values, default=str).decode()
            for raw, values in zip(raws, columns, strict=True)
        ]
        batches.append(pa.array(texts, pa.string()))
    return pa.concat_arrays(batches)


def remembered(table: pa.Table, rows: npt.NDArray[np.bool_]) -> pa.Table:
    """The frame with the records of `rows` kept as they are now, before a step makes their columns unreadable."""
    if not rows.any():
        return table
    mask = pa.array(rows)
    records = pc.replace_with_mask(table[frame.RECORD].combine_chunks(), mask, records_of(table.filter(mask)))
    return table.set_column(table.schema.get_field_index(frame.RECORD), frame.RECORD, records)
