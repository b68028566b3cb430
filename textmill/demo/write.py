"""Writing a part's rows: CSV in its dialect and encoding, with the structural faults, or Parquet."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.demo.layout import COLUMNS, PartLayout
from textmill.demo.planted import Planted
from textmill.demo.rates import Rates, threshold
from textmill.demo.rows import PartRows, Row

#: Stands for a byte that is no UTF-8 until the text is encoded; a private-use character no text contains.
_BROKEN = "\ue0ff"
_BROKEN_BYTES = (_BROKEN.encode(), b"\xff")
_SCHEMA = pa.schema([(name, pa.string()) for name in COLUMNS])


def write_part(folder: Path, layout: PartLayout, seed: int, rates: Rates, first: PartLayout) -> Planted:
    """What was planted in one part, once its file lies complete in `folder`.

    Parameters
    ----------
    folder
        An existing directory.
    layout
        The part.
    seed, rates
        Those of the corpus.
    first
        The corpus' first part, whose first texts some rows of this part repeat.
    """
    rows = PartRows(layout, seed, rates)
    if layout.index != first.index:
        source = PartRows(first, seed, rates)
        next(source.batches())
        rows.share_pool(source.pool)
    path = folder / layout.name
    if layout.format == "parquet":
        _write_parquet(path, rows.batches())
    else:
        _write_csv(path, layout, rows.batches(), blank=threshold(rates.blank_lines) >> 16)
    return rows.planted


@contextmanager
def _written_aside(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` only once it is complete."""
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("wb") as file:
            yield file
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _write_parquet(path: Path, batches: Iterator[list[Row]]) -> None:
    with _written_aside(path) as file, pq.ParquetWriter(file, _SCHEMA, compression="zstd") as writer:
        for batch in batches:
            columns = [[getattr(row, name) for row in batch] for name in COLUMNS]
            writer.write_table(pa.table(columns, schema=_SCHEMA))


def _write_csv(path: Path, layout: PartLayout, batches: Iterator[list[Row]], blank: int) -> None:
    places = [COLUMNS.index(name) for name in layout.columns]
    newline, delimiter = layout.newline, layout.delimiter
    with _written_aside(path) as file:
        head = delimiter.join(layout.columns) + newline
        file.write((("\ufeff" if layout.mark else "") + head).encode(layout.encoding))
        for batch in batches:
            lines = []
            for row in batch:
                lines.append(_line(row, delimiter, places))
                # The last digits of the order are as good as a draw and cost nothing.
                if int(row.ticket) * 40503 & 0xFFFF < blank:
                    lines.append("")
            text = newline.join(lines) + newline
            file.write(text.encode(layout.encoding).replace(*_BROKEN_BYTES))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _line(row: Row, delimiter: str, places: list[int]) -> str:
    text = row.message
    if row.fault == "bad_encoding":
        text = text[:3] + _BROKEN + text[3:]
    if row.fault == "bad_quoting":
        text = _quoted(text) + " (urgent)"
    elif delimiter in text or '"' in text or "\n" in text or row.ticket[-1] in "37":
        text = _quoted(text)
    fields = (row.ticket, row.created_at, row.channel, row.amount, text, row.category)
    values = [fields[place] for place in places]
    if row.fault == "short_row":
        del values[-2:]
    elif row.fault == "long_row":
        values.append("see attachment")
    return delimiter.join(values)
