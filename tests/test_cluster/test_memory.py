"""What a family of processes holds: pages that forks share count once."""

import sys

import psutil
import pytest
from child_processes import process

from cluster.memory import TreeMemory

MB = 1_000_000
#: Fills memory, forks, and lets each fork fill a little of its own.
FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
common = bytearray(os.urandom(1)) * 200_000_000
for _ in range(3):
    if not os.fork():
        own = bytearray(os.urandom(1)) * 20_000_000
        os.write(1, b"forked\\n")
        time.sleep(60)
        os._exit(0)
os.write(1, b"there\\n")
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what processes share")
def test_pages_that_forks_share_count_once():
    with process(FAMILY) as family:
        said = sorted(family.stdout.readline().strip() for _ in range(4))
        assert said == ["forked", "forked", "forked", "there"]
        tree = TreeMemory(psutil.Process(family.pid))
        # The second look goes by what the first one found to be shared.
        for held in (tree.bytes(), tree.bytes()):
            assert 255 * MB < held < 400 * MB
        forks = psutil.Process(family.pid).children()
        for fork in forks:
            fork.kill()
        psutil.wait_procs(forks, timeout=10)
        assert 195 * MB < tree.bytes() < 250 * MB
