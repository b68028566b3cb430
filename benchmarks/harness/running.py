"""One run of one contender: its process started, its memory watched, its figures read back."""

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.contender import Case, Contender
from benchmarks.harness.environments import import_path, python_of
from benchmarks.harness.figures import Sample
from benchmarks.harness.process_tree import tree_bytes

#: How often the memory of the process tree is looked at.
_WATCH_S = 0.05


class ContenderFailedError(RuntimeError):
    """A contender ended without a result; its message is the end of what it wrote."""


def run_once(case: Case, contender: Contender, scratch: Path) -> Sample:
    """What one run measured.

    Raises
    ------
    ContenderFailedError
        Where the process fails, or takes longer than the case allows.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix="run-") as folder:
        result = Path(folder) / "result.json"
        spec = {
            "cores": case.cores,
            "arguments": {**contender.arguments, "scratch": _made(Path(folder) / "scratch")},
            "prepare": contender.prepare,
            "run": contender.run,
            "check": contender.check,
            "warm_up": contender.warm_up,
            "result": str(result),
        }
        spec_path = Path(folder) / "spec.json"
        spec_path.write_text(json.dumps(spec))
        log = Path(folder) / "log.txt"
        command = [str(python_of(contender.environment)), "-m", "benchmarks.harness.child", str(spec_path)]
        peak, status = _watched(command, import_path(contender.environment, Path(folder)), log, case.limit_s)
        if status or not result.exists():
            said = log.read_text(errors="replace").strip()[-2000:]
            raise ContenderFailedError(f"{case.name}: {contender.name} ended with status {status}: {said}")
        found: dict[str, Any] = json.loads(result.read_bytes())
    return Sample(
        contender=contender.name,
        seconds=found["seconds"],
        cpu_s=found["cpu_s"],
        peak_bytes=peak,
        measures=found["measures"],
        outputs=found["outputs"],
    )


def _made(folder: Path) -> str:
    folder.mkdir()
    return str(folder)


def _watched(command: Sequence[str], path: Path, log: Path, limit_s: float) -> tuple[int, int]:
    """Peak bytes of the process tree while the timed run lasted, and the exit status."""
    os.sync()  # what the last contender wrote is not written out in this one's time
    hear, tell = os.pipe()
    deadline = time.monotonic() + limit_s
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, str(tell)],
            cwd=log.parent,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            pass_fds=[tell],
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(path)},
        )
    os.close(tell)
    try:
        peak = _peak(process.pid, hear, deadline)
        status = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        peak, status = 0, -signal.SIGKILL
        with log.open("a") as out_again:
            out_again.write(f"\nit took longer than {limit_s:.0f} s")
    finally:
        os.close(hear)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return peak, status


def _peak(process_id: int, hear: int, deadline: float) -> int:
    """The most that the tree held between the child's two signals; it ends with the second, or with the child."""
    peak, running = 0, False
    while time.monotonic() < deadline:
        heard = select.select([hear], [], [], _WATCH_S)[0]
        if running:
            peak = max(peak, tree_bytes(process_id))
        if heard:
            said = os.read(hear, 1)
            if said != b"b":
                break
            running = True
            peak = tree_bytes(process_id)
    return peak
