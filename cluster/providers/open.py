"""From a profile to a running cluster."""

import os
from pathlib import Path

from cluster.errors import ProfileError
from cluster.kubernetes.manifests import KEYS, SCHEDULER_VARIABLE
from cluster.network import is_loopback, listening_address
from cluster.profiles.kept import sized, worker_environment
from cluster.profiles.settings import (
    AddressProfile,
    AnyProfile,
    BatchProfile,
    GatewayProfile,
    LocalProfile,
    RemoteProfile,
    SshProfile,
)
from cluster.profiles.sources import Named, Profiles
from cluster.providers.adapting import Adapting
from cluster.providers.address import AddressCluster, require_private
from cluster.providers.batch import BatchLauncher
from cluster.providers.commands import WorkerTerms
from cluster.providers.gateway import GatewayCluster
from cluster.providers.local import LocalLauncher, LocalThreads, worker_count, worker_memory_bytes
from cluster.providers.provider import Places, Provider
from cluster.providers.ssh import SshLauncher
from cluster.providers.started import Launcher, StartedCluster
from cluster.tls import TlsFolder, init_tls
from pipeline.config import ClusterConfig

#: Keys for one run are of no use after it.
_RUN_DAYS = 30
#: What a driver inside Kubernetes expects of the cluster that was made for it.
_SAME = {"threads", "memory", "start_timeout_s"}


def provider_of(
    config: ClusterConfig, places: Places, named: Named | None = None, run: str = "", *, fit: bool = True
) -> Provider:
    """The provider that `config` names; nothing is started yet.

    Parameters
    ----------
    config
        What the job says about its cluster.
    places
        Where files go.
    named
        The profile; found from the current directory where not given.
    run
        The job's id, a name for what is started in a batch system.
    fit
        Whether workers that have another textmill are refused.

    Raises
    ------
    ProfileError, JobFileError
        If there is no such profile, or it is wrong.
    """
    named = named or Profiles.seen_from(Path.cwd()).find(config.profile)
    profile = named.profile
    config = sized(config, profile)
    if isinstance(profile, LocalProfile):
        if not config.processes:
            return LocalThreads(config, places)
        local = LocalLauncher(named.name, worker_environment(named), profile.start_timeout_s)
        return _started(local, worker_count(config), worker_memory_bytes(config), config, places, profile)
    if isinstance(profile, AddressProfile):
        require_private(named.name, profile.address, insecure=profile.insecure)
        tls = TlsFolder(path=Path(profile.tls)) if profile.tls else None
        return AddressCluster(named.name, profile, tls, fit=fit)
    if isinstance(profile, GatewayProfile):
        return GatewayCluster(named.name, profile, config.workers or 1, fit=fit)
    if isinstance(profile, SshProfile):
        host = listening_address(named.name, profile.address)
        ssh = SshLauncher(named.name, profile, host, tls_for(profile, host, places), worker_environment(named))
        # A machine's memory is not known from here: none is asked for that Dask does not find there itself.
        workers, share = config.workers or ssh.most or 1, 0.8 / profile.workers_per_host
        ssh.elsewhere = fit
        return _started(ssh, workers, config.memory or 0, config, places, profile, share)
    if isinstance(profile, BatchProfile):
        host = listening_address(named.name, profile.address)
        tls = tls_for(profile, host, places)
        batch = BatchLauncher(named.name, profile, run, host, tls, worker_environment(named))
        batch.elsewhere = fit
        return _started(batch, config.workers or 1, config.memory or 0, config, places, profile)
    if SCHEDULER_VARIABLE in os.environ:
        # This is the driver's pod.
        inside = AddressProfile(
            kind="address", address=os.environ[SCHEDULER_VARIABLE], **profile.model_dump(include=_SAME)
        )
        return AddressCluster(named.name, inside, TlsFolder(path=Path(KEYS)), fit=fit)
    raise ProfileError(named.name, "a Kubernetes cluster is opened by the driver inside it; use `textmill submit`")


def _started(
    launcher: Launcher,
    workers: int,
    memory_bytes: int,
    config: ClusterConfig,
    places: Places,
    profile: AnyProfile,
    memory_share: float = 1.0,
) -> StartedCluster:
    adaptive = getattr(profile, "adaptive", None)
    scratch = getattr(profile, "scratch", None) or str(places.scratch)
    terms = WorkerTerms(threads=config.threads, memory_bytes=memory_bytes, memory_share=memory_share, scratch=scratch)
    if adaptive is None:
        return StartedCluster(launcher, workers, terms, places)
    return StartedCluster(launcher, adaptive.minimum, terms, places, Adapting(adaptive))


def tls_for(profile: RemoteProfile, host: str, places: Places) -> TlsFolder | None:
    """The keys for a cluster whose scheduler listens on `host`; None where it needs none.

    Raises
    ------
    TlsError
        If they cannot be used or made.
    """
    if profile.tls is not None:
        return TlsFolder(path=Path(profile.tls))
    if profile.insecure or is_loopback(host):
        return None
    folder = places.scratch / "tls"
    return init_tls(folder, days=_RUN_DAYS, hosts=(host,), force=True, keep_key=False)
