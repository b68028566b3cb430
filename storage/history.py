"""A dataset's versions: from log entries to `Version` records, and from what a person names to a number."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from storage.errors import DatasetNotFoundError, VersionNotFoundError, VersionVacuumedError
from storage.fingerprint import Fingerprint
from storage.layout import DatasetLayout
from storage.log import Entry, entry_numbers, is_step, read_entry
from storage.table import open_table, table_files
from storage.vacuumed import vacuumed_numbers
from storage.versions import EXTERNAL, Version, iso_time, parse_time

#: Tag -> version number.
Tags = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A version with the facts that only the next commit needs.

    Attributes
    ----------
    version
        The version.
    fingerprint
        Its mergeable form, or None for a version that another program wrote.
    uniform
        Whether all its files have all its columns.
    fates
        The fates files of its run: name, rows, bytes.
    columns
        The names of its columns; empty for a version that another program wrote.
    ordinal
        How many versions there are up to it, or None where the entry does not say.
    arranged
        How its files were last arranged on purpose, see `storage.facts.VersionFacts`.
    """

    version: Version
    fingerprint: Fingerprint | None
    uniform: bool
    fates: tuple[dict[str, Any], ...]
    columns: tuple[str, ...]
    ordinal: int | None = None
    arranged: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[str, ...]:
        """Text columns whose least and greatest values may be told."""
        return tuple(self.arranged.get("shown", ()))

    @property
    def next_ordinal(self) -> int | None:
        """The ordinal of a version on top of it."""
        return None if self.ordinal is None else self.ordinal + 1


def head_of(layout: DatasetLayout, entry: Entry) -> Head:
    """The version that a log entry made."""
    facts = entry.facts
    if facts is None or "run" not in facts:
        return Head(version=_external(layout, entry), fingerprint=None, uniform=False, fates=(), columns=())
    version = Version(
        dataset=layout.name,
        number=entry.number,
        fingerprint=facts["digest"],
        rows=facts["rows"],
        bytes=facts["bytes"],
        files=facts["files"],
        created_at=iso_time(entry.timestamp),
        run=facts["run"],
        mode=facts["mode"],
        message=facts["message"],
        author=facts["author"],
        ledger=facts["ledger"],
        origin=facts["origin"],
        changes=facts.get("changes") or {},
        copied_from=facts.get("copied_from") or "",
    )
    mark = facts["fingerprint"]
    return Head(
        version=version,
        fingerprint=None if mark is None else Fingerprint.from_dict(mark),
        uniform=facts["uniform"],
        fates=tuple(facts["fates"]),
        columns=tuple(facts["columns"]),
        ordinal=facts.get("ordinal"),
        arranged=facts.get("arranged") or {},
    )


def _external(layout: DatasetLayout, entry: Entry) -> Version:
    gone = entry.number in vacuumed_numbers(layout)
    files = () if gone else table_files(layout, open_table(layout, entry.number))
    return Version(
        dataset=layout.name,
        number=entry.number,
        fingerprint="",
        rows=sum(file.rows for file in files),
        bytes=sum(file.bytes for file in files),
        files=len(files),
        created_at=iso_time(entry.timestamp),
        run="",
        mode=EXTERNAL,
        message="",
        author="",
        ledger={},
    )


def entries(layout: DatasetLayout) -> Iterator[Entry]:
    """The log entries that made versions, newest first; none where there is no dataset."""
    for number in reversed(entry_numbers(layout.log)):
        entry = read_entry(layout.log, number)
        if not is_step(entry):
            yield entry


def newest_head(layout: DatasetLayout) -> Head:
    """The newest version; its cost does not grow with the number of versions.

    Raises
    ------
    DatasetNotFoundError
        If there is none.
    """
    for entry in entries(layout):
        return head_of(layout, entry)
    raise DatasetNotFoundError(layout.name, "there is no such dataset", "List them with `textmill datasets`.")


def head_before(layout: DatasetLayout, number: int) -> Head:
    """The newest version whose number is at most `number`, which is an entry of the log.

    Raises
    ------
    DatasetNotFoundError
        If there is none.
    """
    for before in range(number, -1, -1):
        entry = read_entry(layout.log, before)
        if not is_step(entry):
            return head_of(layout, entry)
    raise DatasetNotFoundError(layout.name, "there is no such dataset", "List them with `textmill datasets`.")


def version_count(layout: DatasetLayout) -> int:
    """How many versions there are; the newest one that says so and those after it are read, no more."""
    later = 0
    for entry in entries(layout):
        ordinal = (entry.facts or {}).get("ordinal")
        if ordinal is not None:
            return int(ordinal) + later
        later += 1
    return later


def tagged(version: Version, tags: Tags) -> Version:
    """The version with the tags that name it."""
    return replace(version, tags=tuple(sorted(tag for tag, number in tags.items() if number == version.number)))


def versions(layout: DatasetLayout, tags: Tags) -> list[Version]:
    """All versions, newest first."""
    return [tagged(head_of(layout, entry).version, tags) for entry in entries(layout)]


def resolve(layout: DatasetLayout, at: int | str | None, tags: Tags) -> Head:
    """The version that `at` names: a number, a tag, an ISO 8601 time (the last version by then), None for the newest.

    Raises
    ------
    DatasetNotFoundError
        If there is no such dataset.
    VersionNotFoundError
        If `at` names no version of it.
    """
    if at is None:
        head = newest_head(layout)
    else:
        number = _number(layout, at, tags)
        entry = read_entry(layout.log, number) if number in set(entry_numbers(layout.log)) else None
        if entry is None or is_step(entry):
            raise _unknown(layout, at, tags)
        head = head_of(layout, entry)
    return replace(head, version=tagged(head.version, tags))


def require_files(layout: DatasetLayout, version: Version) -> None:
    """Nothing where the version still has its files.

    Raises
    ------
    VersionVacuumedError
        If a vacuum gave them up.
    """
    if version.number in vacuumed_numbers(layout):
        raise VersionVacuumedError(
            f"{layout.name} version {version.number}",
            "its files were given up by a vacuum",
            "Choose a newer version; tag a version to keep its files.",
        )


def _number(layout: DatasetLayout, at: int | str, tags: Tags) -> int:
    text = str(at).strip()
    if text.isdecimal():
        return int(text)
    if text in tags:
        return tags[text]
    moment = parse_time(text)
    if moment is None:
        raise _unknown(layout, at, tags)
    return _number_by(layout, at, moment, tags)


def _number_by(layout: DatasetLayout, at: int | str, moment: datetime, tags: Tags) -> int:
    for entry in entries(layout):
        if entry.timestamp <= moment.timestamp() * 1000:
            return entry.number
    raise _unknown(layout, at, tags)


def _unknown(layout: DatasetLayout, at: int | str, tags: Tags) -> VersionNotFoundError | DatasetNotFoundError:
    numbers = [str(entry.number) for entry in entries(layout)]
    if not numbers:
        return DatasetNotFoundError(layout.name, "there is no such dataset", "List them with `textmill datasets`.")
    close = difflib.get_close_matches(str(at), list(tags), n=1)
    hint = f"did you mean the tag {close[0]!r}? " if close else ""
    known = f"Versions: {', '.join(numbers[:10])}{' ...' if len(numbers) > 10 else ''}" + (
        f"; tags: {', '.join(sorted(tags))}" if tags else ""
    )
    return VersionNotFoundError(f"dataset {layout.name}", f"{at!r} is no version, tag or time of it", f"{hint}{known}.")
