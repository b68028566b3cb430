"""A job's life as a table: what each event does in each state. Nothing here touches a file, a process or a clock.

::

    queued -> starting -> running <-> committing -> succeeded
                |            |            |
                +------------+------------+--> recovering -> running
                                          +--> failed, cancelled

A job whose driver is gone, or has not been heard of for a while, is *lost*. That is no state of its own, since nobody
is left to enter it: it is what an onlooker says of a job that ought to be alive.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from cluster.errors import JobStateError


class State(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    RECOVERING = "recovering"
    COMMITTING = "committing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: What onlookers say of a job that should be alive and is not.
LOST = "lost"
ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


class Kind(StrEnum):
    """What can happen to a job."""

    SUBMITTED = "submitted"
    PLACED = "placed"
    CLAIMED = "claimed"
    STARTED = "started"
    OPENED = "opened"
    CLUSTER_LOST = "cluster_lost"
    ADAPTED = "adapted"
    STAGE = "stage"
    NOTE = "note"
    COMMIT_BEGAN = "commit_began"
    COMMITTED = "committed"
    CANCEL_ASKED = "cancel_asked"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    RESUMED = "resumed"


class Action(StrEnum):
    """What whoever drives the job has to do next."""

    START_DRIVER = "start_driver"
    OPEN_CLUSTER = "open_cluster"
    STOP_WORK = "stop_work"
    CLOSE_CLUSTER = "close_cluster"
    DROP_STAGING = "drop_staging"
    NOTIFY = "notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a job.

    Attributes
    ----------
    kind
        What it was.
    token
        The fencing token of the driver that says so; None where it comes from outside.
    at
        When, as ISO text in UTC.
    facts
        More about it; plain values.
    """

    kind: Kind
    token: int | None = None
    at: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A job as its events so far have made it.

    Attributes
    ----------
    state
        None before it was submitted.
    token
        The newest driver's; events with a smaller one do not count.
    attempt
        How many drivers have claimed it.
    cancelling
        Whether someone asked to cancel it.
    """

    state: State | None = None
    token: int = 0
    attempt: int = 0
    cancelling: bool = False

    @property
    def ended(self) -> bool:
        """Whether no driver works on it any more, and none shall."""
        return self.state in ENDED


_ALIVE = (State.QUEUED, State.STARTING, State.RUNNING, State.RECOVERING, State.COMMITTING)
_AT_WORK = _ALIVE[1:]
_END = (Action.CLOSE_CLUSTER, Action.NOTIFY)

#: (state, event) -> the state after it and what to do. What is not here cannot happen.
TRANSITIONS: dict[tuple[State | None, Kind], tuple[State, tuple[Action, ...]]] = {
    (None, Kind.SUBMITTED): (State.QUEUED, (Action.START_DRIVER,)),
    (State.QUEUED, Kind.PLACED): (State.QUEUED, ()),
    (State.QUEUED, Kind.STARTED): (State.STARTING, (Action.OPEN_CLUSTER,)),
    (State.STARTING, Kind.OPENED): (State.RUNNING, ()),
    (State.RECOVERING, Kind.OPENED): (State.RUNNING, ()),
    (State.RUNNING, Kind.COMMIT_BEGAN): (State.COMMITTING, ()),
    # All is worked out, and what died was the driver in its commit.
    (State.RECOVERING, Kind.COMMIT_BEGAN): (State.COMMITTING, ()),
    (State.COMMITTING, Kind.OPENED): (State.COMMITTING, ()),
    (State.COMMITTING, Kind.COMMITTED): (State.RUNNING, ()),
    (State.RUNNING, Kind.SUCCEEDED): (State.SUCCEEDED, (Action.CLOSE_CLUSTER, Action.DROP_STAGING, Action.NOTIFY)),
    # A new driver starts from the queue, whatever the old one was doing.
    **{(state, Kind.CLAIMED): (State.QUEUED, ()) for state in _ALIVE},
    **{
        (state, kind): (State.RECOVERING, (Action.OPEN_CLUSTER,))
        for state in _AT_WORK
        for kind in (Kind.CLUSTER_LOST, Kind.ADAPTED)
    },
    **{(state, Kind.STAGE): (state, ()) for state in _AT_WORK},
    **{(state, Kind.NOTE): (state, ()) for state in State},
    **{(state, Kind.INTERRUPTED): (state, (Action.CLOSE_CLUSTER,)) for state in _ALIVE},
    **{(state, Kind.CANCEL_ASKED): (state, (Action.STOP_WORK,)) for state in _ALIVE},
    **{(state, Kind.CANCEL_ASKED): (state, ()) for state in ENDED},
    **{(state, Kind.STOPPED): (State.CANCELLED, _END) for state in _ALIVE},
    **{(state, Kind.FAILED): (State.FAILED, _END) for state in _ALIVE},
    # Only who has seen that a job is lost resumes one that did not end.
    **{
        (state, Kind.RESUMED): (State.QUEUED, (Action.START_DRIVER,))
        for state in (*_ALIVE, State.FAILED, State.CANCELLED)
    },
}


def step(life: Life, event: Event) -> tuple[Life, tuple[Action, ...]]:
    """The job after `event`, and what to do next.

    An event of a driver that another has followed changes nothing: whoever wakes up late is not listened to.

    Raises
    ------
    JobStateError
        If it cannot happen in this state.
    """
    if event.token is not None and event.token < life.token:
        return life, ()
    if event.kind is Kind.STARTED and life.state is State.QUEUED and life.attempt > 1:
        return replace(life, state=State.RECOVERING), (Action.OPEN_CLUSTER,)
    found = TRANSITIONS.get((life.state, event.kind))
    if found is None:
        raise JobStateError(str(life.state or "not submitted"), event.kind)
    state, actions = found
    after = replace(life, state=state)
    if event.kind is Kind.CLAIMED:
        after = replace(after, token=event.token or life.token, attempt=life.attempt + 1)
    elif event.kind is Kind.CANCEL_ASKED and not life.ended:
        after = replace(after, cancelling=True)
    elif event.kind in (Kind.RESUMED, Kind.STOPPED, Kind.SUCCEEDED, Kind.FAILED):
        after = replace(after, cancelling=False)
    return after, actions


def life_of(events: Iterable[Event]) -> Life:
    """The job as `events` in order have made it.

    Two onlookers may have written at once; what came too late to be possible is passed over.
    """
    life = Life()
    for event in events:
        try:
            life, _ = step(life, event)
        except JobStateError:
            continue
    return life
