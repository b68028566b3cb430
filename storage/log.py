"""Reading the entries of a Delta log one by one: what the store wrote into them, and which files they name.

One entry is read on its own, so that the cost of a version's facts does not grow with the number of versions.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from storage.errors import StoreDamagedError

#: The key of the store's own facts in an entry's commit information.
KEY = "textmill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The commit information of one log entry.

    Attributes
    ----------
    number
        The version's number.
    timestamp
        Milliseconds since 1970.
    facts
        What the store wrote about it, or None where another program wrote the entry.
    """

    number: int
    timestamp: int
    facts: dict[str, Any] | None


def entry_path(log: Path, number: int) -> Path:
    """The file of a log entry."""
    return log / f"{number:020d}.json"


def entry_numbers(log: Path) -> list[int]:
    """The numbers of all entries that are there, ascending; empty where there is no log."""
    if not log.is_dir():
        return []
    return sorted(int(path.stem) for path in log.glob("*.json") if path.stem.isdigit())


def _action(line: bytes) -> dict[str, Any]:
    action = json.loads(line)
    if isinstance(action, dict):
        return action
    raise ValueError("not an object")


def read_actions(log: Path, number: int) -> Iterator[dict[str, Any]]:
    """The actions of one entry in order.

    Raises
    ------
    StoreDamagedError
        If the entry is missing or cannot be understood.
    """
    path = entry_path(log, number)
    try:
        with open(path, "rb") as file:
            for line in file:
                yield _action(line)
    except (OSError, ValueError) as error:
        raise StoreDamagedError(
            str(path),
            f"this entry of the log cannot be read ({error})",
            "Restore the file from a backup; `textmill verify` lists all damage.",
        ) from error


def read_entry(log: Path, number: int) -> Entry:
    """The commit information of one entry; raises `StoreDamagedError` where it cannot be read."""
    for action in read_actions(log, number):
        info = action.get("commitInfo")
        if info is not None:
            facts = info.get(KEY)
            return Entry(number=number, timestamp=int(info.get("timestamp", 0)), facts=facts)
    return Entry(number=number, timestamp=int(entry_path(log, number).stat().st_mtime * 1000), facts=None)


def is_step(entry: Entry) -> bool:
    """Whether the entry only prepares the next one and is no version of its own."""
    return entry.facts is not None and "step" in entry.facts


def replay(log: Path) -> Iterator[tuple[int, dict[str, int]]]:
    """Each entry's number with the files of that version: path relative to the dataset -> size in bytes.

    The mapping is updated in place from one entry to the next; copy what is to be kept.
    """
    files: dict[str, int] = {}
    for number in entry_numbers(log):
        for action in read_actions(log, number):
            if (removed := action.get("remove")) is not None:
                files.pop(unquote(removed["path"]), None)
            if (added := action.get("add")) is not None:
                files[unquote(added["path"])] = int(added["size"])
        yield number, files
