"""A preload for local schedulers and workers: they end when the process that started them is gone.

A driver killed with no chance to clean up must not leave processes behind; a poll once a second is enough and works
on every system. Linux has no portable signal for it that survives the threads of the starting process.
"""

import os
import threading
import time
from typing import Any


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def dask_setup(_server: Any) -> None:
    """Start watching; Dask calls this as the process comes up."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True, name="parent-watch").start()
