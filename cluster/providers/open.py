"""From a profile's name to a running cluster."""

from contextlib import AbstractContextManager
from pathlib import Path

from distributed import Client

from cluster.errors import ProfileError
from cluster.providers.local import open_local
from pipeline.config import ClusterConfig

PROVIDERS = {"local": open_local}


def open_cluster(config: ClusterConfig, scratch: Path) -> AbstractContextManager[Client]:
    """A context with a client of the cluster that `config` names.

    Raises
    ------
    ProfileError
        If there is no such profile.
    """
    if config.profile not in PROVIDERS:
        raise ProfileError(config.profile, f"there is no such profile; known: {', '.join(PROVIDERS)}")
    return PROVIDERS[config.profile](config, scratch)
