"""The frame that flows through the ingest stages: content columns beside a row's place and fate.

Every stage takes and gives an Arrow table with the content columns first and these system columns last. No stage
drops a row: it writes the row's fate beside it, so that the ledger counts what is there instead of what is missing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd

#: The source file as the user knows it (dictionary-encoded text).
SOURCE = "_source"
#: Where the record starts in its source: bytes for CSV and JSON lines, the row number for Parquet (int64).
POSITION = "_position"
#: Null while the row is alive, else "rejected" or "filtered" (text).
FATE = "_fate"
#: Which reason or rule decided the fate; null while the row is alive (text).
REASON = "_reason"
#: The record as it stood in the source, kept only where it could not be turned into columns (text).
RECORD = "_record"

SOURCE_TYPE = pa.dictionary(pa.int32(), pa.string())
SYSTEM_FIELDS = (
    pa.field(SOURCE, SOURCE_TYPE),
    pa.field(POSITION, pa.int64()),
    pa.field(FATE, pa.string()),
    pa.field(REASON, pa.string()),
    pa.field(RECORD, pa.string()),
)
SYSTEM_COLUMNS = tuple(field.name for field in SYSTEM_FIELDS)
#: The two system columns that stay with a row in the store: its row id.
ROW_ID = (SOURCE, POSITION)


def frame_schema(content: pa.Schema) -> pa.Schema:
    """The schema of a frame with these content columns."""
    return pa.schema([*content, *SYSTEM_FIELDS])


def content_names(table: pa.Table) -> list[str]:
    """Names of the content columns, in order."""
    return [name for name in table.column_names if name not in SYSTEM_COLUMNS]


def unfit_name(name: str) -> str:
    """Why no content column can have this name, as in "which ..."; "" where one can."""
    if name in SYSTEM_COLUMNS:
        return "is a system column"
    if not name or "\0" in name:
        return f"{'holds a NUL character' if name else 'is empty'}, so that no query can name it"
    return ""


def alive(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows have no fate yet, shape (rows,)."""
    fates = table[FATE]
    return np.ones(len(fates), np.bool_) if fates.null_count == len(fates) else np.asarray(pc.is_null(fates))


def selected(table: pa.Table, which: npt.NDArray[np.bool_], columns: Sequence[str]) -> pa.Table:
    """The rows that `which` selects, shape (rows,), with these columns."""
    if which.all():
        return table.select(list(columns))
    mask = pa.array(which)
    # Arrow takes a third more time for a table's columns together.
    chosen = [table[name].filter(mask) for name in columns]
    return pa.table(chosen, schema=pa.schema([table.field(name) for name in columns]))


def condemn(table: pa.Table, which: npt.NDArray[np.bool_], fate: str, reason: str) -> pa.Table:
    """The table with `fate` and `reason` written beside the live rows that `which` selects.

    Parameters
    ----------
    table
        A frame.
    which
        Shape (rows,). Rows that already have a fate keep it, whatever is said here.
    fate
        "rejected" or "filtered".
    reason
        The reason's or rule's name.
    """
    struck = which & alive(table)
    if not struck.any():
        return table
    mask = pa.array(struck)
    for name, value in ((FATE, fate), (REASON, reason)):
        index = table.schema.get_field_index(name)
        column = pc.if_else(mask, pa.scalar(value, pa.string()), table[name])
        table = table.set_column(index, table.schema.field(index), column)
    return table


def to_pandas(table: pa.Table) -> "pd.DataFrame":
    """A pandas frame over the same Arrow buffers: what a partition of the Dask DataFrame holds."""
    # A driver plans with frames and makes none.
    import pandas as pd

    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def to_arrow(frame: "pd.DataFrame", schema: pa.Schema) -> pa.Table:
    """The Arrow table inside a partition, with exactly `schema`."""
    return pa.Table.from_pandas(frame, schema=schema, preserve_index=False).replace_schema_metadata(None)


def concat(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    """All rows in order; an empty table of `schema` for none."""
    return pa.concat_tables(tables) if tables else schema.empty_table()


def column_or_null(table: pa.Table, name: str, kind: pa.DataType | None = None) -> Any:
    """The named column, or nulls of `kind` (text where not given) where the table lacks it."""
    if name in table.column_names:
        return table[name]
    return pa.nulls(table.num_rows, kind if kind is not None else pa.string())
