"""How the pipeline asks for work to be done: the one seam between building graphs and running them."""

from collections.abc import Sequence
from typing import Any, Protocol

import dask


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


def run_here(stage: str, tasks: Sequence[Any], *, sizes: Sequence[int] | None = None) -> list[Any]:  # noqa: ARG001
    """Results of `tasks`, computed one after the other in this thread: the plainest `Execute`."""
    return list(dask.compute(*tasks, scheduler="synchronous"))
