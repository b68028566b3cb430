"""Running the pipeline's tasks on a Dask cluster, with progress and a deadline on every wait."""

import time
from collections.abc import Sequence
from queue import Empty, Queue
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from cluster.errors import StalledError, WorkerLostError
from cluster.progress import ProgressListener

#: How often the workers are counted while nothing finishes, and how long a run goes on without any.
_LOOK_EVERY_S = 2.0
_WITHOUT_WORKERS_S = 20.0


class ClientExecute:
    """An `Execute` over a `distributed.Client`.

    Attributes
    ----------
    seconds
        Wall time by stage so far, added up over calls with the same stage.
    """

    def __init__(self, client: Client, listener: ProgressListener, timeout_s: float, memory_bytes: int) -> None:
        self._client = client
        self._listener = listener
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str, tasks: Sequence[Any], *, sizes: Sequence[int] | None = None) -> list[Any]:
        """Results of `tasks`, in order.

        Raises
        ------
        WorkerLostError
            If workers keep dying under a task.
        StalledError
            If no task finishes within the deadline.
        Exception
            Whatever a task raised.
        """
        started = time.perf_counter()
        self._listener.stage_started(stage, len(tasks), sum(sizes) if sizes is not None else None)
        futures = self._client.compute(list(tasks), sync=False)
        try:
            results = self._collect(stage, futures, sizes)
        except KilledWorker as error:
            raise WorkerLostError(stage, self._memory_bytes, str(error).split(".")[0]) from error
        finally:
            self._client.cancel(futures)
        elapsed = time.perf_counter() - started
        self.seconds[stage] = self.seconds.get(stage, 0.0) + elapsed
        self._listener.stage_finished(stage, elapsed)
        return results

    def _collect(self, stage: str, futures: list[Future], sizes: Sequence[int] | None) -> list[Any]:
        """Results in order; progress is told as they come in."""
        arrived: Queue[int] = Queue()
        for number, future in enumerate(futures):
            future.add_done_callback(lambda _future, number=number: arrived.put(number))
        results: list[Any] = [None] * len(futures)
        done_bytes = done_rows = 0
        for done in range(1, len(futures) + 1):
            number = self._next(arrived, stage, len(futures) - done + 1)
            results[number] = futures[number].result(timeout=self._timeout_s)
            done_bytes += sizes[number] if sizes is not None else 0
            done_rows += getattr(results[number], "progress_rows", 0)
            self._listener.task_done(stage, done, len(futures), done_bytes, done_rows)
        return results

    def _next(self, arrived: "Queue[int]", stage: str, pending: int) -> int:
        """The number of the next task that is through; the workers are counted while waiting."""
        deadline = time.monotonic() + self._timeout_s
        workers_seen = time.monotonic()
        while (left := deadline - time.monotonic()) > 0:
            try:
                return arrived.get(timeout=min(left, _LOOK_EVERY_S))
            except Empty:
                if self._client.nthreads():
                    workers_seen = time.monotonic()
                elif time.monotonic() - workers_seen > _WITHOUT_WORKERS_S:
                    raise WorkerLostError(stage, self._memory_bytes, "no worker is left") from None
        raise StalledError(stage, self._timeout_s, pending)
