"""Blocks from settled files."""

from collections.abc import Sequence

from pipeline.ingest.reading.columns.unite import UnitedColumns
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.ingest.reading.source_plan import Block
from pipeline.ingest.reading.text.settled import SettledFile


def cut_into_blocks(files: Sequence[SettledFile], united: UnitedColumns, source: SourceConfig) -> tuple[Block, ...]:
    """All blocks, in the order of reading."""
    blocks: list[Block] = []
    for settled, columns in zip(files, united.by_file, strict=True):
        spans = [(part.start, part.stop, part.stop - part.start, (0, 0), part.too_long) for part in settled.ranges]
        spans += [
            (span.start, span.stop, span.bytes, (span.first_group, span.last_group), False) for span in settled.spans
        ]
        for start, stop, size, row_groups, too_long in spans:
            blocks.append(
                Block(
                    index=len(blocks),
                    file=settled.file,
                    start=start,
                    stop=stop,
                    size_bytes=size,
                    row_groups=row_groups,
                    columns=columns,
                    schema=united.schema,
                    null_words=source.null_words,
                    longest=source.max_record,
                    too_long=too_long,
                )
            )
    return tuple(blocks)
