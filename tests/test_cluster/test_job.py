"""A job's life as a table, checked row by row and by random walks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import JobStateError
from cluster.job import ENDED, TRANSITIONS, Action, Event, Kind, Life, State, life_of, step

Q, S, R, V, C = State.QUEUED, State.STARTING, State.RUNNING, State.RECOVERING, State.COMMITTING
WON, LOST, GONE = State.SUCCEEDED, State.FAILED, State.CANCELLED
ALIVE, AT_WORK = (Q, S, R, V, C), (S, R, V, C)

#: event -> states before it and the state after; "=" for the same.
TABLE = {
    Kind.SUBMITTED: {None: Q},
    Kind.PLACED: {Q: Q},
    Kind.CLAIMED: dict.fromkeys(ALIVE, Q),
    Kind.STARTED: {Q: S},
    Kind.OPENED: {S: R, V: R, C: C},
    Kind.CLUSTER_LOST: dict.fromkeys(AT_WORK, V),
    Kind.ADAPTED: dict.fromkeys(AT_WORK, V),
    Kind.STAGE: {state: state for state in AT_WORK},
    Kind.NOTE: {state: state for state in State},
    Kind.COMMIT_BEGAN: {R: C, V: C},
    Kind.COMMITTED: {C: R},
    Kind.CANCEL_ASKED: {state: state for state in State},
    Kind.INTERRUPTED: {state: state for state in ALIVE},
    Kind.STOPPED: dict.fromkeys(ALIVE, GONE),
    Kind.FAILED: dict.fromkeys(ALIVE, LOST),
    Kind.SUCCEEDED: {R: WON},
    Kind.RESUMED: dict.fromkeys((*ALIVE, LOST, GONE), Q),
}


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("state", [None, *State])
def test_every_event_in_every_state(state, kind):
    life, event = Life(state=state, attempt=1, token=1), Event(kind=kind, token=1)
    if state in TABLE[kind]:
        assert step(life, event)[0].state == TABLE[kind][state]
    else:
        with pytest.raises(JobStateError, match=kind):
            step(life, event)


def test_what_is_to_be_done():
    def actions(state, kind, **life):
        return step(Life(state=state, **life), Event(kind=kind))[1]

    assert actions(None, Kind.SUBMITTED) == (Action.START_DRIVER,)
    assert actions(Q, Kind.STARTED) == (Action.OPEN_CLUSTER,)
    assert actions(R, Kind.CLUSTER_LOST) == (Action.OPEN_CLUSTER,)
    assert actions(C, Kind.CANCEL_ASKED) == (Action.STOP_WORK,)
    assert actions(WON, Kind.CANCEL_ASKED) == ()
    assert Action.DROP_STAGING in actions(R, Kind.SUCCEEDED)
    # What was done stays for a resume.
    assert Action.DROP_STAGING not in actions(R, Kind.FAILED) + actions(R, Kind.STOPPED) + actions(R, Kind.INTERRUPTED)
    assert all(Action.NOTIFY in done for (_, _), (state, done) in TRANSITIONS.items() if state in ENDED and done)


def test_a_second_driver_recovers_and_the_first_is_not_heard_any_more():
    events = [
        Event(kind=Kind.SUBMITTED),
        Event(kind=Kind.CLAIMED, token=1),
        Event(kind=Kind.STARTED, token=1),
        Event(kind=Kind.OPENED, token=1),
        Event(kind=Kind.RESUMED),
        Event(kind=Kind.CLAIMED, token=2),
        Event(kind=Kind.STARTED, token=2),
    ]
    life = life_of(events)
    assert (life.state, life.attempt, life.token) == (V, 2, 2)
    late = [Event(kind=kind, token=1) for kind in (Kind.COMMIT_BEGAN, Kind.COMMITTED, Kind.SUCCEEDED, Kind.FAILED)]
    assert life_of([*events, *late]) == life
    assert life_of([*events, *late, Event(kind=Kind.OPENED, token=2)]).state == R


def test_asking_to_cancel_is_remembered_until_the_job_ends_or_is_resumed():
    asked = [Event(kind=Kind.SUBMITTED), Event(kind=Kind.CLAIMED, token=1), Event(kind=Kind.CANCEL_ASKED)]
    assert life_of(asked).cancelling
    assert not life_of([*asked, Event(kind=Kind.STOPPED, token=1)]).cancelling
    again = life_of([*asked, Event(kind=Kind.STOPPED, token=1), Event(kind=Kind.RESUMED)])
    assert (again.state, again.cancelling) == (Q, False)


@given(st.lists(st.tuples(st.sampled_from(list(Kind)), st.integers(1, 3) | st.none()), max_size=40))
def test_whatever_is_told_the_life_stays_sound(told):
    life = Life()
    for kind, token in told:
        after = life_of([Event(kind=Kind.SUBMITTED)]) if life.state is None and kind is Kind.SUBMITTED else None
        try:
            new, actions = step(life, Event(kind=kind, token=token))
        except JobStateError:
            continue
        assert new.token >= life.token
        assert new.attempt - life.attempt in (0, 1)
        assert after is None or new.state == after.state
        # Nothing but being resumed brings a job back that has ended.
        if life.ended and not new.ended:
            assert kind is Kind.RESUMED
            assert life.state is not WON
        # Nobody who has been followed changes anything.
        if token is not None and token < life.token:
            assert (new, actions) == (life, ())
        life = new
