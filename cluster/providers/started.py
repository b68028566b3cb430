"""A cluster that textmill starts itself: the scheduler beside the driver, the workers wherever a launcher puts them."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from distributed import Client

from cluster.errors import ProfileError
from cluster.preflight import Vetting
from cluster.providers.adapting import Adapting
from cluster.providers.commands import WorkerTerms, scheduler_address
from cluster.providers.handles import Handle
from cluster.providers.provider import Places, say_goodbye
from cluster.tls import TlsFolder

_LOOK_S = 0.05
#: How often workers that ended for good are replaced.
_MOST_REPLACED = 20


class Launcher(Protocol):
    """A place where workers can be started.

    Attributes
    ----------
    profile
        The profile's name, for messages.
    host
        The address that the scheduler listens on.
    tls
        The keys; None for plain TCP.
    most
        More workers than this it cannot start.
    start_s, pending_s
        How long the first worker may take once it has its turn, and how long it may wait for that.
    all_at_once
        Whether all workers come at the same time; where they wait in a queue, the work begins with the first.
    elsewhere
        Whether other machines have their own Python and libraries.
    waiting
        Whether workers can be started before the scheduler is up: they are told the file that will have its address.
    """

    profile: str
    host: str
    tls: TlsFolder | None
    most: int | None
    start_s: float
    pending_s: float
    all_at_once: bool
    elsewhere: bool
    waiting: bool

    def scheduler(self, places: Places) -> tuple[Handle, Path]:
        """A scheduler on its way up on this machine, and the file that will tell its address."""

    def start(self, numbers: Sequence[int], scheduler: str, terms: WorkerTerms, logs: Path) -> Mapping[int, Handle]:
        """Workers on their way up, by number.

        Raises
        ------
        ProfileError
            If they cannot even be asked for.
        """

    def clear(self) -> None:
        """Nothing; whatever earlier drivers of this run left is gone, and what this one started too."""


class StartedCluster:
    """See the module.

    Parameters
    ----------
    launcher
        Starts workers.
    workers
        How many.
    terms
        How each is made.
    places
        Where files go.
    adapting
        Grows and shrinks the cluster; None to keep it as it is.
    """

    def __init__(
        self, launcher: Launcher, workers: int, terms: WorkerTerms, places: Places, adapting: Adapting | None = None
    ) -> None:
        self.workers = min(workers, launcher.most or workers)
        self.memory_bytes = terms.memory_bytes
        self._launcher = launcher
        self._terms = terms
        self._places = places
        self._adapting = adapting
        self._scheduler: Handle | None = None
        self._handles: dict[int, Handle] = {}
        self._card = Path()
        self._address = ""
        self._client: Client | None = None
        self._replaced = 0
        self._vetting = Vetting(wanted=launcher.elsewhere)

    def begin(self) -> None:
        """Nothing; scheduler and workers are on their way up, as far as neither has to wait for the other."""
        if self._scheduler is None:
            self._launched()

    def _launched(self) -> Handle:
        launcher = self._launcher
        launcher.clear()
        scheduler, self._card = launcher.scheduler(self._places)
        self._scheduler = scheduler
        if launcher.waiting:
            self.scale(self.workers)
        return scheduler

    def open(self) -> Client:
        """A client of a new cluster, with workers there."""
        launcher, scheduler = self._launcher, self._scheduler or self._launched()
        try:
            self._address = scheduler_address(scheduler, self._card, launcher.start_s)
        except ProfileError as error:
            raise ProfileError(launcher.profile, error.problem) from error
        self.scale(self.workers)
        security = launcher.tls.security() if launcher.tls is not None else None
        self._client = Client(self._address, security=security, set_as_default=True, timeout=launcher.start_s)
        self._await_workers(self._client)
        self._vetting.begin(self._client)
        return self._client

    def _await_workers(self, client: Client) -> None:
        wanted = self.workers if self._launcher.all_at_once else 1
        began = started = time.monotonic()
        while len(client.scheduler_info(n_workers=-1)["workers"]) < wanted:
            now = time.monotonic()
            if all(handle.pending for handle in self._handles.values()):
                started = now
            gone = [handle for handle in self._handles.values() if handle.ended]
            late = now - started > self._launcher.start_s or now - began > self._launcher.pending_s
            if gone or self.lost() or late:
                raise ProfileError(self._launcher.profile, self._why_none(gone[0] if gone else None))
            time.sleep(_LOOK_S)

    def _why_none(self, gone: Handle | None) -> str:
        words = gone.last_words() if gone else self.lost()
        if words is None:
            waiting = sum(handle.pending for handle in self._handles.values())
            told = f"not all workers came within {self._launcher.start_s:g} s"
            return f"the workers did not start: {told}{f', and {waiting} wait in the queue' if waiting else ''}"
        cure = ""
        if "No module named" in words:
            cure = " Install the same textmill there, or say with `python` in the profile which Python has it."
        return f"the workers did not start.{cure} The end of the log:\n{words}"

    def scale(self, workers: int) -> None:
        """Nothing; there are, or soon will be, so many workers."""
        self.workers = min(workers, self._launcher.most or workers)
        for number in [number for number in self._handles if number >= self.workers]:
            self._retire(number)
            self._handles.pop(number).end()
        self._start([number for number in range(self.workers) if number not in self._handles])

    def _retire(self, number: int) -> None:
        """Nothing; what worker `number` holds lies with others."""
        if self._client is not None and not self.lost() and self._client.status == "running":
            self._client.retire_workers(names=[f"{self._terms.name}-{number}"])

    def _start(self, numbers: Sequence[int]) -> None:
        if numbers:
            scheduler = str(self._card) if self._launcher.waiting else self._address
            self._handles |= self._launcher.start(numbers, scheduler, self._terms, self._places.logs)

    def mend(self) -> None:
        """Nothing; a worker that ended for good is replaced, and the cluster grown or shrunk where it adapts."""
        gone = [number for number, handle in self._handles.items() if handle.ended]
        if gone and self._replaced < _MOST_REPLACED:
            self._replaced += 1
            for number in gone:
                self._handles[number].end()
            self._start(gone)
        if self._adapting is not None and self._client is not None:
            self._adapting.look(self._client, self.workers, self.scale)

    def vet(self) -> None:
        """Nothing where workers that came since are fit too."""
        if self._client is not None:
            self._vetting.go_on(self._client)

    def lost(self) -> str | None:
        """Why the scheduler is known to be gone."""
        return "its process ended" if self._scheduler is not None and self._scheduler.ended else None

    def close(self) -> None:
        """Nothing; scheduler, nannies and workers have ended."""
        if not self.lost():
            say_goodbye(self._client)
        for handle in [*self._handles.values(), *([self._scheduler] if self._scheduler else [])]:
            handle.end()
        if self.lost():
            # Only now, so that nothing it tells goes to a worker that lives on.
            say_goodbye(self._client)
        self._launcher.clear()
        self._handles, self._scheduler, self._client = {}, None, None
