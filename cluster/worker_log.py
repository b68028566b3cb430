"""A preload for schedulers, nannies and workers: what they log becomes lines of JSON, and a crash leaves a trace."""

import faulthandler
from typing import Any

from cluster.structured import log_as_json, wants_json


def dask_setup(_server: Any) -> None:
    """Nothing; Dask calls this as the process comes up."""
    if wants_json():
        log_as_json()
        faulthandler.enable()
