"""What every way to get a cluster can do."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from distributed import Client

#: Seconds a client that says goodbye waits for an answer; a dead scheduler gives none.
_GOODBYE_S = 2


class Provider(Protocol):
    """A cluster that can be had, again and again, until it is closed for good.

    Attributes
    ----------
    workers
        How many it aims at.
    memory_bytes
        What each may use; 0 for no limit or an unknown one.
    """

    workers: int
    memory_bytes: int

    def begin(self) -> None:
        """Nothing; what can start without being waited for is on its way, for `open` to find it there."""

    def open(self) -> Client:
        """A client of a new cluster, with all workers there or on their way."""

    def scale(self, workers: int) -> None:
        """Nothing; the cluster aims at so many workers from now on."""

    def mend(self) -> None:
        """Nothing; workers that ended for good are replaced, where that is up to us."""

    def vet(self) -> None:
        """Nothing where workers that came since `open` have the same textmill, as those who were there do.

        Raises
        ------
        WorkersUnfitError
            If one has another.
        OSError
            If the scheduler is lost.
        """

    def lost(self) -> str | None:
        """Why the scheduler is known to be gone; None where it is not."""

    def close(self) -> None:
        """Nothing; all that `open` started has ended, whatever state it was in. Never hangs, never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a cluster may leave files.

    Attributes
    ----------
    scratch
        For spilled data and the like; gone with the run.
    logs
        What scheduler and workers say, a file each; kept with the job.
    """

    scratch: Path
    logs: Path


def say_goodbye(client: Client | None) -> None:
    """Nothing; the client is closed, with or without its scheduler."""
    if client is not None:
        with suppress(Exception):
            client.close(timeout=_GOODBYE_S)
