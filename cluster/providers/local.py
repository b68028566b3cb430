"""The cores of the machine at hand: workers as processes of their own, or as threads of this one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import psutil
from distributed import Client, LocalCluster
from distributed.deploy.subprocess import SubprocessCluster

from pipeline.config import ClusterConfig

_LOOPBACK = "127.0.0.1"
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
    options = {"n_workers": worker_count(config), "threads_per_worker": config.threads, "host": _LOOPBACK}
    worker_options = {"memory_limit": worker_memory_bytes(config), "local_directory": str(scratch)}
    preloads = {
        "distributed.scheduler.preload": _WATCH,
        "distributed.nanny.preload": _WATCH,
        "distributed.worker.preload": _WATCH,
    }
    if not config.processes:
        cluster = LocalCluster(processes=False, dashboard_address=None, **options, **worker_options)
    else:
        with dask.config.set(preloads):
            cluster = SubprocessCluster(dashboard_address=None, worker_kwargs=worker_options, **options)
    with cluster, Client(cluster, set_as_default=True) as client:
        yield client
