"""The cores of the machine at hand: workers as processes of their own, or as threads of this one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from distributed import Client, LocalCluster
from distributed.deploy.subprocess import SubprocessCluster

from pipeline.config import ClusterConfig

_LOOPBACK = "127.0.0.1"
#: Seconds that all workers may take to come up.
_START_S = 120
_WATCH = ["cluster.providers.parent_watch"]


def worker_count(config: ClusterConfig) -> int:
    """Workers to start: as configured, else one a core this process may use."""
    return config.workers or max(1, len(os.sched_getaffinity(0)) // config.threads)


def worker_memory_bytes(config: ClusterConfig) -> int:
    """Memory limit of one worker: as configured, else its share of 80 % of the machine's memory."""
    return config.memory or int(psutil.virtual_memory().total * 0.8) // worker_count(config)


@contextmanager
def open_local(config: ClusterConfig, scratch: Path) -> Iterator[Client]:
    """A client of a cluster that lives as long as the context.

    Processes are started as commands rather than forked from the caller, so that a script needs no
    ``if __name__ == "__main__"`` guard. Everything listens on the loopback address alone, without a dashboard.

    Parameters
    ----------
    config
        Workers, threads and memory.
    scratch
        Where workers may spill to disk.
    """
    size = {"n_workers": worker_count(config), "threads_per_worker": config.threads, "dashboard_address": None}
    # Without a dashboard the scheduler still serves HTTP, on all interfaces unless told otherwise.
    quiet = {"dashboard": False, "dashboard_address": f"{_LOOPBACK}:0"}
    limits = {"memory_limit": worker_memory_bytes(config), "local_directory": str(scratch)}
    if config.processes:
        cluster = SubprocessCluster(
            **size,
            host=_LOOPBACK,
            scheduler_kwargs={**quiet, "preload": _WATCH},
            worker_kwargs={**limits, "preload": _WATCH, "preload_nanny": _WATCH},
        )
    else:
        cluster = LocalCluster(
            **size, **limits, processes=False, scheduler_kwargs=quiet, worker_dashboard_address=f"{_LOOPBACK}:0"
        )
    with cluster, Client(cluster, set_as_default=True) as client:
        client.wait_for_workers(worker_count(config), timeout=_START_S)
        yield client
