"""Ctrl-C at a real terminal: once is a clean end, twice is an end at once; nothing goes on either way."""

import os
import subprocess
import sys
import termios
import time
from contextlib import suppress

import psutil
import pytest

from benchmarks.recovery import alive, awaited
from cluster.jobs import Jobs
from storage.errors import StoreNotFoundError
from storage.store import Store
from textmill.demo.corpus import write_corpus

pytestmark = pytest.mark.xdist_group("jobs")
#: Makes the terminal on its standard input its own, then becomes the command.
AT_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "textmill", *sys.argv[1:]])
"""


class Terminal:
    """A command at a terminal of its own."""

    def __init__(self, *words):
        self.keys, screen = os.openpty()
        settings = termios.tcgetattr(screen)
        # Otherwise each Ctrl-C throws away what was said and not read yet.
        settings[3] |= termios.NOFLSH
        termios.tcsetattr(screen, termios.TCSANOW, settings)
        self.process = subprocess.Popen(
            [sys.executable, "-c", AT_TERMINAL, *map(str, words)],
            stdin=screen, stdout=screen, stderr=screen, start_new_session=True, env={**os.environ, "TERM": "xterm"},
        )  # fmt: skip
        os.close(screen)
        os.set_blocking(self.keys, False)
        self.shown = ""

    def shows(self, text):
        """Whether it is on the screen by now."""
        try:
            while more := os.read(self.keys, 1 << 16):
                self.shown += more.decode("utf-8", "replace")
        except OSError:  # nothing more yet, or the terminal has hung up
            pass
        return text in self.shown

    def press_ctrl_c(self):
        os.write(self.keys, b"\x03")


@pytest.fixture
def terminal(tmp_path):
    job = write_corpus(tmp_path, rows=30_000).job
    at = Terminal("run", job, "--workers", 1, "--store", tmp_path / "store")
    yield at
    for process in (
        [*psutil.Process(at.process.pid).children(recursive=True), at.process] if at.process.poll() is None else ()
    ):
        process.kill()
    at.process.wait(20)
    os.close(at.keys)


def family_at_work(terminal):
    awaited(lambda: terminal.shows("look") or terminal.process.poll() is not None, "the first stage")
    return psutil.Process(terminal.process.pid).children(recursive=True)


def test_once_ends_the_run_and_leaves_the_store_as_it_was(terminal, tmp_path):
    family = family_at_work(terminal)
    terminal.press_ctrl_c()
    awaited(lambda: terminal.shows("Cancelled") and terminal.process.poll() is not None, "the end")
    assert terminal.process.returncode == 3
    assert "Traceback" not in terminal.shown
    awaited(lambda: not alive(family), "the end of all processes")
    assert not (tmp_path / "store").exists()


def test_twice_ends_it_at_once_and_what_is_left_can_be_resumed(terminal, tmp_path):
    family = family_at_work(terminal)
    terminal.press_ctrl_c()
    began = time.monotonic()
    awaited(lambda: terminal.process.poll() is not None or terminal.press_ctrl_c() or terminal.shows("none"), "the end")
    assert terminal.process.returncode == 3
    # What the first Ctrl-C asks for may be done before the second one is heard.
    assert terminal.shows("Ended at once") or terminal.shows("Cancelled")
    assert "Traceback" not in terminal.shown
    assert time.monotonic() - began < 10
    awaited(lambda: not alive(family), "the end of all processes")
    # The first Ctrl-C may have put the job, or all of the store, away before the second one came.
    with suppress(StoreNotFoundError):
        for status in Jobs(Store.open(tmp_path / "store")).statuses():
            assert status.state in ("lost", "cancelled")
            assert Jobs(Store.open(tmp_path / "store")).find(status.job).submission() is not None
