"""All workers of one machine from one process: ``python -m cluster.forked CARD SPEC``.

What a worker imports, and the compiled code it loads, takes it longer than all else it does to come up. Here both
happen once, in a process without threads that Python's ``multiprocessing`` calls a fork server: each worker, also one
that a nanny starts again, is a fork of it.
"""

import os
import sys
import time
from multiprocessing import forkserver, set_forkserver_preload
from pathlib import Path

#: What the fork server loads.
_LOADED = "cluster.warmed"
#: As Dask sets them for workers, which here comes too late: they are read when a library is loaded or Python starts.
_BEFORE = {
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "6640",
}


def main(card: str, spec: str) -> None:
    """Nothing; the servers of `spec`, which is as ``dask spec`` takes it, have ended.

    Parameters
    ----------
    card
        The file that has the scheduler's address, or will have it.
    spec
        JSON: of each server its class and its options, by name.
    """
    for name, value in _BEFORE.items():
        os.environ.setdefault(name, value)
    if sys.platform == "linux":
        # Libraries of other systems do not bear a fork.
        _begin_to_load()
    from distributed.cli import dask_spec

    dask_spec.main([_awaited(Path(card)), "--spec", spec])


def _begin_to_load() -> None:
    """Nothing; there is a fork server, which loads while Dask is loaded here."""
    os.environ["DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD"] = "forkserver"
    set_forkserver_preload([_LOADED])
    forkserver.ensure_running()
    import distributed.utils

    # Dask would have it load each library that it can work with instead, and load them here to see which there are.
    distributed.utils._forkserver_preload_set = True


def _awaited(card: Path) -> str:
    from cluster.providers.commands import address_on
    from cluster.providers.handles import STARTED_BY

    starter = int(os.environ[STARTED_BY])
    while (address := address_on(card)) is None:
        if os.getppid() != starter:
            raise SystemExit("nobody waits for these workers any more")
        time.sleep(0.02)
    return address


if __name__ == "__main__":
    main(*sys.argv[1:])
