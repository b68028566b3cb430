"""What a batch system says of the driver that it was given."""

import time
from collections.abc import Mapping
from typing import Any

from cluster.batch.pbs import Pbs
from cluster.batch.slurm import Slurm
from cluster.batch.system import BatchState, Keeper
from cluster.errors import BatchError
from cluster.kubernetes.kubectl import Kubernetes

SYSTEMS: dict[str, Keeper] = {"slurm": Slurm(), "pbs": Pbs(), "kubernetes": Kubernetes()}
#: Onlookers ask a batch system about one job at most this often.
_ASK_S = 1.0
_GONE = BatchState(pending=False, running=False, word="gone")
_known: dict[tuple[str, str], tuple[float, BatchState | None]] = {}


def placed_state(placed: Mapping[str, Any]) -> BatchState | None:
    """The state of a driver's job; None where it was placed nowhere, or nobody here can ask."""
    system = SYSTEMS.get(str(placed.get("system", "")))
    if system is None:
        return None
    key = (system.name, str(placed["id"]))
    asked_at, state = _known.get(key, (-_ASK_S, None))
    if time.monotonic() - asked_at >= _ASK_S:
        try:
            state = system.state(key[1]) or _GONE
        except BatchError:
            state = None
        _known[key] = (time.monotonic(), state)
    return state
