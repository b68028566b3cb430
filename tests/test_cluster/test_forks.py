"""Servers forked by one process: the one that began early where it is fit, none left over, no file left behind."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
from child_processes import children_running
from click.testing import CliRunner

from benchmarks.recovery import awaited
from cluster.providers import forks
from cluster.providers.commands import address_on, scheduler_plan
from cluster.surroundings import CODE
from textmill.cli.main import cli

pytestmark = pytest.mark.xdist_group("cluster")


def forking():
    """The processes of this one that fork servers."""
    return children_running("cluster.forking")


def the_one_forking():
    """The only such process; one that has just begun has no words on its command line for a moment."""
    awaited(forking, "what forks servers")
    [process] = forking()
    return process


@pytest.fixture
def early():
    forks.begin()
    yield forks._early[0]
    forks.end_unused()
    assert not forking()


@pytest.fixture
def new():
    made = forks.Forks({})
    yield made
    made.close()


def scheduler_of(made, folder):
    plan, card = scheduler_plan("127.0.0.1", None, folder, watch=None)
    servers = {"scheduler": {"cls": plan["cls"], "opts": plan["options"]}}
    return made.fork("scheduler", servers, None, folder / "logs" / "scheduler.log"), card


def test_who_wants_forks_gets_those_that_began_early(early):
    with_them = forks.forks_for({})
    try:
        assert with_them is early
        assert the_one_forking()
    finally:
        with_them.close()


@pytest.mark.parametrize("given", [{"COLOUR": "blue"}, {"TEXTMILL_LOGS": "plain"}])
def test_forks_that_began_early_without_variables_that_are_wanted_end(early, given):
    others = forks.forks_for(given)
    try:
        assert others is not early
        process = the_one_forking()
        assert given.items() <= process.environ().items()
    finally:
        others.close()


def test_forks_that_began_before_code_was_found_elsewhere_end(early, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    others = forks.forks_for({})
    try:
        assert others is not early
        process = the_one_forking()
        assert process.environ()["PYTHONPATH"].split(os.pathsep) == [CODE, str(tmp_path)]
    finally:
        others.close()


def test_forks_that_died_early_are_no_use_to_anyone(early):
    process = the_one_forking()
    process.kill()
    awaited(lambda: process.status() == psutil.STATUS_ZOMBIE, "the end of what was killed")
    others = forks.forks_for({})
    try:
        assert others is not early
        assert forking() != [process]
    finally:
        others.close()


def test_a_server_is_up_until_it_is_ended(new, tmp_path):
    server, card = scheduler_of(new, tmp_path)
    awaited(lambda: address_on(card), "the scheduler's address")
    assert not server.ended
    server.end()
    awaited(lambda: server.ended, "the scheduler's end")
    # The one that forked it goes on.
    again, card = scheduler_of(new, tmp_path)
    awaited(lambda: address_on(card), "the second scheduler's address")
    assert not again.ended
    assert server.ended


def test_a_server_that_cannot_start_says_why(new, tmp_path):
    server = new.fork("scheduler", {"it": {"cls": "distributed.Nobody", "opts": {}}}, None, tmp_path / "log")
    awaited(lambda: server.ended, "the end of a server that is none")
    assert "Nobody" in server.last_words()


def test_what_cannot_even_fork_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    made = forks.Forks({})
    try:
        server = made.fork("scheduler", {}, None, tmp_path / "log")
        awaited(lambda: server.ended, "the end of what is no Python")
        assert server.last_words() == ""
    finally:
        made.close()


def test_a_name_is_in_the_system_s_list_of_processes(new, tmp_path):
    _, card = scheduler_of(new, tmp_path)
    awaited(lambda: address_on(card), "the scheduler's address")
    assert "scheduler" in [child.name() for child in psutil.Process().children(recursive=True)]


HOLDS_FORKS = f"""
import sys
sys.path.insert(0, {CODE!r})
import time
from pathlib import Path
from cluster.providers import forks
from cluster.providers.commands import address_on, scheduler_plan
made = forks.Forks({{}})
plan, card = scheduler_plan("127.0.0.1", None, Path("scratch"), watch=None)
servers = {{"scheduler": {{"cls": plan["cls"], "opts": plan["options"]}}}}
made.fork("scheduler", servers, None, Path("log"))
if sys.argv[1] == "up":
    while address_on(card) is None:
        time.sleep(0.01)
print("there", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(("moment", "folder"), [("at once", "tmp"), ("up", "tmp"), ("up", 150 * "t")])
def test_nothing_is_left_of_forks_whose_driver_is_killed(tmp_path, moment, folder):
    temporary = tmp_path / folder
    temporary.mkdir()
    driver = subprocess.Popen(
        [sys.executable, "-c", HOLDS_FORKS, moment],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
    )
    try:
        assert driver.stdout.readline() == b"there\n"
        family = psutil.Process(driver.pid).children(recursive=True)
        assert family
        driver.kill()
        driver.wait(timeout=60)
        awaited(lambda: not psutil.wait_procs(family, timeout=1)[1], "the end of all servers")
        awaited(lambda: not list(temporary.iterdir()), "an empty folder for temporary files")
    finally:
        driver.stdout.close()
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait(timeout=60)


def test_a_verb_that_comes_to_nothing_leaves_no_forks(tmp_path):
    assert CliRunner().invoke(cli, ["run", str(tmp_path / "no.toml")]).exit_code == 2
    assert not forking()


@pytest.mark.parametrize("words", [["run", "--help"], ["run", "job.toml", "--profile", "lab"], ["demo", "-h"]])
def test_a_verb_that_wants_no_workers_here_begins_no_forks(words, monkeypatch):
    monkeypatch.setattr(forks, "begin", lambda: pytest.fail("there is no need"))
    CliRunner().invoke(cli, words)


def test_forks_load_little_before_they_begin():
    heavy = {"distributed", "dask", "numpy", "pyarrow", "pydantic"}
    look = f"import sys, textmill.cli.main; print(*sorted({heavy} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", look], capture_output=True, check=True, timeout=240, cwd=CODE)
    assert ended.stdout.decode().split() == []
