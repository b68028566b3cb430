"""Taking away what jobs left aside and nobody will go on with."""

import time
from collections.abc import Iterator
from pathlib import Path

from cluster.jobs import Jobs
from pipeline.train.cache import drop_unfinished
from storage.errors import DatasetNameError

#: What a driver writes beside the real thing: a claim, a sign of life, any file.
_ASIDE = (".lease-*", ".heartbeat-*", ".*.aside")
_SILENT_S = 3600.0


def sweep(jobs: Jobs, *, older_than_hours: float, dry_run: bool = False) -> tuple[str, ...]:
    """Ids of the runs whose staged files were given up: those that no driver works on, not touched for so long.

    Such a job can be resumed still; its work is done anew then. What a driver or worker that was killed left half
    written, in its job's folder or in the cache of features, goes with them.

    Parameters
    ----------
    jobs
        The jobs of a store.
    older_than_hours
        Younger ones stay.
    dry_run
        Tell which would go, and remove nothing.
    """
    oldest = time.time() - older_than_hours * 3600
    ids = jobs.ids()
    alive = {run for run in ids if jobs.find(run).alive() and not jobs.find(run).journal.life().ended}
    given_up = [run for run in _staged(jobs) if run not in alive and _touched(jobs, run) <= oldest]
    if dry_run:
        return tuple(given_up)
    for run in given_up:
        jobs.store.drop_staging(run)
    for run in set(ids) - alive:
        for path in _left_aside(jobs.find(run).path):
            if path.stat().st_mtime <= oldest:
                path.unlink(missing_ok=True)
    if not alive:
        drop_unfinished(jobs.store.cache("features"), oldest)
    return tuple(given_up)


def left_staged(jobs: Jobs) -> tuple[str, ...]:
    """Ids of the runs with staged files that no driver works on, sorted.

    What is no job, like a deletion or a compaction, tells nobody that it is alive: it counts once it was not touched
    for an hour.
    """
    ids = set(jobs.ids())
    long_ago = time.time() - _SILENT_S
    return tuple(
        run for run in _staged(jobs) if (not jobs.find(run).alive() if run in ids else _touched(jobs, run) <= long_ago)
    )


def _staged(jobs: Jobs) -> Iterator[str]:
    """Ids of all runs with staged files."""
    folder = jobs.store.layout.stagings
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            jobs.store.layout.job(path.name)
        except DatasetNameError:
            continue
        yield path.name


def _touched(jobs: Jobs, run: str) -> float:
    """When anybody last touched a run, in seconds since 1970."""
    journal = jobs.store.layout.job(run) / "journal.jsonl"
    places = [path for path in (journal, jobs.store.layout.staging(run)) if path.exists()]
    return max((path.stat().st_mtime for path in places), default=0.0)


def _left_aside(folder: Path) -> Iterator[Path]:
    for pattern in _ASIDE:
        yield from folder.glob(pattern)
