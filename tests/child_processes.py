"""Python processes that a test starts and that end with it."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

DEADLINE_S = 90


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
