"""A preload for local schedulers and workers: they end when the process that started them is gone.

A driver killed with no chance to clean up must not leave processes behind; a poll once a second is enough and works
on every system. Linux has no portable signal for it that survives the threads of the starting process.
"""

import os
import threading
import time
from typing import Any

from distributed import Worker

from cluster.providers.handles import STARTED_BY


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def parent_of(server: Any) -> int:
    """The process to end with.

    It is told by whoever starts a scheduler or a nanny: one that dies while they come up is no longer their parent when
    they look. A worker's is its nanny.
    """
    told = os.environ.get(STARTED_BY)
    return int(told) if told and not isinstance(server, Worker) else os.getppid()


def dask_setup(server: Any) -> None:
    """Start watching; Dask calls this as the process comes up."""
    threading.Thread(target=_end_with, args=(parent_of(server),), daemon=True, name="parent-watch").start()
