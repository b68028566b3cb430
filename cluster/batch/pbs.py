"""PBS, Professional or open: qsub, qstat, qdel."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.batch.system import BatchJob, BatchState, lines, told
from cluster.errors import BatchError
from cluster.profiles.settings import BatchProfile

_PENDING = {"Q", "H", "W", "T", "S", "U", "M"}
_RUNNING = {"R", "E", "B"}
#: PBS takes no longer names.
_NAME = 230


class Pbs:
    """See the module."""

    name = "pbs"

    def script(self, job: BatchJob, profile: BatchProfile) -> str:
        """The script that asks for `job`."""
        # Rounded up to whole mebibytes, as PBS counts them.
        memory = math.ceil(job.memory_bytes / 2**20)
        options = [
            f"-N {job.name[:_NAME]}",
            f"-l select=1:ncpus={job.cores}:mem={memory}MB",
            f"-l walltime={profile.walltime}",
            f"-o {job.log}",
            "-j oe",
            # Straight into the file, as it is said, not copied at the end.
            "-k oed",
            f"-r {'y' if job.again else 'n'}",
            *([f"-q {profile.queue}"] if profile.queue else []),
            *([f"-A {profile.account}"] if profile.account else []),
            *profile.directives,
        ]
        return lines([f"#PBS {option}" for option in options], job, profile)

    def submit(self, script: str, environment: Mapping[str, str]) -> str:
        """The id of a new job."""
        return told(["qsub", "-V"], said=script, environment=environment).strip()

    def states(self, name: str) -> dict[str, BatchState]:
        """Id -> state of the jobs with this name."""
        jobs = self._jobs(["qstat", "-x", "-f", "-F", "json"])
        return {job: _state(facts) for job, facts in jobs.items() if facts.get("Job_Name") == name[:_NAME]}

    def state(self, job: str) -> BatchState | None:
        """The state of one job; None where PBS knows it no more."""
        try:
            return next(map(_state, self._jobs(["qstat", "-x", "-f", "-F", "json", job]).values()), None)
        except BatchError as error:
            if "Unknown Job" in error.problem:
                return None
            raise

    def _jobs(self, words: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(told(words) or "{}").get("Jobs", {})
        return found

    def cancel(self, jobs: Sequence[str]) -> None:
        """Nothing; the jobs end, if they had not."""
        for job in jobs:
            try:
                told(["qdel", job])
            except BatchError as error:
                # One that has ended by now is no failure.
                if "Unknown Job" not in error.problem and "finished" not in error.problem:
                    raise


def _state(facts: Mapping[str, Any]) -> BatchState:
    letter = str(facts.get("job_state", ""))
    word = {"Q": "queued", "H": "held", "R": "running", "E": "exiting", "F": "finished"}.get(letter, letter)
    comment = str(facts.get("comment", ""))
    return BatchState(
        pending=letter in _PENDING, running=letter in _RUNNING, word=f"{word} ({comment})" if comment else word
    )
