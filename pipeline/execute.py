"""How the pipeline asks for work to be done: the one seam between building graphs and running them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import dask
from dask.delayed import Delayed

#: What a person should hear while it runs.
Note = Callable[[str], None]


class Execute(Protocol):
    """Runs Dask tasks somewhere and answers with their results, in the order they were given.

    The pipeline only ever builds `dask.delayed` objects (or collections' delayed partitions) and hands them over;
    whoever drives it decides on the scheduler, shows progress and keeps the deadlines.
    """

    def __call__(self, stage: str, tasks: Sequence[Any], *, sizes: Sequence[int] | None = None) -> list[Any]:
        """Results of `tasks`, in order.

        Parameters
        ----------
        stage
            What a person reads while it runs: "scan", "clean", "dedupe", "features", "train" ...
        tasks
            `dask.delayed.Delayed` objects.
        sizes
            Input bytes of each task, for progress in MB/s; same length as `tasks`.
        """
        ...


def task_of(function: Callable[..., Any], *arguments: Any, **named: Any) -> Delayed:
    """A task that calls `function` with these arguments, none of which is, or holds, another task.

    Dask does not look for tasks in them, which takes it longer than many a task takes.
    """
    return dask.delayed(partial(function, *arguments, **named), pure=False)()


def run_here(stage: str, tasks: Sequence[Any], *, sizes: Sequence[int] | None = None) -> list[Any]:  # noqa: ARG001
    """Results of `tasks`, computed one after the other in this thread: the plainest `Execute`."""
    return list(dask.compute(*tasks, scheduler="synchronous"))
