"""Running the pipeline's tasks on a Dask cluster, with progress and a deadline on every wait."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any

import dask
from dask._task_spec import convert_legacy_graph
from distributed import Client, Future
from distributed.scheduler import KilledWorker

from cluster.checkpoints import Checkpoints, Prepared
from cluster.errors import ClusterLostError, StalledError, WorkerLostError, WorkersUnfitError
from cluster.packed import packed
from cluster.progress import ProgressListener
from cluster.session import Session
from cluster.task_content import merged_graph

#: How often someone looks while nothing finishes, and how long a run goes on without any worker.
_LOOK_EVERY_S = 0.25
_WITHOUT_WORKERS_S = 20.0
_COUNTS_S = 0.5
_TELLS_S = 2.0
#: Most answers that are fetched in one round trip.
_TOGETHER = 64
#: Up to so many tasks each is handed over alone. Above, each thread has so many turns, of so many tasks at most.
_MANY = 1_000
_TURNS = 20
_LARGEST_BATCH = 64
#: From so many on, the driver would take longer than threads idle at the end that have only so many turns.
_VERY_MANY = 10_000
_FEWEST_TURNS = 4
_LARGEST_GRAPH = "4 GiB"


def batch_for(tasks: int, threads: int) -> int:
    """How many tasks are handed over as one: enough to spare scheduler and driver, never so many that threads idle.

    Each has its own checkpoint all the same, so that no more is done again than otherwise.
    """
    spared = tasks // max(_MANY, _TURNS * threads)
    crowded = tasks // max(_VERY_MANY, _FEWEST_TURNS * threads)
    return max(1, min(_LARGEST_BATCH, max(spared, crowded)))


class ClientExecute:
    """An `Execute` over a cluster.

    Parameters
    ----------
    cluster
        A client, or a session, which can open a new cluster where one is lost.
    listener
        Hears how the tasks get on.
    timeout_s
        Longest wait for any task to finish.
    memory_bytes
        What a worker may use, for messages.
    checkpoints
        Where answers are kept; None to keep none.
    check
        Called all the time while waiting; raises where the work shall stop.
    on_workers
        Hears how many workers there are, now and then.

    Attributes
    ----------
    seconds
        Wall time by stage so far, added up over calls with the same stage.
    """

    def __init__(
        self,
        cluster: Client | Session,
        listener: ProgressListener,
        timeout_s: float,
        memory_bytes: int,
        *,
        checkpoints: Checkpoints | None = None,
        check: Callable[[], None] = lambda: None,
        on_workers: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._cluster = cluster
        self._listener = listener
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._checkpoints = checkpoints
        self._check = check
        self._on_workers = on_workers
        self.seconds: dict[str, float] = {}

    @property
    def _client(self) -> Client:
        return self._cluster.client if isinstance(self._cluster, Session) else self._cluster

    def __call__(self, stage: str, tasks: Sequence[Any], *, sizes: Sequence[int] | None = None) -> list[Any]:
        """Results of `tasks`, in order.

        Raises
        ------
        WorkerLostError
            If workers keep dying under a task.
        StalledError
            If no task finishes within the deadline.
        ClusterLostError
            If the scheduler is lost, and a new one, where there can be one, is lost again and again.
        Exception
            Whatever a task raised.
        """
        started = time.perf_counter()
        self._listener.stage_started(stage, len(tasks), sum(sizes) if sizes is not None else None)
        results = self._results(stage, tasks, sizes)
        elapsed = time.perf_counter() - started
        self.seconds[stage] = self.seconds.get(stage, 0.0) + elapsed
        self._listener.stage_finished(stage, elapsed)
        return results

    def _results(self, stage: str, tasks: Sequence[Any], sizes: Sequence[int] | None) -> list[Any]:
        while True:
            self._check()
            try:
                return self._attempt(stage, tasks, sizes)
            except ClusterLostError as error:
                if not isinstance(self._cluster, Session):
                    raise
                # What is done is in the checkpoints; the rest goes to the new cluster.
                self._cluster.renew(error)
                self._rest(self._cluster.rest_s)

    def _rest(self, seconds: float) -> None:
        """Nothing; so much time has passed, unless the work shall stop."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, _LOOK_EVERY_S))

    def _attempt(self, stage: str, tasks: Sequence[Any], sizes: Sequence[int] | None) -> list[Any]:
        count = _Count(self._listener, stage, len(tasks), sizes)
        prepared = self._prepared(stage, tasks)
        results: list[Any] = [None] * len(tasks)
        if prepared is not None:
            for number, answer in prepared.known.items():
                results[number] = answer
                count.one_more(number, answer)
        pending = {number: (number,) for number in range(len(tasks))} if prepared is None else prepared.pending
        if not pending:
            return results
        futures = dict(zip(pending, self._started(tasks, prepared, stage), strict=True))
        try:
            self._collect(stage, pending, futures, results, count)
        except BaseException as error:
            killed = [key for key, future in futures.items() if _killed(future)]
            blamed = tuple(pending[key][0] if prepared is None else prepared.reached(key) for key in killed)
            # What is still running would be in the way of whatever comes next.
            if self._lost(stage) is None:
                self._client.cancel(list(futures.values()))
            if isinstance(error, KilledWorker):
                raise WorkerLostError(stage, self._memory_bytes, str(error).split(".")[0], blamed) from error
            if isinstance(error, Exception) and self._lost(stage) is None:
                # What a worker that is not fit could not do says nothing about the task.
                self._vet(stage)
            raise
        return results

    def _prepared(self, stage: str, tasks: Sequence[Any]) -> Prepared | None:
        if self._checkpoints is None:
            return None
        batch = batch_for(len(tasks), sum(self._client.nthreads().values())) if len(tasks) > _MANY else 1
        return self._checkpoints.prepare(stage, tasks, batch)

    def _started(self, tasks: Sequence[Any], prepared: Prepared | None, stage: str) -> list[Future]:
        if prepared is None:
            graph, keys = packed(convert_legacy_graph(merged_graph(tasks))), [task.key for task in tasks]
        else:
            graph, keys = prepared.graph, list(prepared.pending)
        try:
            # Dask's advice to pass data by other means is for graphs that hold data.
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": _LARGEST_GRAPH}):
                return list(self._client.get(graph, keys, sync=False))
        except OSError as error:
            raise self._lost(stage) or ClusterLostError(stage, str(error)) from error

    def _collect(
        self,
        stage: str,
        pending: Mapping[Any, tuple[int, ...]],
        futures: Mapping[Any, Future],
        results: list[Any],
        count: "_Count",
    ) -> None:
        """Nothing; all results are there, and progress was told as they came in."""
        arrived: Queue[Any] = Queue()
        for key, future in futures.items():
            future.add_done_callback(lambda _future, key=key: arrived.put(key))
        wait = _Wait(stage, self._timeout_s * max(map(len, pending.values())))
        done = 0
        while done < len(futures):
            through = [self._next(arrived, wait, len(futures) - done), *_waiting(arrived, _TOGETHER - 1)]
            answers = self._fetched({key: futures[key] for key in through})
            for key in through:
                answer = answers[key] if key in answers else self._result(wait, futures[key])
                numbers = pending[key]
                for number, one in zip(numbers, answer if len(numbers) > 1 else (answer,), strict=True):
                    results[number] = one
                    count.one_more(number, one)
            done += len(through)
            if isinstance(self._cluster, Session):
                self._cluster.progressed()
        self._vet(stage)

    def _fetched(self, futures: dict[Any, Future]) -> dict[Any, Any]:
        """Answers that are through, by key, fetched together: a round trip for each would take longer than a task.

        What does not come at once is left out, be it an error or an answer that went with its worker.
        """
        if len(futures) == 1:
            return {}
        try:
            # The public `gather` waits without end.
            found = self._client.sync(self._client._gather, futures, errors="skip", callback_timeout=_TELLS_S)
        except (TimeoutError, CancelledError, OSError):
            return {}
        return {key: answer for key, answer in found.items() if futures[key].status == "finished"}

    def _result(self, wait: "_Wait", future: Future) -> Any:
        """What the task answered. A worker that dies with it at the last moment has it done once more elsewhere."""
        deadline = time.monotonic() + wait.seconds
        while True:
            self._require(wait.stage)
            try:
                return future.result(timeout=_TELLS_S)
            except CancelledError as error:
                raise self._lost(wait.stage) or ClusterLostError(wait.stage, str(error)) from error
            except (TimeoutError, UnboundLocalError):
                # distributed's own loop stumbles over its missing result where a cancellation comes with the timeout.
                # A task may raise either too, and then there is no more to wait for.
                if future.done() and future.status == "error":
                    raise
                if time.monotonic() > deadline:
                    raise StalledError(wait.stage, wait.seconds, 1) from None
            except OSError as error:
                # Either the task's own, or the connection went while its answer was fetched.
                if future.status == "error":
                    raise
                raise self._lost(wait.stage) or ClusterLostError(wait.stage, str(error)) from error

    def _next(self, arrived: "Queue[Any]", wait: "_Wait", pending: int) -> Any:
        """The key of the next task that is through; workers are counted, and replaced, while waiting."""
        deadline = time.monotonic() + wait.seconds
        workers_seen = looked = time.monotonic()
        while (left := deadline - time.monotonic()) > 0:
            try:
                return arrived.get(timeout=min(left, _LOOK_EVERY_S))
            except Empty:
                self._require(wait.stage)
                if time.monotonic() - looked < _COUNTS_S:
                    continue
                looked = time.monotonic()
                there, able = self._counted(wait.stage)
                if able:
                    workers_seen = looked
                elif looked - workers_seen > _WITHOUT_WORKERS_S:
                    if there:
                        raise WorkerLostError(wait.stage, self._memory_bytes, "all workers are paused, full") from None
                    if isinstance(self._cluster, Session):
                        raise ClusterLostError(wait.stage, "no worker is left") from None
                    raise WorkerLostError(wait.stage, self._memory_bytes, "no worker is left") from None
        raise StalledError(wait.stage, wait.seconds, pending)

    def _require(self, stage: str) -> None:
        """Nothing where the work shall and can go on."""
        self._check()
        lost = self._lost(stage)
        if lost is not None:
            raise lost
        if isinstance(self._cluster, Session):
            self._cluster.provider.mend()

    def _counted(self, stage: str) -> tuple[int, int]:
        """How many workers there are, and how many of them do or could do anything.

        A worker that has filled most of its memory is paused: it ends what it is at and begins nothing more.
        """
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        except OSError as error:
            raise self._lost(stage) or ClusterLostError(stage, str(error)) from error
        self._on_workers(len(workers))
        self._vet(stage)
        able = [one for one in workers if one["status"] != "paused" or one["metrics"].get("executing", 0)]
        return len(workers), len(able)

    def _vet(self, stage: str) -> None:
        """Nothing where all workers are fit. Where one is not, no answer counts: it may be from there."""
        if not isinstance(self._cluster, Session):
            return
        try:
            self._cluster.provider.vet()
        except WorkersUnfitError:
            if self._checkpoints is not None:
                self._checkpoints.drop(stage)
            raise
        except OSError as error:
            raise self._lost(stage) or ClusterLostError(stage, str(error)) from error

    def _lost(self, stage: str) -> ClusterLostError | None:
        if isinstance(self._cluster, Session):
            return self._cluster.lost(stage)
        status = self._cluster.status
        return None if status == "running" else ClusterLostError(stage, f"the connection is {status}")


@dataclass(frozen=True, slots=True)
class _Wait:
    """What is waited for, and how long at most until some task is through."""

    stage: str
    seconds: float


def _waiting(arrived: "Queue[Any]", most: int) -> Iterator[Any]:
    """The keys that are in the queue by now, so many at most."""
    with suppress(Empty):
        for _ in range(most):
            yield arrived.get_nowait()


def _killed(future: Future) -> bool:
    """Whether its task is known to have cost too many workers their lives."""
    return future.status == "error" and isinstance(future.exception(timeout=_TELLS_S), KilledWorker)


class _Count:
    """What is done of one stage."""

    def __init__(self, listener: ProgressListener, stage: str, tasks: int, sizes: Sequence[int] | None) -> None:
        self._listener = listener
        self._stage = stage
        self._tasks = tasks
        self._sizes = sizes
        self._done = self._bytes = self._rows = 0

    def one_more(self, number: int, answer: Any) -> None:
        """Nothing; task `number` is through, and the listener knows."""
        self._done += 1
        self._bytes += self._sizes[number] if self._sizes is not None else 0
        self._rows += getattr(answer, "progress_rows", 0)
        self._listener.task_done(self._stage, self._done, self._tasks, self._bytes, self._rows)
