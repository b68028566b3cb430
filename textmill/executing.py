"""A cluster for a task that is not a run: scoring, evaluating, training again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cluster.execute import ClientExecute
from cluster.progress import ProgressListener
from cluster.providers.local import worker_memory_bytes
from cluster.providers.open import open_cluster
from pipeline.config import ClusterConfig
from pipeline.execute import Execute


@contextmanager
def executing(
    listener: ProgressListener, *, workers: int | None, beside: Path | None = None
) -> Iterator[tuple[Execute, Path]]:
    """A way to run tasks on this machine's cores, and a folder that its workers see; both end with the context.

    Parameters
    ----------
    listener
        Hears how the tasks get on.
    workers
        How many; one a core where not given.
    beside
        The folder to make the folder in, so that it lies on the same disk; the system's place for such things
        where not given.
    """
    config = ClusterConfig(workers=workers)
    with TemporaryDirectory(prefix=".textmill-", dir=beside) as folder:
        scratch = Path(folder)
        with open_cluster(config, scratch / "workers") as client:
            yield ClientExecute(client, listener, config.task_timeout_s, worker_memory_bytes(config)), scratch
