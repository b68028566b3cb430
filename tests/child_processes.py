"""Python processes that a test starts and that end with it."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import psutil

DEADLINE_S = 90


def children_running(module):
    """The processes that this one started to run a module, and that have not ended."""
    children = psutil.Process().children()
    # Python waits for one that nobody waits for, such as a driver that was submitted, when it starts the next.
    live = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in live if module in " ".join(child.cmdline())]


@contextmanager
def process(program, *arguments, deadline_s=DEADLINE_S):
    """A Python process in a group of its own, which ends with the block."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as started:
        # Ends a process that hangs, so that no read below waits for ever.
        watch = threading.Timer(deadline_s, started.kill)
        watch.start()
        try:
            yield started
        finally:
            watch.cancel()
            if started.poll() is None:
                os.killpg(started.pid, signal.SIGKILL)
            started.wait(timeout=DEADLINE_S)
