"""Journals, claims and signs of life: what is on disk when processes die at any moment."""

import json
import os
import subprocess
import sys
import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import JobStateError, LeaseLostError
from cluster.heartbeat import is_alive, read_heartbeat, write_heartbeat
from cluster.job import Event, Kind, State
from cluster.journal import Journal
from cluster.lease import Holder, claim, holder_of, newest_token

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


def test_events_come_back_as_they_were_told(tmp_path):
    journal = Journal(tmp_path)
    assert journal.events() == []
    life, actions = journal.append(Kind.SUBMITTED, name='line\nbreak "quoted" 中文')
    assert (life.state, len(actions)) == (State.QUEUED, 1)
    journal.append(Kind.CLAIMED, 1, host="a")
    told = journal.events()
    assert [(event.kind, event.token) for event in told] == [(Kind.SUBMITTED, None), (Kind.CLAIMED, 1)]
    assert told[0].facts == {"name": 'line\nbreak "quoted" 中文'}
    assert told[0].at < told[1].at or told[0].at == told[1].at
    assert journal.life().token == 1


def test_what_cannot_happen_is_not_written(tmp_path):
    journal = Journal(tmp_path)
    journal.append(Kind.SUBMITTED)
    with pytest.raises(JobStateError):
        journal.append(Kind.SUCCEEDED, 1)
    assert len(journal.events()) == 1


@given(notes=st.lists(TEXTS, min_size=1, max_size=5), data=st.data())
def test_a_journal_cut_anywhere_keeps_its_whole_lines_and_goes_on(notes, data, tmp_path_factory):
    journal = Journal(tmp_path_factory.mktemp("journal"))
    journal.append(Kind.SUBMITTED)
    for note in notes:
        journal.append(Kind.NOTE, text=note)
    content = journal.path.read_bytes()
    first = content.index(b"\n") + 1
    cut = data.draw(st.integers(first, len(content)))
    journal.path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n") - 1
    # A line whose end alone is missing was told in full.
    kept = len([event for event in journal.events() if event.kind is Kind.NOTE])
    assert kept in (whole, whole + 1)
    journal.append(Kind.CLAIMED, 1)
    assert journal.events()[-1].kind is Kind.CLAIMED
    assert journal.life().attempt == 1


CLAIM = """
import sys
from pathlib import Path
from cluster.errors import LeaseLostError
from cluster.lease import claim
print("ready", flush=True)
sys.stdin.readline()
try:
    print(claim(Path(sys.argv[1])).token)
except LeaseLostError:
    print(0)
"""


def test_of_many_who_claim_at_once_each_token_has_one_holder(tmp_path):
    words = [sys.executable, "-c", CLAIM, str(tmp_path)]
    claimers = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    try:
        for process in claimers:
            assert process.stdout.readline() == "ready\n"
        for process in claimers:
            process.stdin.write("\n")
            process.stdin.flush()
        tokens = [int(process.communicate(timeout=60)[0]) for process in claimers]
    finally:
        for process in claimers:
            process.kill()
    won = [token for token in tokens if token]
    assert won
    assert len(set(won)) == len(won)
    assert newest_token(tmp_path) == max(won)
    assert not list(tmp_path.glob(".lease*"))


def test_who_has_been_followed_is_told_so(tmp_path):
    first = claim(tmp_path)
    first.require()
    second = claim(tmp_path)
    second.require()
    assert not first.held
    with pytest.raises(LeaseLostError, match=r"claim 2, this one is 1"):
        first.require()
    assert holder_of(tmp_path) == second.holder
    assert second.holder.pid == os.getpid()


def test_a_dead_driver_is_known_at_once_and_a_silent_one_after_a_while(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        holder = Holder(pid=process.pid, born=psutil.Process(process.pid).create_time())
        assert not is_alive(None, {}, 0)
        assert is_alive(holder, {}, 1)  # it has not had the time for a first beat
        write_heartbeat(tmp_path, 1, {"stage": "clean"})
        beat = read_heartbeat(tmp_path)
        assert beat["stage"] == "clean"
        assert is_alive(holder, beat, 1)
        assert not is_alive(holder, {**beat, "at": time.time() - 60}, 1)
    finally:
        process.kill()
        process.wait(20)
    assert not is_alive(holder, beat, 1)
    elsewhere = Holder(host="elsewhere/0", pid=1, born=0.0)
    assert is_alive(elsewhere, beat, 1)
    assert not is_alive(elsewhere, {**beat, "at": time.time() - 60}, 1)
    assert not is_alive(elsewhere, {}, 1)


def test_a_number_that_came_again_is_another_process():
    assert Holder().process() is not None
    assert Holder(born=0.0).process() is None


def test_a_torn_heartbeat_is_none(tmp_path):
    (tmp_path / "heartbeat.json").write_text("{")
    assert read_heartbeat(tmp_path) == {}


def test_a_line_of_a_newer_textmill_is_passed_over(tmp_path):
    journal = Journal(tmp_path)
    journal.append(Kind.SUBMITTED)
    with open(journal.path, "a", encoding="utf-8") as file:
        file.write(json.dumps({"at": "", "event": "teleported", "token": None}) + "\n[]\n")
    assert journal.events() == [Event(kind=Kind.SUBMITTED, at=journal.events()[0].at)]
