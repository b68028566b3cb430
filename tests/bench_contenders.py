"""Contenders for the tests of the benchmark harness: each does little, in a known way."""

import os
import signal
import time
from pathlib import Path
from typing import Any


def numbers(count: int, **_: Any) -> dict[str, Any]:
    """Arguments that the run below needs."""
    return {"numbers": list(range(count))}


def add(numbers: list[int], scratch: str, step: int = 1, **_: Any) -> dict[str, float]:
    """Writes the sum of the numbers, and tells what fraction was used."""
    assert not list(Path(scratch).iterdir()) or step == 1
    Path(scratch, "sum").write_text(str(sum(numbers[::step])))
    return {"share": 1 / step}


def total(scratch: str, **_: Any) -> dict[str, Any]:
    return {"sum": int(Path(scratch, "sum").read_text()), "cores": len(os.sched_getaffinity(0))}


def wrong_total(scratch: str, **_: Any) -> dict[str, Any]:
    return {"sum": int(Path(scratch, "sum").read_text()) + 1, "cores": 1}


def hold(megabytes: int, before: int = 0, **_: Any) -> None:
    """Memory held while the run lasts; what was held before it is another matter."""
    held = bytearray(os.urandom(1 << 20)) * megabytes
    time.sleep(0.3)
    assert len(held) == megabytes << 20


def hold_before(before: int, **_: Any) -> None:
    held = bytearray(os.urandom(1 << 20)) * before
    time.sleep(0.2)
    del held


def hold_in_child(megabytes: int, **_: Any) -> None:
    """As `hold`, in a process started by the run."""
    child = os.fork()
    if child == 0:
        hold(megabytes)
        os._exit(0)
    os.waitpid(child, 0)


def _work(seconds: float) -> None:
    while time.process_time() < seconds:
        pass


def work_in_waited_child(**_: Any) -> None:
    child = os.fork()
    if child == 0:
        _work(0.4)
        os._exit(0)
    os.waitpid(child, 0)


def work_in_killed_child(**_: Any) -> None:
    """A child that is killed after its work and not waited for."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _work(0.45)
        os.write(writer, b"x")
        time.sleep(60)
    os.read(reader, 1)
    time.sleep(0.2)
    os.kill(child, signal.SIGKILL)


def own_clock(**_: Any) -> dict[str, float]:
    return {"seconds": 12.5, "cpu_s": 3.5, "accuracy": 0.75}


def fail(**_: Any) -> None:
    raise ValueError("this peer cannot read that")


def endless(**_: Any) -> None:
    while True:
        time.sleep(1)
