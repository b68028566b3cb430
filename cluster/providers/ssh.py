"""Workers on machines reached with ``ssh``: OpenSSH's own client, with the user's own configuration."""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.profiles.settings import SshProfile
from cluster.providers.commands import (
    WATCH_INPUT,
    WorkerTerms,
    launch_scheduler,
    serve_words,
    serving_environment,
    worker_plan,
)
from cluster.providers.handles import Command
from cluster.providers.provider import Places
from cluster.surroundings import SERVER_DEFAULTS, with_code
from cluster.tls import TlsFolder

#: No question is asked that nobody is there to answer, and a dead connection is noticed.
_OPTIONS = (
    "-T",
    "-o", "BatchMode=yes",
    "-o", "ConnectTimeout=15",
    "-o", "ServerAliveInterval=10",
    "-o", "ServerAliveCountMax=3",
)  # fmt: skip


class SshCommand(Command):
    """A process on another machine: it ends when its input does."""

    def end(self) -> None:
        """Nothing; both sides of the connection are gone."""
        self.hang_up()
        super().end()


class SshLauncher:
    """See the module.

    Parameters
    ----------
    name
        The profile's name.
    profile
        Its settings.
    host
        The address of this machine that the workers can reach.
    tls
        The keys; None for plain TCP.
    environment
        Variables for the workers.
    """

    all_at_once = True
    elsewhere: bool = True
    waiting = False

    def __init__(
        self, name: str, profile: SshProfile, host: str, tls: TlsFolder | None, environment: dict[str, str]
    ) -> None:
        self.profile = name
        self.host = host
        self.tls = tls
        self.most: int | None = len(profile.hosts) * profile.workers_per_host
        self.start_s = self.pending_s = profile.start_timeout_s
        self._profile = profile
        self._environment = environment

    def scheduler(self, places: Places) -> tuple[Command, Path]:
        """A scheduler on its way up, and the file that will tell its address."""
        return launch_scheduler(self.host, self.tls, places)

    def start(self, numbers: Sequence[int], scheduler: str, terms: WorkerTerms, logs: Path) -> dict[int, SshCommand]:
        """Workers on their way up; one after the other goes to the next machine."""
        return {number: self._started(number, scheduler, terms, logs) for number in numbers}

    def _started(self, number: int, scheduler: str, terms: WorkerTerms, logs: Path) -> SshCommand:
        profile = self._profile
        plan = worker_plan(number, scheduler, terms, host=None, watch=WATCH_INPUT, from_stdin=True)
        remote = shlex.join(serve_words(profile.python or sys.executable, plan))
        # The same code at the same place, also where nobody installed it, and what lies beside the job file.
        path = (with_code(os.environ) if profile.python is None else os.environ).get("PYTHONPATH")
        if path:
            remote = f"PYTHONPATH={shlex.quote(path)} {remote}"
        words = ["ssh", *_OPTIONS, *profile.options, profile.hosts[number % len(profile.hosts)], f"exec env {remote}"]
        # By standard input: what is on a command line, everyone on the machine can read.
        said = json.dumps({**SERVER_DEFAULTS, **serving_environment(self.tls, self._environment)}).encode() + b"\n"
        return SshCommand(words, logs / f"worker-{number}.log", os.environ, said)

    def clear(self) -> None:
        """Nothing: what an earlier driver started ended with its connections."""
