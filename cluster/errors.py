"""The errors of running a job somewhere. Positional arguments only, so that they survive pickling."""


class ClusterError(Exception):
    """The root of everything the cluster layer raises on purpose."""

    #: Whether trying the same work again can help.
    retryable = False


class WorkerLostError(ClusterError, RuntimeError):
    """Workers died under the same task again and again, or all of them; most often for want of memory.

    Parameters
    ----------
    stage
        The stage that was running.
    memory_bytes
        What a worker may use; 0 where there is no limit.
    detail
        What Dask said.
    """

    def __init__(self, stage: str, memory_bytes: int, detail: str) -> None:
        super().__init__(stage, memory_bytes, detail)
        self.stage = stage
        self.memory_bytes = memory_bytes
        self.detail = detail

    def __str__(self) -> str:
        limit = f"{self.memory_bytes / 1e9:.1f} GB of memory each" if self.memory_bytes else "no memory limit"
        return (
            f"stage {self.stage}: workers ({limit}) died and took the work with them, most likely out of memory. "
            f"Give them more with [cluster] memory, use fewer workers, or make [source] block smaller. ({self.detail})"
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
