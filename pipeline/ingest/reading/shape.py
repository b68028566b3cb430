"""Whether a file's records turned out to have the shape that they were read in: the check of every guess."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import frame
from pipeline.errors import SourceError
from pipeline.ingest.reading.source_plan import SourceFile, SourcePlan

#: Reasons that say a record does not have the expected shape.
STRUCTURAL_REASONS = ("short_row", "long_row", "bad_quoting", "unterminated_quote", "bad_json")
ENCODING_REASONS = ("bad_encoding",)
#: Fewer records than this can all be wrong by chance.
_ENOUGH_RECORDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTally:
    """What came of one file's records when they were read; tallies of its blocks add up.

    Attributes
    ----------
    records
        How many there are.
    misshapen
        How many were rejected for a structural reason.
    undecodable
        How many were rejected for their encoding.
    """

    records: int = 0
    misshapen: int = 0
    undecodable: int = 0

    def merge(self, other: "FileTally") -> "FileTally":
        """The tally of both."""
        return FileTally(
            records=self.records + other.records,
            misshapen=self.misshapen + other.misshapen,
            undecodable=self.undecodable + other.undecodable,
        )


def tally_files(table: pa.Table) -> dict[str, FileTally]:
    """What came of each file's records in a frame that was just read, by file name.

    Parameters
    ----------
    table
        The frame of a block as `read_block` gives it, before anything else rejects rows.
    """
    records = _counts(table[frame.SOURCE])
    reasons = table[frame.REASON]
    misshapen, undecodable = (
        _counts(table[frame.SOURCE].filter(pc.is_in(reasons, pa.array(these))))
        if reasons.null_count < len(reasons)
        else {}
        for these in (STRUCTURAL_REASONS, ENCODING_REASONS)
    )
    return {
        name: FileTally(records=count, misshapen=misshapen.get(name, 0), undecodable=undecodable.get(name, 0))
        for name, count in records.items()
    }


def merged_tallies(tallies: Iterable[Mapping[str, FileTally]]) -> dict[str, FileTally]:
    """The tallies of several blocks, added up by file name."""
    total: dict[str, FileTally] = {}
    for each in tallies:
        for name, tally in each.items():
            total[name] = total.get(name, FileTally()).merge(tally)
    return total


def require_shape(plan: SourcePlan, tallies: Mapping[str, FileTally]) -> None:
    """Nothing where the records have the shape and the encoding that they were read in.

    To be asked once all blocks are read and before anything is committed.

    Parameters
    ----------
    plan
        The plan.
    tallies
        By file name, what came of its records.

    Raises
    ------
    SourceError
        If most records of a file with many of them do not, or none of a folder's files that are written alike: the
        dialect or the encoding is wrong, whether guessed or declared.
    """
    alike: dict[tuple[Any, ...], list[SourceFile]] = defaultdict(list)
    for file in plan.files:
        _require(file, file.told, tallies.get(file.name, FileTally()), _is_mostly)
        folder = PurePosixPath(file.path).parent
        alike[folder, file.format, file.dialect, file.columns, file.encoding].append(file)
    for files in alike.values():
        # Any one short piece of a dataset may hold nothing but bad rows; all of them together may not.
        total = merged_tallies({"": tallies.get(file.name, FileTally())} for file in files)[""]
        others = f" and {len(files) - 1} more like it" if len(files) > 1 else ""
        _require(files[0], files[0].told + others, total, _is_all)


def _is_mostly(bad: int, records: int) -> bool:
    return records >= _ENOUGH_RECORDS and bad * 2 > records


def _is_all(bad: int, records: int) -> bool:
    return 0 < records == bad


def _require(file: SourceFile, name: str, tally: FileTally, fails: Callable[[int, int], bool]) -> None:
    if fails(tally.misshapen, tally.records):
        dialect = f"{'guessed' if file.guessed else 'declared'}: {file.dialect.describe()}" if file.dialect else ""
        raise SourceError(
            name,
            f"{tally.misshapen} of {tally.records} records do not have the shape expected "
            f"({file.format}, {dialect}; columns {', '.join(file.columns)}); it begins with {file.first_lines!r}",
            "Declare [source] delimiter, quote, escape and header as they are; nothing was committed.",
        )
    if fails(tally.undecodable, tally.records):
        raise SourceError(
            name,
            f"{tally.undecodable} of {tally.records} records are not text in the encoding {file.encoding}",
            'Declare [source] encoding as it is, or leave it to "auto"; nothing was committed.',
        )


def _counts(names: pa.ChunkedArray) -> dict[str, int]:
    return {str(pair["values"]): pair["counts"] for pair in pc.value_counts(names.combine_chunks()).to_pylist()}
