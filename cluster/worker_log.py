"""A preload for schedulers, nannies and workers: what they log becomes lines of JSON, and a crash leaves a trace."""

import faulthandler
import os
from pathlib import Path
from typing import Any

from distributed import Worker

from cluster.processes import name_process
from cluster.structured import log_as_json, wants_json

#: The variable with the folder in which workers that share a process with others keep logs of their own.
WORKER_LOGS = "TEXTMILL_WORKER_LOGS"


def dask_setup(server: Any) -> None:
    """Nothing; Dask calls this as the process comes up."""
    folder = os.environ.get(WORKER_LOGS)
    if folder and isinstance(server, Worker):
        say_into(Path(folder) / f"{server.name}.log")
        name_process(str(server.name))
    if wants_json():
        log_as_json()
        faulthandler.enable()


def say_into(log: Path) -> None:
    """Nothing; what this process says, compiled code and all, goes to the end of `log`."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)
