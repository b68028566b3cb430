"""From a profile's name to a running cluster."""

from contextlib import AbstractContextManager
from pathlib import Path

from distributed import Client

from cluster.errors import ProfileError
from cluster.providers.local import LocalProcesses, LocalThreads
from cluster.providers.provider import Places, Provider, opened
from pipeline.config import ClusterConfig


def provider_of(config: ClusterConfig, places: Places) -> Provider:
    """The provider that `config` names; nothing is started yet.

    Raises
    ------
    ProfileError
        If there is no such profile.
    """
    if config.profile != "local":
        raise ProfileError(config.profile, "there is no such profile; known: local")
    return LocalProcesses(config, places) if config.processes else LocalThreads(config, places)


def open_cluster(config: ClusterConfig, scratch: Path) -> AbstractContextManager[Client]:
    """A context with a client of the cluster that `config` names.

    Raises
    ------
    ProfileError
        If there is no such profile.
    """
    return opened(provider_of(config, Places(scratch=scratch, logs=scratch / "logs")))
