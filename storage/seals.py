"""How it is known that the entries of a log are those that were written: each holds the SHA-256 of the one before.

The newest has none after it. Its hash is kept in a note beside the log, written once the entry is there. A note may
be late, never early: whoever dies in between leaves that of an earlier entry, and those after it hold each other.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from storage.errors import StoreDamagedError, StoreError
from storage.files import write_atomic
from storage.layout import OWN, DatasetLayout
from storage.log import entry_numbers, entry_path, read_entry
from storage.places import Place

_LOG = logging.getLogger(__name__)

BEFORE = "before"


def note_path(layout: DatasetLayout) -> Place:
    """The note on the newest entry."""
    return layout.folder / OWN / "newest.json"


def entry_digest(layout: DatasetLayout, number: int) -> str:
    """Hex SHA-256 of an entry's bytes; raises `FileNotFoundError` where it is not there."""
    return hashlib.sha256(entry_path(layout.log, number).read_bytes()).hexdigest()


def sealed(layout: DatasetLayout, number: int, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of entry `number` with the hash of the entry before it."""
    try:
        return {**facts, BEFORE: entry_digest(layout, number - 1)} if number else dict(facts)
    except FileNotFoundError:  # another program keeps the log in checkpoints alone
        return dict(facts)


def note_newest(layout: DatasetLayout, number: int) -> None:
    """Nothing; entry `number`, which was written just now, is known by its hash.

    Where that cannot be written, it is logged: the version stands, and the note is late.
    """
    note = {"number": number, "sha256": entry_digest(layout, number)}
    try:
        write_atomic(note_path(layout), json.dumps(note).encode())
    except (OSError, StoreError) as error:
        _LOG.warning("version %d of %s is there, its note is not: %s", number, layout.name, error)


def broken_seals(layout: DatasetLayout) -> Iterator[tuple[int, str]]:
    """The numbers of entries that are not as they were written, or not there, and what is known of each."""
    # The note first: a commit may land in between, and its entry would be looked for in vain.
    noted = _noted(layout)
    numbers = entry_numbers(layout.log)
    digests = {number: entry_digest(layout, number) for number in numbers}
    for number in numbers:
        told = _before(layout, number)
        if told is not None and number - 1 in digests and told != digests[number - 1]:
            yield number - 1, f"the entry is not the one that entry {number} was written after"
    if noted is None:
        return
    number, digest = noted
    if number not in digests:
        yield number, "the entry is not there, though it was written"
    elif digests[number] != digest:
        yield number, "the entry is not as it was written"


def _before(layout: DatasetLayout, number: int) -> str | None:
    try:
        return (read_entry(layout.log, number).facts or {}).get(BEFORE)
    except StoreDamagedError:
        return None  # told already


def _noted(layout: DatasetLayout) -> tuple[int, str] | None:
    """What the note says; None where there is none.

    Raises
    ------
    StoreDamagedError
        If it cannot be understood.
    """
    path = note_path(layout)
    try:
        note = json.loads(path.read_bytes())
        return int(note["number"]), str(note["sha256"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreDamagedError(
            str(path),
            f"the note on the newest version cannot be understood ({error})",
            "Remove it, if all else is well: the next commit writes it anew.",
        ) from error
