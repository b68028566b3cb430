"""Schedulers and workers started as commands on this machine, each with its own log, and ended for certain."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from cluster.errors import ProfileError

_WATCH = ["cluster.providers.parent_watch"]
_LOG = ["cluster.worker_log"]
_END_S = 10


class Command:
    """A Dask server as a process of its own, together with what it starts.

    Parameters
    ----------
    name
        For its log.
    words
        What follows ``dask spec``.
    logs
        The folder of its log.
    environment
        Variables besides those of this process.
    """

    def __init__(self, name: str, words: list[str], logs: Path, environment: Mapping[str, str]) -> None:
        self.log = logs / f"{name}.log"
        logs.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-m", "dask", "spec", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TEXTMILL_LOGS": "json", **environment},
            )

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-500:].strip()

    def end(self) -> None:
        """Nothing; it and all that it started are gone."""
        family: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._process.pid)
            family = [root, *root.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        deadline = time.monotonic() + _END_S
        while any(map(_runs, family)) and time.monotonic() < deadline:
            time.sleep(0.01)


def _runs(process: psutil.Process) -> bool:
    """Whether it does anything still; one that is dead and waits for its parent to hear of it does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def start_scheduler(
    host: str, protocol: str, scratch: Path, logs: Path, environment: Mapping[str, str], deadline_s: float
) -> tuple[Command, str]:
    """A scheduler and its address.

    Raises
    ------
    ProfileError
        If it does not come up.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    card = scratch / f"scheduler-{time.monotonic_ns()}.json"
    options: dict[str, Any] = {
        "host": host,
        "port": 0,
        "protocol": protocol,
        "dashboard": False,
        # Without a dashboard the scheduler still serves HTTP, on all interfaces unless told otherwise.
        "dashboard_address": f"{host}:0",
        "scheduler_file": str(card),
        "preload": [*_WATCH, *_LOG],
    }
    words = ["--spec", json.dumps({"cls": "distributed.Scheduler", "opts": options})]
    command = Command("scheduler", words, logs, environment)
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline and not command.ended:
        with suppress(OSError, ValueError):
            return command, str(json.loads(card.read_text())["address"])
        time.sleep(0.05)
    command.end()
    raise ProfileError("local", f"the scheduler did not start; the end of its log:\n{command.last_words()}")


def start_worker(
    number: int,
    scheduler: str,
    host: str,
    options: Mapping[str, Any],
    logs: Path,
    environment: Mapping[str, str],
) -> Command:
    """A worker behind a nanny, which starts it again when it dies."""
    preloads = {"preload": [*_WATCH, *_LOG], "preload_nanny": [*_WATCH, *_LOG]}
    opts = {"host": host, **preloads, **options}
    words = [scheduler, "--spec", json.dumps({"cls": "distributed.Nanny", "opts": opts})]
    return Command(f"worker-{number}", words, logs, environment)
