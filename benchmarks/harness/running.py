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
from benchmarks.harness.process_tree import Watched
from pipeline.errors import PipelineError

#: How often the memory of the process tree is looked at: as often as this, unless looking would take more of a core
#: than its share.
_WATCH_S, _SHARE, _LONGEST_S = 0.05, 0.03, 2.0


class ContenderFailedError(PipelineError):
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
        watched, status = _watched(command, import_path(contender.environment, Path(folder)), log, case.limit_s)
        if status or not result.exists():
            said = log.read_text(errors="replace").strip()[-2000:]
            raise ContenderFailedError(f"{case.name}: {contender.name} ended with status {status}: {said}")
        found: dict[str, Any] = json.loads(result.read_bytes())
    return Sample(
        contender=contender.name,
        seconds=found["seconds"],
        cpu_s=max(found["waited_cpu_s"], watched.cpu_s) if found["cpu_s"] is None else found["cpu_s"],
        peak_bytes=watched.peak_bytes,
        measures=found["measures"],
        outputs=found["outputs"],
    )


def _made(folder: Path) -> str:
    folder.mkdir()
    return str(folder)


def _watched(command: Sequence[str], path: Path, log: Path, limit_s: float) -> tuple[Watched, int]:
    """What the process tree held and spent while the timed run lasted, and the exit status."""
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
            env={**_surroundings(), "PYTHONPATH": str(path)},
        )
    os.close(tell)
    try:
        watched = _seen(process.pid, hear, deadline)
        status = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        status = -signal.SIGKILL
        with log.open("a") as out_again:
            out_again.write(f"\nit took longer than {limit_s:.0f} s")
    finally:
        os.close(hear)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return watched, status


def _surroundings() -> dict[str, str]:
    """The variables of this process; Python keeps the modules that it compiles, as it does where nobody forbids it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _seen(process_id: int, hear: int, deadline: float) -> Watched:
    """What the tree did between the child's two signals; it ends with the second, or with the child."""
    watched = Watched(process_id)
    told = select.select([hear], [], [], max(0.0, deadline - time.monotonic()))[0]
    if told and os.read(hear, 1) == b"b":
        watched.start()
        pause_s = _WATCH_S
        while time.monotonic() < deadline and not select.select([hear], [], [], pause_s)[0]:
            began = time.thread_time()
            watched.look()
            pause_s = min(_LONGEST_S, max(_WATCH_S, (time.thread_time() - began) / _SHARE))
        watched.look()
    return watched
