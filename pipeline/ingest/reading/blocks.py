"""Blocks from settled files: large files cut, small ones packed."""

from collections.abc import Iterable, Sequence

from pipeline.ingest.reading.columns.unite import UnitedColumns
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.ingest.reading.source_plan import Block, Piece
from pipeline.ingest.reading.text.settled import SettledFile

#: Opening a file takes time too: so many small ones are enough for one task.
_MOST_PIECES = 1000


def cut_into_blocks(files: Sequence[SettledFile], united: UnitedColumns, source: SourceConfig) -> tuple[Block, ...]:
    """All blocks, in the order of reading."""
    packed: list[list[Piece]] = []
    size = 0
    for piece in _pieces(files, united, source):
        if not packed or size + piece.size_bytes > source.block or len(packed[-1]) == _MOST_PIECES:
            packed.append([])
            size = 0
        packed[-1].append(piece)
        size += piece.size_bytes
    return tuple(Block(index=index, pieces=tuple(pieces)) for index, pieces in enumerate(packed))


def _pieces(files: Sequence[SettledFile], united: UnitedColumns, source: SourceConfig) -> Iterable[Piece]:
    for settled, columns in zip(files, united.by_file, strict=True):
        spans = [(part.start, part.stop, part.stop - part.start, (0, 0), part.too_long) for part in settled.ranges]
        spans += [
            (span.start, span.stop, span.bytes, (span.first_group, span.last_group), False) for span in settled.spans
        ]
        for start, stop, size, row_groups, too_long in spans:
            yield Piece(
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
