"""What schedulers and workers are told when they are started, wherever that is."""

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.errors import ProfileError
from cluster.providers.handles import Command, Handle
from cluster.providers.provider import Places
from cluster.serve import Plan
from cluster.surroundings import STRUCTURED_LOGS, with_code
from cluster.tls import TlsFolder

WATCH_PARENT = "cluster.providers.parent_watch"
WATCH_INPUT = "cluster.providers.input_watch"
_LOG = "cluster.worker_log"


def serving_environment(tls: TlsFolder | None, more: Mapping[str, str]) -> dict[str, str]:
    """Variables of a server of ours besides those of its surroundings."""
    keys = tls.environment() if tls is not None else {}
    return {**STRUCTURED_LOGS, **keys, **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTerms:
    """How each worker is made.

    Attributes
    ----------
    threads
        Its threads.
    memory_bytes
        What it may use; 0 for a share of what its machine has.
    memory_share
        That share, from 0 to 1.
    scratch
        Its folder for what does not fit into memory.
    name
        A start for its name: names tell workers apart.
    """

    threads: int
    memory_bytes: int
    memory_share: float = 0.8
    scratch: str
    name: str = "worker"


def worker_plan(
    number: int, scheduler: str, terms: WorkerTerms, *, host: str | None, watch: str | None, from_stdin: bool = False
) -> Plan:
    """The plan of a worker behind a nanny, which starts it again when it dies.

    Parameters
    ----------
    number
        Which one it is.
    scheduler
        The scheduler's address.
    terms
        How it is made.
    host
        The address it listens on; None for its own on the way to the scheduler.
    watch
        The module that ends the nanny with whoever started it; None where something else sees to that.
    from_stdin
        Whether its environment comes by standard input.
    """
    options: dict[str, Any] = {
        "host": host,
        "name": f"{terms.name}-{number}",
        "nthreads": terms.threads,
        "memory_limit": terms.memory_bytes or terms.memory_share,
        "local_directory": terms.scratch,
        "preload": [WATCH_PARENT, _LOG],
        "preload_nanny": [*([watch] if watch else []), _LOG],
        "death_timeout": 60,
    }
    return Plan(cls="distributed.Nanny", scheduler=scheduler, options=options, environment_from_stdin=from_stdin)


def serve_words(python: str, plan: Plan) -> list[str]:
    """The command line that becomes a plan's server."""
    return [python, "-m", "cluster.serve", json.dumps(plan)]


def scheduler_plan(host: str, tls: TlsFolder | None, scratch: Path, *, watch: str | None) -> tuple[Plan, Path]:
    """The plan of a scheduler, and the file that will tell its address once it is up.

    Parameters
    ----------
    host
        The address it listens on.
    tls
        The keys; None for plain TCP.
    scratch
        For that file.
    watch
        The module that ends it with whoever started it; None where something else sees to that.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    card = scratch / f"scheduler-{time.monotonic_ns()}.json"
    options: dict[str, Any] = {
        "host": host,
        "port": 0,
        "protocol": "tls" if tls is not None else "tcp",
        "dashboard": False,
        # Without a dashboard the scheduler still serves HTTP, on all interfaces unless told otherwise.
        "dashboard_address": f"{host}:0",
        "scheduler_file": str(card),
        "local_directory": str(scratch),
        "preload": [*([watch] if watch else []), _LOG],
    }
    return Plan(cls="distributed.Scheduler", scheduler=None, options=options, environment_from_stdin=False), card


def launch_scheduler(host: str, tls: TlsFolder | None, places: Places) -> tuple[Command, Path]:
    """A scheduler on its way up on this machine, and the file that will tell its address."""
    plan, card = scheduler_plan(host, tls, places.scratch, watch=WATCH_PARENT)
    variables = with_code({**os.environ, **serving_environment(tls, {})})
    return Command(serve_words(sys.executable, plan), places.logs / "scheduler.log", variables), card


def scheduler_address(scheduler: Handle, card: Path, deadline_s: float) -> str:
    """The address of a scheduler that was launched, once it is up.

    Raises
    ------
    ProfileError
        If it does not come up.
    """
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline and not scheduler.ended:
        address = address_on(card)
        if address is not None:
            return address
        time.sleep(0.02)
    scheduler.end()
    raise ProfileError("", f"the scheduler did not start; the end of its log:\n{scheduler.last_words()}")


def address_on(card: Path) -> str | None:
    """The address that a scheduler has written to its file; None as long as it has not."""
    with suppress(OSError, ValueError):
        return str(json.loads(card.read_text())["address"])
    return None
