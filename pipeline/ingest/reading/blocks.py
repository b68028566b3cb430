"""Blocks from settled files, and the check of a guess against what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import SourceError
from pipeline.ingest.reading.columns.unite import UnitedColumns
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.ingest.reading.source_plan import Block, SourcePlan
from pipeline.ingest.reading.text.settled import SettledFile

#: Reasons that say a record does not have the expected shape.
STRUCTURAL_REASONS = frozenset({"short_row", "long_row", "bad_quoting", "unterminated_quote", "bad_json"})
_ENOUGH_RECORDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTally:
    """What came of one file's records; tallies of its blocks add up.

    Attributes
    ----------
    records
        How many were read.
    misshapen
        How many were rejected for a structural reason.
    """

    records: int = 0
    misshapen: int = 0

    def merge(self, other: "FileTally") -> "FileTally":
        """The tally of both."""
        return FileTally(records=self.records + other.records, misshapen=self.misshapen + other.misshapen)


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


def require_shape(plan: SourcePlan, tallies: Mapping[str, FileTally]) -> None:
    """Nothing where each file's records have the shape that its dialect says.

    Parameters
    ----------
    plan
        The plan.
    tallies
        By file name, what came of its records.

    Raises
    ------
    SourceError
        If most of a file's records do not: the dialect is wrong, whether guessed or declared.
    """
    for file in plan.files:
        tally = tallies.get(file.name, FileTally())
        hopeless = tally.records > 0 and tally.misshapen == tally.records
        if not hopeless and (tally.records < _ENOUGH_RECORDS or tally.misshapen * 2 <= tally.records):
            continue
        dialect = file.dialect.describe() if file.dialect else file.format
        raise SourceError(
            file.name,
            f"{tally.misshapen} of {tally.records} records do not have the shape expected: "
            f"{'guessed' if file.guessed else 'declared'} {dialect}, columns {', '.join(file.columns)}; "
            f"it begins with {file.first_lines!r}",
            "Declare [source] delimiter, quote, escape and header as they are; nothing was committed.",
        )
