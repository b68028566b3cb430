"""What a worker of a job needs in memory: known from the job file, before anything is read."""

from pipeline.config import JobConfig

#: Memory that one task of a pass may take.
PASS_BYTES = 256_000_000
#: An idle worker with everything imported and compiled, and how many times over a block is in memory while it is read,
#: cleaned and written. `benchmarks.memory` measures both.
IDLE_BYTES = 300_000_000
BLOCK_COPIES = 8


def worker_bytes(job: JobConfig) -> int:
    """The most that a worker holds, with a task for each of its threads; however large the input is.

    Examples
    --------
    >>> from pipeline.config import parse_job
    >>> job = parse_job({"name": "x", "source": {"files": "a.csv", "block": "50MB"}, "dataset": {"name": "x"}})
    >>> worker_bytes(job)
    700000000
    """
    whole = (
        job.dedupe is not None or job.activity is not None or any(rule.unique or rule.references for rule in job.check)
    )
    task = BLOCK_COPIES * job.source.block + (PASS_BYTES if whole else 0)
    return IDLE_BYTES + job.cluster.threads * task
