"""A cluster for a task that is not a run: scoring, evaluating, training again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cluster.execute import ClientExecute
from cluster.profiles.settings import LocalProfile
from cluster.profiles.sources import Profiles
from cluster.progress import ProgressListener
from cluster.providers.open import provider_of
from cluster.providers.provider import Places
from cluster.session import Session
from pipeline.config import ClusterConfig
from pipeline.execute import Execute


@contextmanager
def executing(
    listener: ProgressListener, cluster: ClusterConfig, *, beside: Path | None = None, shared: Path | None = None
) -> Iterator[tuple[Execute, Path]]:
    """A way to run tasks on a cluster, and a folder that its workers see; both end with the context.

    Parameters
    ----------
    listener
        Hears how the tasks get on.
    cluster
        Where they run.
    beside
        The folder to make the folder in, so that it lies on the same disk; the system's place for such things
        where not given, which workers on this machine alone can see.
    shared
        Instead of the system's place, for workers on other machines; the current directory where not given.

    Raises
    ------
    ClusterError
        If the cluster cannot be had.
    """
    named = Profiles.seen_from(Path.cwd()).find(cluster.profile)
    if beside is None and not isinstance(named.profile, LocalProfile):
        beside = shared or Path.cwd()
        beside.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="textmill-", dir=beside) as folder:
        scratch = Path(folder)
        places = Places(scratch=scratch / "workers", logs=scratch / "logs")
        provider = provider_of(cluster, places, named, run=scratch.name)
        with Session(provider) as session:
            yield ClientExecute(session, listener, cluster.task_timeout_s, provider.memory_bytes), scratch
