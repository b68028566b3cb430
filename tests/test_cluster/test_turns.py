"""The local queue, secrets, logs and cron lines."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.secrets import redacted, redacted_facts
from cluster.structured import JsonLines, told_line
from cluster.turns import turn
from textmill.cli.submitting import cron_line

HOLD = """
import sys
from cluster.turns import turn
with turn(sys.argv[1], sys.argv[2], lambda: None):
    print("in", flush=True)
    sys.stdin.readline()
"""


class TiredError(Exception):
    pass


def impatient(looks):
    left = iter(range(looks))

    def check():
        if next(left, None) is None:
            raise TiredError

    return check


@pytest.fixture
def queue(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTMILL_QUEUE", str(tmp_path / "queue"))
    monkeypatch.setattr("cluster.turns._LOOK_S", 0.01)
    return tmp_path / "queue"


def holder(run, at):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, run, at], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "in\n"
    return process


def test_one_job_at_a_time_and_the_dead_are_not_waited_for(queue):
    process = holder("first", "2026-01-01T00:00:00")
    try:
        with pytest.raises(TiredError), turn("second", "2026-01-01T00:00:01", impatient(3)):
            pass
        process.kill()
        process.wait(20)
        with turn("second", "2026-01-01T00:00:01", impatient(500)):
            assert not list(queue.glob("*.ticket"))
    finally:
        process.kill()
        process.communicate()


def test_as_many_at_once_as_are_allowed(queue, monkeypatch):
    monkeypatch.setenv("TEXTMILL_LOCAL_JOBS", "2")
    with (
        turn("a", "1", impatient(3)),
        turn("b", "2", impatient(3)),
        pytest.raises(TiredError),
        turn("c", "3", impatient(3)),
    ):
        pass
    with turn("c", "3", impatient(3)):
        pass


def test_who_came_first_goes_first(queue):
    process = holder("running", "1")
    waiting = subprocess.Popen(
        [sys.executable, "-c", HOLD, "early", "2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        while not list(queue.glob("2-early.ticket")):
            assert waiting.poll() is None
        process.communicate("\n", timeout=20)
        # The slot is free or early's; late, who came after, gets it in neither case before early has been in.
        assert waiting.stdout.readline() == "in\n"
        with pytest.raises(TiredError), turn("late", "3", impatient(3)):
            pass
        waiting.communicate("\n", timeout=20)
        with turn("late", "3", impatient(500)):
            pass
    finally:
        for each in (process, waiting):
            each.kill()
            each.communicate()


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=6, max_size=30), st.text(max_size=20))
def test_a_secret_of_the_environment_is_never_written(secret, around):
    environment = {"STORE_PASSWORD": secret, "HOME": "/home/me"}
    told = redacted_facts({"a": [f"{around}{secret}{around}"], "n": 1}, environment)
    assert secret not in told["a"][0].replace("${STORE_PASSWORD}", "")
    assert told["n"] == 1


def test_what_is_no_secret_stays():
    assert redacted("/home/me/data", {"HOME": "/home/me", "API_TOKEN": "short"}) == "/home/me/data"
    assert redacted("postgres://user:hunter2@host/db", {}) == "postgres://user:***@host/db"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("https://h/x?sig=a%2Fb&se=1", "https://h/x?sig=***&se=1"),
        ("s3://b/k?AWS_SECRET_KEY=abc", "s3://b/k?AWS_SECRET_KEY=***"),
        ("curl -H 'Authorization: Bearer abc.def' x", "curl -H 'Authorization: Bearer ***' x"),
        ("ftp://me:${PW}@host/", "ftp://me:${PW}@host/"),
        ("a basic understanding of the bearer instruments", "a basic understanding of the bearer instruments"),
        ("what=key=value", "what=key=value"),
        ("key: p%40ss%2Fword1", "key: ${STORE_KEY}"),
        ("key: p@ss/word1", "key: ${STORE_KEY}"),
        ("DB_PWD=hidden123", "DB_PWD=${DB_PWD}"),
        ("/home/me/work", "/home/me/work"),
    ],
)
def test_secrets_are_known_by_where_they_stand(said, told):
    variables = {"STORE_KEY": "p@ss/word1", "PWD": "/home/me/work", "DB_PWD": "hidden123", "HOME": "/home/me"}
    assert redacted(said, variables) == told
    assert redacted(told, variables) == told


def test_logs_are_lines_of_json_without_secrets(monkeypatch):
    monkeypatch.setenv("MY_SECRET", "hunter2hunter2")
    try:
        int("hunter2hunter2")
    except ValueError:
        record = logging.LogRecord("textmill", logging.ERROR, "", 0, "tried %s", ("hunter2hunter2",), sys.exc_info())
    line = JsonLines().format(record)
    assert "hunter2" not in line
    told = told_line(line)
    assert (told["message"], told["level"], told["who"], told["pid"]) == (
        "tried ${MY_SECRET}", "error", "textmill", os.getpid(),
    )  # fmt: skip
    assert "ValueError" in told["trace"]
    assert told_line("Segmentation fault\n") == {"message": "Segmentation fault"}
    assert told_line(json.dumps([1])) == {"message": "[1]"}


@pytest.mark.parametrize(
    ("every", "fields"),
    [("hourly", "0 * * * *"), ("15m", "*/15 * * * *"), ("6h", "0 */6 * * *"), ("1d", "0 3 * * *"), ("1 2 3 4 5", None)],
)
def test_a_cron_line_submits_the_same_again(every, fields):
    line = cron_line(every, ["submit", "a b.toml", f"--every={every}", "--set", "x=50%"], Path("/my data"))
    assert line == f"{fields or every} cd '/my data' && textmill submit 'a b.toml' --set x=50\\%"


@pytest.mark.parametrize("every", ["7m", "5h", "2d", "soon", "", "0m"])
def test_times_that_cron_cannot_keep_are_refused(every):
    with pytest.raises(click.UsageError, match="not a time"):
        cron_line(every, ["submit", "job.toml"], Path("/"))
