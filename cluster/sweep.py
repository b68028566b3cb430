"""Taking away what jobs left aside and nobody will go on with."""

import time

from cluster.jobs import Jobs
from storage.errors import DatasetNameError


def sweep(jobs: Jobs, *, older_than_hours: float, dry_run: bool = False) -> tuple[str, ...]:
    """Ids of the runs whose staged files were given up: those that no driver works on, not touched for so long.

    Such a job can be resumed still; its work is done anew then.

    Parameters
    ----------
    jobs
        The jobs of a store.
    older_than_hours
        Younger ones stay.
    dry_run
        Tell which would go, and remove nothing.
    """
    folder = jobs.store.layout.root / "_staging"
    oldest = time.time() - older_than_hours * 3600
    given_up = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            job = jobs.store.layout.job(path.name)
        except DatasetNameError:
            continue
        known = path.name in jobs.ids()
        if known and jobs.find(path.name).alive():
            continue
        journal = job / "journal.jsonl"
        touched = max(journal.stat().st_mtime if known else 0.0, path.stat().st_mtime)
        if touched <= oldest:
            given_up.append(path.name)
            if not dry_run:
                jobs.store.drop_staging(path.name)
    return tuple(given_up)
