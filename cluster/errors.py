"""The errors of running a job somewhere. Positional arguments only, so that they survive pickling."""

from pipeline.errors import TaskDiedError


class ClusterError(Exception):
    """The root of everything the cluster layer raises on purpose."""

    #: Whether trying the same work again can help.
    retryable = False


class WorkerLostError(ClusterError, TaskDiedError, RuntimeError):
    """Workers died under the same task again and again, or all of them; most often for want of memory.

    Parameters
    ----------
    stage
        The stage that was running.
    memory_bytes
        What a worker may use; 0 where there is no limit.
    detail
        What Dask said.
    tasks
        The numbers of the tasks that were running then; empty where nobody knows.
    """

    def __init__(self, stage: str, memory_bytes: int, detail: str, tasks: tuple[int, ...] = ()) -> None:
        super().__init__(stage, memory_bytes, detail, tasks)
        self.stage = stage
        self.memory_bytes = memory_bytes
        self.detail = detail
        self.tasks = tasks

    def __str__(self) -> str:
        limit = f"{self.memory_bytes / 1e9:.1f} GB of memory each" if self.memory_bytes else "no memory limit"
        return (
            f"stage {self.stage}: workers ({limit}) died and took the work with them, most likely out of memory. "
            f"Give them more with [cluster] memory, use fewer workers, or make [source] block smaller. ({self.detail})"
        )


class BlocksTooLargeError(WorkerLostError):
    """Workers died under blocks of the job's size and under smaller ones too.

    Parameters
    ----------
    stage, memory_bytes, detail
        As for `WorkerLostError`.
    blocks
        The sizes that were tried, in bytes, the first one first.
    """

    def __init__(self, stage: str, memory_bytes: int, blocks: tuple[int, ...], detail: str) -> None:
        ClusterError.__init__(self, stage, memory_bytes, blocks, detail)
        self.stage = stage
        self.memory_bytes = memory_bytes
        self.blocks = blocks
        self.detail = detail

    def __str__(self) -> str:
        sizes = ", ".join(f"{block / 1e6:g}" for block in self.blocks)
        limit = f"{self.memory_bytes / 1e9:.2g} GB of memory each" if self.memory_bytes else "no memory limit"
        return (
            f"stage {self.stage}: workers ({limit}) ran out of memory or crashed with [source] block at {sizes} MB. "
            f"Give them more with [cluster] memory, or use fewer workers. ({self.detail})"
        )


class StalledError(ClusterError, TimeoutError):
    """No task finished within the deadline.

    Parameters
    ----------
    stage
        The stage that was running.
    seconds
        The deadline that passed.
    pending
        Tasks that had not finished.
    """

    retryable = True

    def __init__(self, stage: str, seconds: float, pending: int) -> None:
        super().__init__(stage, seconds, pending)
        self.stage = stage
        self.seconds = seconds
        self.pending = pending

    def __str__(self) -> str:
        return (
            f"stage {self.stage}: none of {self.pending} pending tasks finished within {self.seconds:g} s. "
            "Check that the workers are alive, or raise [cluster] task_timeout_s if single tasks take that long."
        )


class ProfileError(ClusterError, ValueError):
    """A cluster profile does not exist or cannot be opened.

    Parameters
    ----------
    profile
        The profile's name.
    problem
        What is wrong and what to do.
    """

    def __init__(self, profile: str, problem: str) -> None:
        super().__init__(profile, problem)
        self.profile = profile
        self.problem = problem

    def __str__(self) -> str:
        return f"cluster profile {self.profile}: {self.problem}"


class TlsError(ClusterError, OSError):
    """Keys or certificates that cannot be used.

    Parameters
    ----------
    path
        The file or folder; "" where it is about none.
    problem
        What is wrong and what to do.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


class WorkersUnfitError(ClusterError, RuntimeError):
    """Workers that cannot do what the job asks of them.

    Parameters
    ----------
    problems
        One sentence a problem, each with its cure.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(["the workers are not fit for this job:", *(f"  - {problem}" for problem in self.problems)])


class BatchError(ClusterError, RuntimeError):
    """A batch system does not do what it is asked.

    Parameters
    ----------
    command
        What was called.
    problem
        What it said, and what to do.
    """

    def __init__(self, command: str, problem: str) -> None:
        super().__init__(command, problem)
        self.command = command
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.command}: {self.problem}"


class ClusterLostError(ClusterError, ConnectionError):
    """The scheduler is gone, or cannot be reached.

    Parameters
    ----------
    stage
        The stage that was running.
    detail
        What was seen.
    """

    retryable = True

    def __init__(self, stage: str, detail: str) -> None:
        super().__init__(stage, detail)
        self.stage = stage
        self.detail = detail

    def __str__(self) -> str:
        return (
            f"stage {self.stage}: the scheduler was lost ({self.detail}). "
            "Run `textmill resume` with the job's id: work that is done is not done again."
        )


class JobError(ClusterError):
    """A job cannot be treated as asked.

    Parameters
    ----------
    job
        The job's id, or what was given for one.
    problem
        What is wrong and what to do.
    """

    def __init__(self, job: str, problem: str) -> None:
        super().__init__(job, problem)
        self.job = job
        self.problem = problem

    def __str__(self) -> str:
        return f"job {self.job}: {self.problem}"


class JobNotFoundError(JobError, LookupError):
    """No job has this id, or more than one starts so."""

    def __str__(self) -> str:
        return JobError.__str__(self)


class JobBusyError(JobError):
    """The job's driver is alive, and the job cannot be given to another."""


class JobFailedError(JobError):
    """A job that was waited for has failed."""


class JobLostError(JobError):
    """A job that was waited for has not ended, and nothing says that it will."""


class JobCancelledError(JobError):
    """Someone cancelled the job."""


class JobStateError(ClusterError, ValueError):
    """An event that cannot happen to a job in its state.

    Parameters
    ----------
    state
        The job's state.
    event
        The event.
    """

    def __init__(self, state: str, event: str) -> None:
        super().__init__(state, event)
        self.state = state
        self.event = event

    def __str__(self) -> str:
        return f'a job that is {self.state} cannot be told "{self.event}"'


class LeaseLostError(ClusterError, PermissionError):
    """Another driver has taken the job over; this one may not write for it any more.

    Parameters
    ----------
    job
        The job's id.
    token
        This driver's token.
    newest
        The token of the driver that has the job now.
    """

    def __init__(self, job: str, token: int, newest: int) -> None:
        super().__init__(job, token, newest)
        self.job = job
        self.token = token
        self.newest = newest

    def __str__(self) -> str:
        return (
            f"job {self.job}: another driver has it (claim {self.newest}, this one is {self.token}). "
            f"Nothing was written by this one; see `textmill status {self.job}`."
        )
