"""Decisions about a file once all of its bytes were scanned."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import pyarrow as pa

from pipeline.errors import SourceError
from pipeline.ingest.reading.csv.dialect import LF, QUOTED
from pipeline.ingest.reading.csv.guess import mostly_text, nameless
from pipeline.ingest.reading.csv.scan import BlockScan, RecordRange, resolve
from pipeline.ingest.reading.files.bytes_in import read_range
from pipeline.ingest.reading.files.listing import hive_values
from pipeline.ingest.reading.notes import Note, in_one_line, nuls_left_out
from pipeline.ingest.reading.parquet_files import ParquetFacts, RowSpan
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.ingest.reading.source_plan import SourceFile
from pipeline.ingest.reading.text.inspection import Inspected

#: A quote that takes more than this into its record is a mistake, not a long text.
_RUNAWAY_BYTES = 64_000_000
_RUNAWAY_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledFile:
    """A file with everything decided.

    Attributes
    ----------
    file
        As it stands in the plan.
    kinds
        Types of its columns, where they are not text.
    ranges
        Where its records lie, for text.
    spans
        Where its rows lie, for Parquet.
    notes
        What a person should know.
    """

    file: SourceFile
    kinds: dict[str, pa.DataType] = field(default_factory=dict)
    ranges: tuple[RecordRange, ...] = ()
    spans: tuple[RowSpan, ...] = ()
    notes: tuple[Note, ...] = ()

    def with_members(self, columns: tuple[str, ...], nuls: int) -> "SettledFile":
        """The same file of JSON lines, with these columns, and with so many NUL characters in its texts."""
        notes = (*self.notes, nuls_left_out(nuls)) if nuls else self.notes
        return replace(self, file=replace(self.file, columns=columns, note=in_one_line(notes)), notes=notes)


def requoted(
    config: SourceConfig, seen: Sequence[Inspected], scans: Sequence[Sequence[BlockScan]]
) -> list[SourceConfig | None]:
    """For each file, settings that decide about its quotes, where all bytes speak against the guess; else None.

    Files of one folder that are written alike decide together, for the same rows have to be read alike in one file
    or in seven. Quotes stand around fields unless more of them close badly than well.
    """
    revised: list[SourceConfig | None] = [None] * len(seen)
    if config.quote != "auto":
        return revised
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, file in enumerate(seen):
        if file.format == "csv":
            folder = PurePosixPath(file.opened.path).parent
            groups[folder, file.opened.suffix, file.dialect.delimiter, len(file.columns)].append(place)
    for places in groups.values():
        closings = [_closings(scans[place], config.max_record) for place in places]
        well, badly = sum(count[0] for count in closings), sum(count[1] for count in closings)
        quote = None if mostly_text(seen[places[0]].dialect.delimiter, well, badly) else '"'
        for place in places:
            if (seen[place].dialect.quote is None) != (quote is None) and well + badly:
                decided = {"quote": quote or "none", "delimiter": seen[place].dialect.delimiter}
                revised[place] = config.model_copy(update=decided)
    return revised


def _closings(scans: Sequence[BlockScan], longest: int) -> tuple[int, int]:
    """How many quoted fields of a file close well and badly, if quotes stand around fields."""
    as_quoted = [replace(scan, moves=scan.doubted) if scan.doubted is not None else scan for scan in scans]
    _, well, badly, last = resolve(as_quoted, longest)
    return well, badly + int(last == QUOTED)


def settled_text(seen: Inspected, scans: Sequence[BlockScan], encoding: str, config: SourceConfig) -> SettledFile:
    """A text file as it stands in the plan."""
    opened = seen.opened
    ranges, _, _, _ = resolve(scans, config.max_record)
    ranges = [] if seen.empty else ranges
    _refuse_runaway(seen, ranges)
    notes = _notes(seen, scans, encoding, config, ranges)
    guessed = seen.format == "csv" and "auto" in {config.delimiter, config.quote, config.header}
    file = SourceFile(
        index=opened.index,
        name=opened.name,
        path=opened.path,
        told=opened.told,
        format=seen.format,
        compression=opened.compression,
        encoding=encoding,
        dialect=seen.dialect,
        bytes=opened.bytes,
        columns=seen.columns,
        header=seen.first_row if seen.named else (),
        empty=seen.empty,
        note=in_one_line(notes),
        data_path=opened.data_path,
        data_bytes=opened.data_bytes,
        data_start=seen.data_start,
        lines=opened.lines,
        hive=hive_values(opened.path) if config.hive else (),
        guessed=guessed,
        first_lines=seen.first_lines,
    )
    return SettledFile(file=file, ranges=tuple(ranges), notes=notes)


def _refuse_runaway(seen: Inspected, ranges: Sequence[RecordRange]) -> None:
    """Nothing where no quote takes so much of the file into its record that a reader cannot look behind it.

    Raises
    ------
    SourceError
        If one does: losing all of those lines as one record is not what anyone wants.
    """
    for part in ranges:
        if part.too_long and part.stop - part.start > _RUNAWAY_BYTES and seen.dialect.quote is not None:
            first = read_range(seen.opened.data_path, part.start, part.start + _RUNAWAY_LINE_BYTES)
            if (first == LF).any():
                line = first.tobytes().split(b"\n", 1)[0][:100].decode("utf-8", "replace")
                raise SourceError(
                    seen.opened.told,
                    f"a quote in the record at byte {part.start} is not closed within {_RUNAWAY_BYTES} bytes: {line!r}",
                    'Correct that line, or declare [source] quote = "none" if quotes are text.',
                )


def settled_parquet(facts: ParquetFacts, config: SourceConfig) -> SettledFile:
    """A Parquet file as it stands in the plan."""
    opened = facts.opened
    notes = (Note(alone="empty: it has no rows", several="empty (no rows)"),) if facts.rows == 0 else ()
    file = SourceFile(
        index=opened.index,
        name=opened.name,
        path=opened.path,
        told=opened.told,
        format="parquet",
        compression=opened.compression,
        encoding="utf-8",
        dialect=None,
        bytes=opened.bytes,
        columns=facts.columns,
        header=(),
        empty=facts.rows == 0,
        note=in_one_line(notes),
        data_path=opened.data_path,
        data_bytes=opened.data_bytes,
        data_start=0,
        lines=None,
        hive=hive_values(opened.path) if config.hive else (),
        guessed=False,
        first_lines="",
    )
    return SettledFile(file=file, kinds=facts.kinds, spans=facts.spans, notes=notes)


def broken_files(facts: Sequence[object]) -> None:
    """Nothing where no Parquet file is broken.

    Raises
    ------
    SourceError
        About the first one, naming the others.
    """
    broken = [fact for fact in facts if isinstance(fact, SourceError)]
    if broken:
        others = f"; broken as well: {', '.join(error.path for error in broken[1:])}" if len(broken) > 1 else ""
        raise SourceError(broken[0].path, broken[0].problem + others, broken[0].cure)


def _notes(
    seen: Inspected, scans: Sequence[BlockScan], encoding: str, config: SourceConfig, ranges: Sequence[RecordRange]
) -> tuple[Note, ...]:
    notes = []
    if seen.empty:
        what = "0 bytes" if seen.opened.data_bytes == 0 else "a header only" if seen.first_row else "blank lines only"
        notes.append(Note(alone=f"empty: {what}", several=f"empty ({what})"))
    if encoding != "utf-8":
        text = f"read as {encoding} ({'detected' if config.encoding == 'auto' else 'declared'})"
        notes.append(Note(alone=text, several=text))
    nuls = sum(scan.nuls for scan in scans)
    # In JSON they can only be written as escapes: a line with the character itself is no JSON.
    if nuls and seen.format != "jsonl":
        notes.append(nuls_left_out(nuls))
    if seen.dialect.quote is None and seen.format == "csv" and config.quote == "auto":
        text = "quotes are read as text, because most of them do not stand around fields"
        notes.append(Note(alone=text, several=f"where {text}"))
    if seen.header == "no" and seen.format == "csv" and config.names is None and seen.columns != nameless(seen.columns):
        text = "without a header, whose columns are called as in the files beside"
        notes.append(Note(alone=f"a file {text}", several=text))
    if any("\ufffd" in name for name in seen.columns):
        text = "with bytes in column names that are not text"
        notes.append(Note(alone=text, several=text))
    if any(part.too_long for part in ranges):
        first = next(part.start for part in ranges if part.too_long)
        notes.append(
            Note(alone=f"a record at byte {first} is longer than max_record", several="with a record beyond max_record")
        )
    return tuple(notes)
