"""Become a Dask server: ``python -m cluster.serve PLAN``, where the plan is JSON (`Plan`).

The part that has to happen on the server's own machine before Dask is imported: taking its environment from standard
input, so that no secret is on a command line that others can read, and finding the address at which the scheduler can
reach this machine, so that nothing listens on all interfaces. Then this process becomes ``dask spec``, without loading
the other commands that packages add to ``dask``.
"""

import json
import os
import socket
import sys
from typing import Any, TypedDict
from urllib.parse import urlsplit


class Plan(TypedDict):
    """What to become.

    Attributes
    ----------
    cls
        The server's class, as in "distributed.Nanny".
    scheduler
        The scheduler's address; None for a scheduler.
    options
        For the class; a "host" or "name" of None is replaced.
    environment_from_stdin
        Whether the first line of standard input is a JSON object of environment variables.
    """

    cls: str
    scheduler: str | None
    options: dict[str, Any]
    environment_from_stdin: bool


def own_address(scheduler: str) -> str:
    """The address of this machine on the way to a scheduler.

    Examples
    --------
    >>> own_address("tcp://127.0.0.1:8786")
    '127.0.0.1'
    """
    parts = urlsplit(scheduler)
    [(family, kind, _, _, place), *_] = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_DGRAM)
    with socket.socket(family, kind) as probe:
        # Nothing is sent: the system only picks a route.
        probe.connect(place)
        return str(probe.getsockname()[0])


def command(plan: Plan) -> list[str]:
    """The words that make a process the server."""
    options = dict(plan["options"])
    if options.get("host", "") is None and plan["scheduler"]:
        options["host"] = own_address(plan["scheduler"])
    if options.get("name", "") is None:
        # What the Dask operator for Kubernetes calls this pod.
        options["name"] = os.environ.get("DASK_WORKER_NAME")
    spec = json.dumps({"cls": plan["cls"], "opts": options})
    scheduler = [plan["scheduler"]] if plan["scheduler"] else []
    return [sys.executable, "-m", "distributed.cli.dask_spec", *scheduler, "--spec", spec]


def _line_of_stdin() -> bytes:
    """The first line, and not a byte more: what follows is for whoever this process becomes."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            raise SystemExit("standard input ended before the environment came")
        line += byte
    return line


def main(words: list[str]) -> None:
    """Nothing; this process is another now."""
    plan: Plan = json.loads(words[0])
    environment = dict(os.environ)
    if plan["environment_from_stdin"]:
        environment |= json.loads(_line_of_stdin())
    os.execve(sys.executable, command(plan), environment)  # noqa: S606 - our own words


if __name__ == "__main__":
    main(sys.argv[1:])
