"""A job's journal: one line of JSON an event, only ever added to, each on disk before anyone goes on."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster.job import Action, Event, Kind, Life, life_of, step
from storage.files import explained
from storage.locks import locked


def now() -> str:
    """The present moment as ISO text in UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Journal:
    """The journal in a job's folder.

    Parameters
    ----------
    folder
        The job's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.jsonl"

    def append(self, kind: Kind, token: int | None = None, **facts: Any) -> tuple[Life, tuple[Action, ...]]:
        """The job after an event that is in the journal, safely on disk, and what to do next.

        Raises
        ------
        JobStateError
            If it cannot happen in the job's state; nothing is written.
        DiskFullError, StoreNotWritableError
            If it cannot be written.
        """
        event = Event(kind=kind, token=token, at=now(), facts=facts)
        with self._alone():
            after = step(life_of(self.events()), event)
            self._write(event)
        return after

    def events(self) -> list[Event]:
        """All events in order. A line that was cut short by a death, which only the last can be, is passed over."""
        return list(self._read())

    def life(self) -> Life:
        """The job as its events have made it."""
        return life_of(self._read())

    def _read(self) -> Iterator[Event]:
        if not self.path.exists():
            return
        for line in self.path.read_bytes().splitlines():
            try:
                told = json.loads(line)
                yield Event(kind=Kind(told.pop("event")), token=told.pop("token"), at=told.pop("at"), facts=told)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with locked(self.path.with_name("journal.lock")):
            yield

    def _write(self, event: Event) -> None:
        told = {"at": event.at, "event": event.kind, "token": event.token, **event.facts}
        line = json.dumps(told, ensure_ascii=False, default=str).encode() + b"\n"
        with explained(self.path):
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                size = os.fstat(file).st_size
                torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
                os.write(file, b"\n" + line if torn else line)
                os.fsync(file)
            finally:
                os.close(file)
