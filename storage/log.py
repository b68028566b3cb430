"""Reading the entries of a Delta log one by one: what the store wrote into them, and which files they name.

One entry is read on its own, so that the cost of a version's facts does not grow with the number of versions.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from storage.errors import StoreDamagedError
from storage.places import Place, read_lines

#: The key of the store's own facts in an entry's commit information.
KEY = "textmill"
_RESTORE = "Restore the file from a backup; `textmill verify` lists all damage."


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


def entry_path(log: Place, number: int) -> Place:
    """The file of a log entry."""
    return log / f"{number:020d}.json"


def entry_numbers(log: Place) -> list[int]:
    """The numbers of all entries that are there, ascending; empty where there is no log."""
    return sorted(int(path.stem) for path in log.glob("*.json") if path.stem.isdigit())


def _action(line: bytes) -> dict[str, Any]:
    action = json.loads(line)
    if isinstance(action, dict):
        return action
    raise ValueError("not an object")


def read_actions(log: Place, number: int) -> Iterator[dict[str, Any]]:
    """The actions of one entry in order.

    Raises
    ------
    StoreDamagedError
        If the entry is missing or cannot be understood.
    """
    path = entry_path(log, number)
    try:
        for line in read_lines(path):
            yield _action(line)
    except (OSError, ValueError) as error:
        raise StoreDamagedError(
            str(path),
            f"this entry of the log cannot be read ({error})",
            _RESTORE,
        ) from error


def read_entry(log: Place, number: int) -> Entry:
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


@dataclass(slots=True)
class Lifetime:
    """When a file was part of the dataset.

    Attributes
    ----------
    size
        Its bytes, as the log has them.
    statistics
        What the log last told of its rows and columns, JSON; empty where it told nothing.
    spans
        Pairs of version numbers: part of it from the first on, no more from the second on (None: to this day).
    """

    size: int
    statistics: str
    spans: list[tuple[int, int | None]]

    def within(self, numbers: Sequence[int]) -> list[int]:
        """Those of `numbers` (ascending) whose version has the file."""
        found: list[int] = []
        for start, stop in self.spans:
            first = bisect_left(numbers, start)
            found += numbers[first : None if stop is None else bisect_left(numbers, stop)]
        return found


def lifetimes(log: Place) -> dict[str, Lifetime]:
    """Every file that any version ever had: path relative to the dataset -> when.

    Raises
    ------
    StoreDamagedError
        If an entry is missing, unreadable or incomplete: what the versions need is not known then.
    """
    files, broken = readable_lifetimes(log)
    for error in broken.values():
        raise error
    return files


def readable_lifetimes(log: Place) -> tuple[dict[str, Lifetime], dict[int, StoreDamagedError]]:
    """As `lifetimes`, as far as the log can be read, and what is wrong with which entry."""
    files: dict[str, Lifetime] = {}
    broken: dict[int, StoreDamagedError] = {}
    live: dict[str, _Live] = {}
    numbers = entry_numbers(log)
    for number in range(numbers[-1] + 1 if numbers else 0):
        facts: dict[str, Any] = {}
        runs: list[str] = []
        whole = True
        try:
            for action in read_actions(log, number):
                _live(files, live, number, action)
                facts = (action.get("commitInfo") or {}).get(KEY) or facts
                runs += [action["txn"]["appId"]] if "txn" in action else []
            whole = bool(broken) or "run" not in facts or _complete(facts, runs, live)
        except StoreDamagedError as error:
            broken[number] = error
        except (KeyError, TypeError, ValueError, AttributeError):
            whole = False
        if number not in broken and not whole:
            broken[number] = StoreDamagedError(
                str(entry_path(log, number)), "the entry does not name what it tells of", _RESTORE
            )
    return files, broken


@dataclass(frozen=True, slots=True)
class _Live:
    bytes: int
    rows: int | None


def _complete(facts: dict[str, Any], runs: list[str], live: Mapping[str, _Live]) -> bool:
    rows = [one.rows for one in live.values()]
    return bool(
        facts["run"] in runs
        and facts["files"] == len(live)
        and facts["bytes"] == sum(one.bytes for one in live.values())
        and (None in rows or facts["rows"] == sum(filter(None, rows)))
    )


def _rows_told(added: dict[str, Any]) -> int | None:
    """How many rows the log says that a file has; None where it does not say, or not so that it can be understood."""
    try:
        return int(json.loads(added["stats"])["numRecords"])
    except (KeyError, TypeError, ValueError):
        return None


def _live(files: dict[str, Lifetime], live: dict[str, _Live], number: int, action: dict[str, Any]) -> None:
    if (removed := action.get("remove")) is not None:
        live.pop(unquote(removed["path"]), None)
        life = files.get(unquote(removed["path"]))
        if life is not None and life.spans[-1][1] is None:
            life.spans[-1] = (life.spans[-1][0], number)
    if (added := action.get("add")) is not None:
        live[unquote(added["path"])] = _Live(int(added["size"]), _rows_told(added))
        life = files.setdefault(unquote(added["path"]), Lifetime(int(added["size"]), "", []))
        life.statistics = added.get("stats") or life.statistics
        if not life.spans or life.spans[-1][1] is not None:
            life.spans.append((number, None))
