"""The cores of the machine at hand: workers as processes of their own, or as threads of this one."""

import os
import time

import psutil
from distributed import Client, LocalCluster

from cluster.errors import ProfileError
from cluster.providers.commands import Command, start_scheduler, start_worker
from cluster.providers.provider import Places, say_goodbye
from pipeline.config import ClusterConfig

_LOOPBACK = "127.0.0.1"
#: Seconds that scheduler and workers may take to come up.
_START_S = 120
_LOOK_S = 0.05
#: How often a worker whose nanny died too is replaced.
_MOST_REPLACED = 20


def worker_count(config: ClusterConfig) -> int:
    """Workers to start: as configured, else one a core this process may use."""
    return config.workers or max(1, len(os.sched_getaffinity(0)) // config.threads)


def worker_memory_bytes(config: ClusterConfig) -> int:
    """Memory limit of one worker: as configured, else its share of 80 % of the machine's memory."""
    return config.memory or int(psutil.virtual_memory().total * 0.8) // worker_count(config)


class LocalProcesses:
    """Processes started as commands rather than forked from the caller.

    A script that uses them needs no ``if __name__ == "__main__"`` guard. Everything listens on the loopback address
    alone, without a dashboard, and ends when this process does.

    Parameters
    ----------
    config
        Workers, threads and memory.
    places
        Where files go.
    """

    def __init__(self, config: ClusterConfig, places: Places) -> None:
        self.workers = worker_count(config)
        self.memory_bytes = worker_memory_bytes(config)
        self._threads = config.threads
        self._places = places
        self._scheduler: Command | None = None
        self._workers: dict[int, Command] = {}
        self._address = ""
        self._client: Client | None = None
        self._replaced = 0

    def open(self) -> Client:
        """A client of a new cluster, with all workers there."""
        places = self._places
        self._scheduler, self._address = start_scheduler(_LOOPBACK, "tcp", places.scratch, places.logs, {}, _START_S)
        self.scale(self.workers)
        self._client = Client(self._address, set_as_default=True)
        self._await_workers(self._client)
        return self._client

    def _await_workers(self, client: Client) -> None:
        deadline = time.monotonic() + _START_S
        while len(client.scheduler_info(n_workers=-1)["workers"]) < self.workers:
            gone = [command for command in self._workers.values() if command.ended]
            if gone or self.lost() or time.monotonic() > deadline:
                last = gone[0].last_words() if gone else self.lost() or f"not all came within {_START_S} s"
                raise ProfileError("local", f"the workers did not start: {last}")
            time.sleep(_LOOK_S)

    def scale(self, workers: int) -> None:
        """Nothing; there are, or soon will be, so many workers."""
        self.workers = workers
        for number in [number for number in self._workers if number >= workers]:
            self._workers.pop(number).end()
        for number in range(workers):
            if number not in self._workers:
                self._workers[number] = self._worker(number)

    def _worker(self, number: int) -> Command:
        options = {
            "nthreads": self._threads,
            "memory_limit": self.memory_bytes,
            "local_directory": str(self._places.scratch),
        }
        return start_worker(number, self._address, _LOOPBACK, options, self._places.logs, {})

    def mend(self) -> None:
        """Nothing; a worker that ended together with its nanny is replaced."""
        for number, command in list(self._workers.items()):
            if command.ended and self._replaced < _MOST_REPLACED:
                self._replaced += 1
                command.end()
                self._workers[number] = self._worker(number)

    def lost(self) -> str | None:
        """Why the scheduler is known to be gone."""
        return "its process ended" if self._scheduler is not None and self._scheduler.ended else None

    def close(self) -> None:
        """Nothing; scheduler, nannies and workers have ended."""
        if not self.lost():
            say_goodbye(self._client)
        commands = [*self._workers.values(), *([self._scheduler] if self._scheduler else [])]
        for command in commands:
            command.end()
        if self.lost():
            # Only now, so that nothing it tells goes to a worker that lives on.
            say_goodbye(self._client)
        self._workers, self._scheduler, self._client = {}, None, None


class LocalThreads:
    """Workers as threads of this process: for small jobs and for looking at them with a debugger.

    Parameters
    ----------
    config
        Workers, threads and memory.
    places
        Where files go.
    """

    def __init__(self, config: ClusterConfig, places: Places) -> None:
        self.workers = worker_count(config)
        self.memory_bytes = worker_memory_bytes(config)
        self._threads = config.threads
        self._places = places
        self._cluster: LocalCluster | None = None
        self._client: Client | None = None

    def open(self) -> Client:
        """A client of a new cluster, with all workers there."""
        self._cluster = LocalCluster(
            n_workers=self.workers,
            threads_per_worker=self._threads,
            memory_limit=self.memory_bytes,
            local_directory=str(self._places.scratch),
            processes=False,
            dashboard_address=None,
            scheduler_kwargs={"dashboard": False, "dashboard_address": f"{_LOOPBACK}:0"},
            worker_dashboard_address=f"{_LOOPBACK}:0",
        )
        self._client = Client(self._cluster, set_as_default=True)
        self._client.wait_for_workers(self.workers, timeout=_START_S)
        return self._client

    def scale(self, workers: int) -> None:
        """Nothing; there are, or soon will be, so many workers."""
        self.workers = workers
        if self._cluster is not None:
            self._cluster.scale(workers)

    def mend(self) -> None:
        """Nothing: threads do not die alone."""

    def lost(self) -> str | None:
        """None: the scheduler lives as long as this process."""
        return None

    def close(self) -> None:
        """Nothing; all threads have ended."""
        say_goodbye(self._client)
        if self._cluster is not None:
            self._cluster.close(timeout=10)
        self._cluster = self._client = None
