"""A job run by the command ``textmill run``, with the CPU time of all its processes."""

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.placing import words_of

#: Looking takes a few milliseconds of the time that is measured; workers have nothing to do in a run's last moments.
_LOOK_S = 0.25
#: What is done to the generated rows before anything else.
CLEANING = """[[clean]]
op = "normalize_unicode"
[[clean]]
op = "collapse_whitespace"
[[clean]]
op = "trim"
[[clean]]
op = "drop_null"
columns = ["id", "text", "label"]
"""


def run_command(job: str, scratch: str, place: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """The result of the job in the text `job`, whose file and store lie in `scratch`, and its processes' CPU seconds.

    Those are of the processes on this machine; `place` is what `benchmarks.placing.place_of` gave.

    Raises
    ------
    subprocess.CalledProcessError
        If the command fails.
    """
    path, told = Path(scratch) / "job.toml", Path(scratch) / "result.json"
    path.write_text(job, encoding="utf-8")
    command = [sys.executable, "-m", "textmill", "run", str(path), *words_of(place), "--json"]
    times: dict[tuple[int, float], float] = {}
    with told.open("wb") as out, subprocess.Popen(command, stdout=out) as process:
        # Workers are killed in the end and not waited for: the system's own sum lacks them.
        while process.returncode is None:
            _note_times(psutil.Process(process.pid), times)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_S)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return json.loads(told.read_bytes()), sum(times.values())


def _note_times(root: psutil.Process, times: dict[tuple[int, float], float]) -> None:
    """Nothing; the CPU seconds so far of each process of the tree are in `times`."""
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            spent = process.cpu_times()
            times[process.pid, process.create_time()] = spent.user + spent.system
        except psutil.NoSuchProcess:
            continue
