"""SLURM: sbatch, squeue, scancel."""

import math
from collections.abc import Mapping, Sequence

from cluster.batch.system import BatchJob, BatchState, lines, told
from cluster.profiles.settings import BatchProfile

_PENDING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SUSPENDED", "RESV_DEL_HOLD"}
_RUNNING = {"RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "STOPPED", "RESIZING"}
_FIELDS = "%A|%T|%r"


class Slurm:
    """See the module."""

    name = "slurm"

    def script(self, job: BatchJob, profile: BatchProfile) -> str:
        """The script that asks for `job`."""
        options = [
            f"--job-name={job.name}",
            f"--output={job.log}",
            "--open-mode=append",
            "--nodes=1",
            "--ntasks=1",
            f"--cpus-per-task={job.cores}",
            f"--mem={math.ceil(job.memory_bytes / 2**20)}M",
            f"--time={profile.walltime}",
            "--requeue" if job.again else "--no-requeue",
            *([f"--partition={profile.queue}"] if profile.queue else []),
            *([f"--account={profile.account}"] if profile.account else []),
            *profile.directives,
        ]
        return lines([f"#SBATCH {option}" for option in options], job, profile)

    def submit(self, script: str, environment: Mapping[str, str]) -> str:
        """The id of a new job."""
        # Everything of the environment comes along; what is secret in it stands in no script and on no command line.
        return (
            told(["sbatch", "--parsable", "--export=ALL"], said=script, environment=environment).strip().split(";")[0]
        )

    def states(self, name: str) -> dict[str, BatchState]:
        """Id -> state of the user's jobs with this name."""
        return _parsed(told(["squeue", "--noheader", "--me", "--states=all", f"--name={name}", f"--format={_FIELDS}"]))

    def state(self, job: str) -> BatchState | None:
        """The state of one job; None where SLURM knows it no more."""
        mine = told(["squeue", "--noheader", "--me", "--states=all", f"--format={_FIELDS}"])
        return _parsed(mine).get(job)

    def cancel(self, jobs: Sequence[str]) -> None:
        """Nothing; the jobs end, if they had not."""
        if jobs:
            told(["scancel", "--quiet", *jobs])


def _parsed(text: str) -> dict[str, BatchState]:
    """Id -> state, from the lines of squeue."""
    found = {}
    for line in text.splitlines():
        job, word, reason = line.split("|", 2)
        pending, running = word in _PENDING, word in _RUNNING
        detail = f" ({reason})" if reason not in ("None", "") else ""
        found[job] = BatchState(pending=pending, running=running, word=word.lower() + detail)
    return found
