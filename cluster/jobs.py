"""The jobs of a store, as anyone sees them: found by id, with their state, progress and logs."""

import difflib
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cluster.errors import JobNotFoundError
from cluster.heartbeat import is_alive, read_heartbeat
from cluster.job import LOST, Event, Kind, Life, State, life_of
from cluster.journal import Journal
from cluster.lease import holder_of, newest_token
from cluster.placed import placed_state
from cluster.submission import Submission
from storage.files import make_folder
from storage.store import Store

#: A job that waits for its batch system, or was submitted this moment, has no driver yet.
_FIRST_BEAT_S = 30.0
#: Dask's report of a run, in the job's folder.
PERFORMANCE = "performance.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """What is known of a job at one moment.

    Attributes
    ----------
    job, name
        Its id; its name from the job file.
    state
        A `State`, or "lost".
    attempt
        How many drivers have worked on it.
    submitted_at, ended_at
        ISO times; "" where it has not come to that.
    error
        Why it failed.
    stages
        Finished stages of the newest attempt, in order of their first end: "stage", "seconds" in all, and how many
        "times" it came.
    progress
        The last sign of life: "stage", "done", "tasks", "done_bytes", "done_rows", "stage_seconds", "memory_bytes",
        "workers" and more; empty where there is none.
    notes
        What a person was told, oldest first.
    placed
        Where a batch system has it: "system" and "id".
    pid, host
        Its driver; 0 and "" where there is none.
    performance
        Where Dask's report of the run lies; "" where there is none.
    """

    job: str
    name: str
    state: str
    attempt: int
    cancelling: bool
    submitted_at: str
    ended_at: str
    error: str
    stages: tuple[dict[str, Any], ...]
    progress: dict[str, Any]
    notes: tuple[str, ...]
    placed: dict[str, Any] = field(default_factory=dict)
    pid: int = 0
    host: str = ""
    performance: str = ""

    @property
    def ended(self) -> bool:
        """Whether it is over, for good or until it is resumed."""
        return self.state in (State.SUCCEEDED, State.FAILED, State.CANCELLED)

    @property
    def left_s(self) -> float | None:
        """Seconds that the running stage will take yet, at its speed so far; None where nobody can tell."""
        done, tasks = self.progress.get("done", 0), self.progress.get("tasks", 0)
        seconds = self.progress.get("stage_seconds", 0.0)
        return float(seconds / done * (tasks - done)) if done and tasks and not self.ended else None

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        return {**asdict(self), "left_s": self.left_s}


class JobFolder:
    """One job of a store.

    Parameters
    ----------
    path
        Its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self.journal = Journal(path)
        self.logs = path / "logs"

    def submission(self) -> Submission | None:
        """What it was submitted with; None where it was started without a file."""
        return Submission.saved(self.path)

    def alive(self) -> bool:
        """Whether a driver is at work on it."""
        return is_alive(holder_of(self.path), read_heartbeat(self.path), newest_token(self.path))

    def status(self) -> JobStatus:
        """What is known of it now."""
        # The state is read last: a driver that ends between two looks has written its end by then.
        alive, beat, holder = self.alive(), read_heartbeat(self.path), holder_of(self.path)
        events = self.journal.events()
        life = life_of(events)
        told = _Told(events)
        return JobStatus(
            job=self.id,
            name=told.name,
            state=self._state(life, alive=alive, told=told),
            attempt=life.attempt,
            cancelling=life.cancelling,
            submitted_at=told.submitted_at,
            ended_at=told.ended_at if life.ended else "",
            error=told.error if life.state is State.FAILED else "",
            stages=tuple(told.stages),
            progress={} if life.ended else {**beat, "age_s": max(0.0, time.time() - beat["at"])} if beat else {},
            notes=tuple(told.notes),
            placed=told.placed,
            pid=holder.pid if holder and alive else 0,
            host=holder.host.partition("/")[0] if holder else "",
            performance=str(report) if (report := self.path / PERFORMANCE).exists() else "",
        )

    def _state(self, life: Life, *, alive: bool, told: "_Told") -> str:
        if life.ended or alive or life.state is None:
            return str(life.state or State.QUEUED)
        placed = placed_state(told.placed)
        if placed is not None:
            # Whether its driver is on its way up, or up again, is what the batch system knows.
            return str(State.QUEUED if placed.pending else life.state if placed.running else LOST)
        if life.state is State.QUEUED and (told.placed or self._is_new()):
            return str(life.state)
        return LOST

    def _is_new(self) -> bool:
        """Whether its driver may still be on its way up."""
        return time.time() - self.journal.path.stat().st_mtime < _FIRST_BEAT_S


class _Told:
    """What the events of a job say about it, attempt by attempt."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.name = self.submitted_at = self.ended_at = self.error = ""
        self.stages: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.placed: dict[str, Any] = {}
        for event in events:
            self._hear(event)

    def _hear(self, event: Event) -> None:
        facts = dict(event.facts)
        if event.kind is Kind.SUBMITTED:
            self.name, self.submitted_at = str(facts.get("name", "")), event.at
        elif event.kind is Kind.RESUMED:
            self.placed = {}
        elif event.kind is Kind.CLAIMED:
            self.stages = []
        elif event.kind is Kind.PLACED:
            self.placed = facts
        elif event.kind is Kind.STAGE:
            known = next((one for one in self.stages if one["stage"] == facts["stage"]), None)
            if known is None:
                self.stages.append({**facts, "times": 1})
            else:
                known.update(seconds=round(known["seconds"] + facts["seconds"], 3), times=known["times"] + 1)
        elif event.kind in (Kind.NOTE, Kind.CLUSTER_LOST, Kind.ADAPTED, Kind.INTERRUPTED):
            self.notes.append(str(facts.get("text", event.kind)))
        elif event.kind in (Kind.FAILED, Kind.SUCCEEDED, Kind.STOPPED):
            self.ended_at, self.error = event.at, str(facts.get("error", ""))


class Jobs:
    """The jobs of a store.

    Parameters
    ----------
    store
        The store.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def ids(self) -> list[str]:
        """All ids, oldest first."""
        folder = self.store.layout.jobs
        found = [path for path in folder.iterdir() if (path / "journal.jsonl").exists()] if folder.is_dir() else []
        return [path.name for path in sorted(found, key=lambda path: (_born(path), path.name))]

    def folder(self, run: str) -> JobFolder:
        """The folder of the job `run`, made where it was missing."""
        return JobFolder(make_folder(self.store.layout.job(run)))

    def find(self, wanted: str) -> JobFolder:
        """The job whose id is or starts with `wanted`.

        Raises
        ------
        JobNotFoundError
            If there is none, or more than one.
        """
        ids = self.ids()
        matches = [wanted] if wanted in ids else [one for one in ids if wanted and one.startswith(wanted)]
        if len(matches) == 1:
            return JobFolder(self.store.layout.job(matches[0]))
        if matches:
            raise JobNotFoundError(wanted, f"{len(matches)} start so: {', '.join(matches[:5])}. Write more of the id.")
        close = difflib.get_close_matches(wanted, ids, n=1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise JobNotFoundError(wanted, f"not in {self.store.uri}. {hint}List them with `textmill jobs`.")

    def statuses(self) -> list[JobStatus]:
        """All jobs, newest first."""
        return [JobFolder(self.store.layout.job(run)).status() for run in reversed(self.ids())]


def _born(folder: Path) -> str:
    with open(folder / "journal.jsonl", "rb") as journal:
        return journal.readline(40).decode("utf-8", "replace")
