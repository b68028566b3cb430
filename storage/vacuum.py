"""Giving up the files that no version worth keeping needs.

Kept are the newest version, every version that a tag or a model names, and every version younger than the given
age. The list of versions given up is written first, so that none is half there in the eyes of a reader.

Locks hold on one machine. Whoever names a version from another one, by a tag or a rollback, looks at the list once that
is done; a vacuum looks at names and versions once the list is written. So at least one of them sees the other, and
steps back (Dekker's way). Files that no entry ever named may belong to a commit on its way elsewhere: they have to
be older in a bucket.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from storage.files import ASIDE_SUFFIX, explained
from storage.history import entries
from storage.layout import DatasetLayout, parse_part_name
from storage.log import Entry, Lifetime, lifetimes
from storage.places import ObjectPath, Place, Stat, remove_all
from storage.vacuumed import add_vacuumed, remove_vacuumed, vacuumed_numbers

DEFAULT_AGE_HOURS = 168.0
#: A commit of another machine uploads its files within this time before it names them.
_UPLOAD_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A version kept because something names it.

    Attributes
    ----------
    version
        Its number.
    names
        ``"tag gold"``, ``"model m1"``.
    bytes
        What would be freed if only this version were not kept.
    """

    version: int
    names: tuple[str, ...]
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumReport:
    """What a vacuum removed and what it had to keep.

    Attributes
    ----------
    dataset
        The dataset's name.
    versions
        Numbers of the versions given up now.
    files, bytes
        How much was removed, or would be in a dry run.
    pins
        Versions kept for a tag or model.
    dry_run
        Whether nothing was removed.
    """

    dataset: str
    versions: tuple[int, ...]
    files: int
    bytes: int
    pins: tuple[Pin, ...]
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which versions go and which stay.

    Attributes
    ----------
    kept
        Numbers of the versions that keep their files.
    given_up
        Numbers of the versions that lose them now.
    """

    kept: frozenset[int]
    given_up: frozenset[int]

    def without(self, numbers: frozenset[int]) -> "Plan":
        """The plan in which these versions stay, too."""
        return Plan(kept=self.kept | numbers, given_up=self.given_up - numbers)


def plan_vacuum(known: Iterable[Entry], gone: frozenset[int], pinned: Iterable[int], oldest_ms: float) -> Plan:
    """Which versions go: those older than `oldest_ms` that are not the newest, pinned, or gone already.

    Parameters
    ----------
    known
        All versions, newest first.
    gone
        Versions vacuumed before.
    pinned
        Versions that a tag or model names.
    oldest_ms
        Milliseconds since 1970.
    """
    there = [entry for entry in known if entry.number not in gone]
    held = {*pinned, *(entry.number for entry in there[:1])}
    kept = frozenset(entry.number for entry in there if entry.number in held or entry.timestamp >= oldest_ms)
    return Plan(kept=kept, given_up=frozenset(entry.number for entry in there) - kept)


def vacuum(
    layout: DatasetLayout,
    pins: Callable[[], Mapping[int, tuple[str, ...]]],
    *,
    older_than_hours: float = DEFAULT_AGE_HOURS,
    dry_run: bool = False,
) -> VacuumReport:
    """What was removed: files that only versions given up need, and files that no version names.

    The caller holds the dataset's lock, so that `pins` cannot grow by this machine meanwhile.

    Parameters
    ----------
    pins
        Tells version number -> what names it, now.
    older_than_hours
        Younger versions and files stay.
    dry_run
        Tell what would go, and remove nothing.
    """
    oldest = time.time() - older_than_hours * 3600
    gone, named = vacuumed_numbers(layout), pins()
    plan = plan_vacuum(list(entries(layout)), gone, named, oldest * 1000)
    if plan.given_up and not dry_run:
        add_vacuumed(layout, plan.given_up)
        named = pins()
        plan = plan.without(plan_vacuum(list(entries(layout)), gone, named, oldest * 1000).kept)
        remove_vacuumed(layout, plan.kept)
    files = lifetimes(layout.log)
    users = _users(layout, files, plan.kept)
    there = {path: path.stat() for path in _own_files(layout)}
    # What no entry ever named may be of a commit on its way, on a machine that does not know the lock.
    upload_s = _UPLOAD_S if isinstance(layout.folder, ObjectPath) else 0.0
    unnamed = min(oldest, time.time() - upload_s)
    known = {layout.folder / name for name in files} | _fates(layout)
    doomed = [
        path
        for path, facts in there.items()
        if path not in users and facts.st_mtime <= (oldest if path in known else unnamed)
    ]
    size = sum(there[path].st_size for path in doomed)
    if not dry_run:
        with explained(layout.folder):
            remove_all(doomed)
    return VacuumReport(
        dataset=layout.name,
        versions=tuple(sorted(plan.given_up)),
        files=len(doomed),
        bytes=size,
        pins=tuple(
            Pin(version=number, names=named[number], bytes=_alone(users, there, number))
            for number in sorted(named)
            if number in plan.kept
        ),
        dry_run=dry_run,
    )


def _fates(layout: DatasetLayout) -> set[Place]:
    """The fates files of all versions."""
    return {layout.fates / line["name"] for entry in entries(layout) for line in (entry.facts or {}).get("fates", ())}


def _users(layout: DatasetLayout, files: Mapping[str, Lifetime], kept: frozenset[int]) -> dict[Place, list[int]]:
    """File -> the kept versions that need it."""
    numbers = sorted(kept)
    users = {layout.folder / name: life.within(numbers) for name, life in files.items()}
    for entry in entries(layout):
        if entry.number in kept:
            for line in (entry.facts or {}).get("fates", ()):
                users.setdefault(layout.fates / line["name"], []).append(entry.number)
    return {path: needing for path, needing in users.items() if needing}


def _own_files(layout: DatasetLayout) -> list[Place]:
    # What the store did not name is not the store's to remove.
    folders: list[Place] = [folder for folder in (layout.folder, layout.fates) if folder.is_dir()]
    return [
        path
        for folder in folders
        for path in folder.iterdir()
        if parse_part_name(path.name) is not None or path.name.endswith(ASIDE_SUFFIX)
    ]


def _alone(users: Mapping[Place, list[int]], there: Mapping[Place, Stat], number: int) -> int:
    return sum(there[path].st_size for path, needing in users.items() if needing == [number] and path in there)
