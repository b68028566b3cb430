"""Environment variables of servers on this machine and elsewhere. Loads nothing but the standard library."""

import os
from collections.abc import Mapping
from pathlib import Path

#: Where this code lies: the same for processes of ours, also where it is a checkout that nobody installed.
CODE = str(Path(__file__).resolve().parents[1])

#: Arrow's memory stays with a worker for a second after a block: pages that one block gives back are asked for by the
#: next, and given back to the system in between they cost CPU time. Of what Python and NumPy free, less than 4 MB stay,
#: in one arena for all threads: with more, a worker grows with the number of blocks. Pages are of 2 MB, of which a
#: block needs few, where the system can give them.
KEEP_MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "4194304",
    "MALLOC_TRIM_THRESHOLD_": "4194304",
    "MIMALLOC_PURGE_DELAY": "1000",
}

#: Dask's servers look at themselves less often than a hundred times a second, which costs two of a hundred parts of a
#: machine's CPU time: whether their loop hangs, and which line a task is at, for its dashboard and its report.
LOOK_SELDOM = {
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
    "DASK_DISTRIBUTED__WORKER__PROFILE__INTERVAL": "100ms",
}

#: What all workers and nannies are started with.
SERVER_DEFAULTS = {**KEEP_MEMORY, **LOOK_SELDOM}

#: What has servers of ours write their logs in the structured format.
STRUCTURED_LOGS = {"TEXTMILL_LOGS": "json"}


def with_code(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with this very code to be found by Python."""
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, [CODE, environment.get("PYTHONPATH")]))}
