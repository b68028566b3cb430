"""What every batch system can do, and how its commands are called."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cluster.errors import BatchError
from cluster.profiles.settings import BatchProfile

_COMMAND_S = 60
#: Variables that describe the allocation this process is in: another one has its own.
_OWN = ("SLURM_", "PBS_", "PMI_", "OMPI_")
_KEPT = ("SLURM_CONF", "PBS_CONF_FILE", "PBS_SERVER", "PBS_EXEC")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """What to ask a batch system for.

    Attributes
    ----------
    name
        The job's name there.
    words
        Its command line.
    log
        The file that takes what it says.
    cores
        How many.
    memory_bytes
        How much.
    again
        Whether the system may start it again where its machine fails.
    """

    name: str
    words: tuple[str, ...]
    log: Path
    cores: int
    memory_bytes: int
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """What a batch system says of a job.

    Attributes
    ----------
    pending, running
        Whether it waits, or is at work.
    word
        The system's own word for it.
    """

    pending: bool
    running: bool
    word: str


class Keeper(Protocol):
    """Something that jobs were given to.

    Attributes
    ----------
    name
        What it is called.
    """

    name: str

    def states(self, name: str) -> dict[str, BatchState]:
        """Id -> state, of the user's jobs with this name that the system still knows.

        Raises
        ------
        BatchError
            If it does not answer.
        """

    def state(self, job: str) -> BatchState | None:
        """The state of one job; None where the system knows it no more.

        Raises
        ------
        BatchError
            If it does not answer.
        """

    def cancel(self, jobs: Sequence[str]) -> None:
        """Nothing; the jobs end, if they had not.

        Raises
        ------
        BatchError
            If the system refuses.
        """


class BatchSystem(Keeper, Protocol):
    """A batch system's commands."""

    def script(self, job: BatchJob, profile: BatchProfile) -> str:
        """The script that asks for `job`."""

    def submit(self, script: str, environment: Mapping[str, str]) -> str:
        """The id of a new job.

        Raises
        ------
        BatchError
            If the system takes none.
        """


def told(words: Sequence[str], *, said: str | None = None, environment: Mapping[str, str] | None = None) -> str:
    """What a command of a batch system printed.

    Raises
    ------
    BatchError
        If it is not there, fails, or takes too long.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            words,
            input=said,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=True,
            env=dict(environment) if environment is not None else None,
        )
    except FileNotFoundError as error:
        raise BatchError(
            words[0], "there is no such command here; run this on a machine of the batch system, or load its module"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise BatchError(words[0], f"no answer within {_COMMAND_S} s") from error
    except subprocess.CalledProcessError as error:
        raise BatchError(
            words[0], error.stderr.strip() or error.stdout.strip() or f"status {error.returncode}"
        ) from error
    return done.stdout


def outside(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """`environment` without what belongs to the allocation that this process may be in."""
    return {name: value for name, value in environment.items() if name in _KEPT or not name.startswith(_OWN)}


def lines(head: Sequence[str], job: BatchJob, profile: BatchProfile) -> str:
    """A script: its head, the profile's own lines, and the command in the shell's place, so that signals reach it."""
    return "\n".join(["#!/bin/bash", *head, *profile.prologue, f"exec {shlex.join(job.words)}", ""])
