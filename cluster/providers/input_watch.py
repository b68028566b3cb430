"""A preload for nannies that were started over a network: they end when the other side hangs up.

Their standard input is held open by whoever started them. When that process dies, however suddenly, or the connection
does, it ends, and so do they, with their workers.
"""

import os
import threading
from typing import Any


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def dask_setup(_server: Any) -> None:
    """Start watching; Dask calls this as the process comes up."""
    threading.Thread(target=_end_with_input, daemon=True, name="input-watch").start()
