"""The cores of the machine at hand: workers as processes of their own, or as threads of this one."""

import os
from collections.abc import Sequence
from pathlib import Path

import psutil
from distributed import Client, LocalCluster

from cluster.providers.commands import WorkerTerms, scheduler_plan, worker_plan
from cluster.providers.forks import Fork, Forks, forks_for
from cluster.providers.handles import Share
from cluster.providers.provider import Places, say_goodbye
from cluster.tls import TlsFolder
from cluster.worker_log import WORKER_LOGS
from pipeline.config import ClusterConfig

LOOPBACK = "127.0.0.1"
#: Seconds that scheduler and workers may take to come up.
_START_S = 120


def worker_count(config: ClusterConfig) -> int:
    """Workers to start: as configured, else one a core this process may use."""
    return config.workers or max(1, len(os.sched_getaffinity(0)) // config.threads)


def worker_memory_bytes(config: ClusterConfig) -> int:
    """Memory limit of one worker: as configured, else its share of 80 % of the machine's memory."""
    return config.memory or int(psutil.virtual_memory().total * 0.8) // worker_count(config)


class LocalLauncher:
    """Processes forked from one that was started for that, rather than from the caller.

    A script that uses them needs no ``if __name__ == "__main__"`` guard. Everything listens on the loopback address
    alone, without a dashboard, and ends when this process does.

    Parameters
    ----------
    profile
        The profile's name.
    environment
        Variables for the workers besides those of this process.
    start_s
        Seconds that they may take to come up.
    """

    host = LOOPBACK
    most: int | None = None
    all_at_once = True
    elsewhere: bool = False
    waiting = True

    def __init__(self, profile: str, environment: dict[str, str], start_s: float = _START_S) -> None:
        self.profile = profile
        self.tls: TlsFolder | None = None
        self.start_s = self.pending_s = start_s
        self._environment = environment
        self._forks: Forks | None = None

    def scheduler(self, places: Places) -> tuple[Fork, Path]:
        """A scheduler on its way up, and the file that will tell its address."""
        self._forks = forks_for(self._environment)
        plan, card = scheduler_plan(self.host, None, places.scratch, watch=None)
        servers = {"scheduler": {"cls": plan["cls"], "opts": plan["options"]}}
        return self._forks.fork("scheduler", servers, None, places.logs / "scheduler.log"), card

    def start(self, numbers: Sequence[int], scheduler: str, terms: WorkerTerms, logs: Path) -> dict[int, Share]:
        """Workers on their way up, with one process that keeps them all."""
        assert self._forks is not None  # noqa: S101 - it came with the scheduler
        plans = [worker_plan(number, scheduler, terms, host=self.host, watch=None) for number in numbers]
        told = {"env": {WORKER_LOGS: str(logs)}}
        servers = {plan["options"]["name"]: {"cls": plan["cls"], "opts": plan["options"] | told} for plan in plans}
        fork = self._forks.fork("nanny", servers, Path(scheduler), logs / f"worker-{numbers[0]}.log")
        members = set(numbers)
        return {number: Share(fork, members, number) for number in numbers}

    def clear(self) -> None:
        """Nothing; all processes are gone. What an earlier driver started here ended with it."""
        if self._forks is not None:
            self._forks.close()
            self._forks = None


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

    def begin(self) -> None:
        """Nothing: threads are there at once."""

    def open(self) -> Client:
        """A client of a new cluster, with all workers there."""
        self._cluster = LocalCluster(
            n_workers=self.workers,
            threads_per_worker=self._threads,
            memory_limit=self.memory_bytes,
            local_directory=str(self._places.scratch),
            processes=False,
            dashboard_address=None,
            scheduler_kwargs={"dashboard": False, "dashboard_address": f"{LOOPBACK}:0"},
            worker_dashboard_address=f"{LOOPBACK}:0",
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

    def vet(self) -> None:
        """Nothing: they are this process."""

    def lost(self) -> str | None:
        """None: the scheduler lives as long as this process."""
        return None

    def close(self) -> None:
        """Nothing; all threads have ended."""
        say_goodbye(self._client)
        if self._cluster is not None:
            self._cluster.close(timeout=10)
        self._cluster = self._client = None
