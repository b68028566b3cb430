"""Which files to put together, and what that would bring: pure functions over sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.versions import DataFile

#: Files of about this size are read well by every engine.
TARGET_BYTES = 128_000_000
#: A file of at least this share of the target stays as it is.
WELL_FILLED = 0.6
#: So many small files side by side, and putting them together pays: each row is written again O(log) times.
ENOUGH_FILES = 8
#: Queries that filtered by a column before sorting by it is proposed, and the share of files they opened in vain.
_ENOUGH_QUERIES = 5
_IN_VAIN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """How files are wanted.

    Attributes
    ----------
    target_bytes
        Size of a file.
    sort
        Columns to sort by.
    z_order
        Columns to interleave, so that a filter on any of them skips files.
    partition
        Columns and ``year(c)``, ``month(c)``, ``day(c)``: no file has two values of them.
    """

    target_bytes: int = TARGET_BYTES
    sort: tuple[str, ...] = ()
    z_order: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()

    @property
    def reorders(self) -> bool:
        """Whether rows change their order."""
        return bool(self.sort or self.z_order or self.partition)

    def to_dict(self, shown: Sequence[str]) -> dict[str, object]:
        """What the log entry keeps; `shown` are text columns whose span it tells."""
        return {
            "target_bytes": self.target_bytes,
            "sort": list(self.sort),
            "z_order": list(self.z_order),
            "partition": list(self.partition),
            "shown": list(shown),
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, object]) -> "Arrangement":
        """The arrangement that `to_dict` wrote; the plain one of an empty dict."""
        named = {name: facts.get(name) for name in ("sort", "z_order", "partition")}
        lists = {name: tuple(value) for name, value in named.items() if isinstance(value, list)}
        size = facts.get("target_bytes")
        return cls(target_bytes=size if isinstance(size, int) else TARGET_BYTES, **lists)


def groups_to_merge(files: Sequence[DataFile], target_bytes: int, *, at_least: int = 2) -> list[tuple[DataFile, ...]]:
    """Runs of files side by side that together make about one file of the target size.

    Files are never reordered, so that rows keep their order; a file that is well filled stays as it is.

    Parameters
    ----------
    files
        In row order.
    at_least
        Shorter runs are left alone.
    """
    runs: list[list[DataFile]] = [[]]
    size = 0
    for file in files:
        small = file.bytes < WELL_FILLED * target_bytes
        if not small or size + file.bytes > target_bytes:
            runs.append([])
            size = 0
        if small:
            runs[-1].append(file)
            size += file.bytes
    return [tuple(run) for run in runs if len(run) >= at_least]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What queries with a filter on one column did.

    Attributes
    ----------
    queries
        How many there were.
    files
        Files that their versions had, added up.
    opened
        Files that statistics could not leave out, added up.
    """

    queries: int = 0
    files: int = 0
    opened: int = 0

    def merge(self, other: "Observed") -> "Observed":
        """Both together."""
        return Observed(
            queries=self.queries + other.queries, files=self.files + other.files, opened=self.opened + other.opened
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Whether it pays to arrange files anew, and why.

    Attributes
    ----------
    pays
        Whether to do it.
    reason
        The facts in a sentence.
    files_before, files_after
        How many files there are and would be.
    rewritten_bytes
        What would have to be written again.
    sort
        Columns by which sorting would let queries skip files; empty where nothing is known to gain.
    """

    pays: bool
    reason: str
    files_before: int
    files_after: int
    rewritten_bytes: int
    sort: tuple[str, ...] = ()


def advise(
    files: Sequence[DataFile], arrangement: Arrangement, observed: Mapping[str, Observed] | None = None
) -> Advice:
    """What compacting these files would bring.

    Parameters
    ----------
    files
        Of the newest version, in row order.
    arrangement
        How they were last arranged.
    observed
        What queries did, by the column they filtered by.
    """
    seen = observed or {}
    column = _worth_sorting_by(files, arrangement, seen)
    if column is not None:
        size = sum(file.bytes for file in files)
        told = seen[column]
        return Advice(
            pays=True,
            reason=f"{told.queries} queries filtered by {column} and opened {told.opened:,} of {told.files:,} files; "
            f"sorted by it, most could be left out",
            files_before=len(files),
            files_after=max(1, round(size / arrangement.target_bytes)),
            rewritten_bytes=size,
            sort=(column,),
        )
    return _merging(files, arrangement)


def _merging(files: Sequence[DataFile], arrangement: Arrangement) -> Advice:
    groups = groups_to_merge(files, arrangement.target_bytes, at_least=ENOUGH_FILES)
    merged = sum(map(len, groups))
    size = sum(file.bytes for group in groups for file in group)
    if groups:
        reason = (
            f"{merged:,} files of {size / merged / 1e6:.2f} MB on average would become {len(groups):,} "
            f"of about {size / len(groups) / 1e6:.1f} MB"
        )
    else:
        small = sum(file.bytes < WELL_FILLED * arrangement.target_bytes for file in files)
        reason = f"no {ENOUGH_FILES} small files lie side by side ({small:,} of {len(files):,} are small)"
    return Advice(
        pays=bool(groups),
        reason=reason,
        files_before=len(files),
        files_after=len(files) - merged + len(groups),
        rewritten_bytes=size,
    )


def _worth_sorting_by(
    files: Sequence[DataFile], arrangement: Arrangement, observed: Mapping[str, Observed]
) -> str | None:
    # What a person chose is kept, and a few files or bytes gain nothing.
    if arrangement.reorders or len(files) < ENOUGH_FILES or sum(f.bytes for f in files) < arrangement.target_bytes:
        return None
    gains = {
        name: seen.opened
        for name, seen in observed.items()
        if seen.queries >= _ENOUGH_QUERIES and seen.opened > _IN_VAIN * seen.files
    }
    return max(gains, key=lambda name: (gains[name], name)) if gains else None
