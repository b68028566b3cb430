"""A driver's hold on its job: signs of life go out, and a request to stop or another driver's claim come in."""

import os
import signal
import threading
import time
from types import TracebackType
from typing import Any, Self

from cluster.errors import JobCancelledError
from cluster.heartbeat import INTERVAL_S, write_heartbeat
from cluster.job import Kind
from cluster.jobs import JobFolder
from cluster.lease import Lease
from cluster.memory import PeakMemory
from cluster.progress import ProgressListener
from cluster.secrets import redacted_facts

_LOOK_S = 0.25
#: A driver that is busy with something that cannot be interrupted is stopped by force after so long.
_PATIENCE_S = 5.0
CANCEL = "cancel"


class Control:
    """What the main thread of a driver asks, and a thread beside it watches.

    Parameters
    ----------
    job
        The job.
    lease
        The claim on it.
    memory
        Knows the process tree's memory.
    interrupt
        Whether the process is the driver's own, so that it may be stopped by force.
    """

    def __init__(self, job: JobFolder, lease: Lease, memory: PeakMemory, *, interrupt: bool = False) -> None:
        self.job = job
        self.lease = lease
        self._memory = memory
        self.own_process = interrupt
        self._progress: dict[str, Any] = {}
        self._asked_at: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="heartbeat")

    @property
    def cancelled(self) -> bool:
        """Whether someone asked to cancel the job."""
        return (self.job.path / CANCEL).exists()

    @property
    def peak_memory_bytes(self) -> int:
        """The most that this process and its children took together so far."""
        return self._memory.peak_bytes

    def check(self) -> None:
        """Nothing where the work shall go on.

        Raises
        ------
        JobCancelledError, LeaseLostError
            If someone cancelled the job, or another driver has it.
        """
        if self.cancelled:
            raise JobCancelledError(self.job.id, "cancelled; the store is as the last commit left it")
        self.lease.require()

    def tell(self, kind: Kind, **facts: Any) -> None:
        """Nothing; the event is in the journal, free of secrets.

        Raises
        ------
        LeaseLostError
            If another driver has the job.
        """
        self.lease.require()
        self.job.journal.append(kind, self.lease.token, **redacted_facts(facts))

    def show(self, **progress: Any) -> None:
        """Nothing; the next sign of life says so too."""
        self._progress = {**self._progress, **progress}

    def _watch(self) -> None:
        beat_at = 0.0
        while not self._over.wait(_LOOK_S):
            now = time.monotonic()
            if now - beat_at >= INTERVAL_S:
                beat_at = now
                self._beat()
            if self.cancelled and self.own_process:
                self._asked_at = self._asked_at or now
                if now - self._asked_at > _PATIENCE_S:
                    self._asked_at = now
                    os.kill(os.getpid(), signal.SIGTERM)

    def _beat(self) -> None:
        if not self.lease.held:
            return
        progress = self._progress
        began = progress.get("stage_began")
        facts = {name: value for name, value in progress.items() if name != "stage_began"}
        if began is not None:
            facts["stage_seconds"] = time.monotonic() - began
        facts |= {"memory_bytes": self._memory.now_bytes, "peak_memory_bytes": self._memory.peak_bytes}
        try:
            write_heartbeat(self.job.path, self.lease.token, facts)
        except OSError:
            # A full disk stops the job at its next write, with a message of its own.
            return

    def __enter__(self) -> Self:
        self._beat()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()


class JobListener:
    """A listener that keeps the job's journal and signs of life, and passes everything on.

    Parameters
    ----------
    control
        The driver's hold on the job.
    inner
        Another `ProgressListener`.
    """

    def __init__(self, control: Control, inner: ProgressListener) -> None:
        self._control = control
        self._inner = inner

    def stage_started(self, stage: str, tasks: int, total_bytes: int | None) -> None:
        """The next sign of life tells of the stage."""
        self._control.show(
            stage=stage,
            tasks=tasks,
            total_bytes=total_bytes,
            done=0,
            done_bytes=0,
            done_rows=0,
            stage_began=time.monotonic(),
        )
        self._inner.stage_started(stage, tasks, total_bytes)

    def task_done(self, stage: str, done: int, tasks: int, done_bytes: int, done_rows: int) -> None:
        """The next sign of life tells how far the stage is."""
        self._control.show(done=done, done_bytes=done_bytes, done_rows=done_rows)
        self._inner.task_done(stage, done, tasks, done_bytes, done_rows)

    def stage_finished(self, stage: str, seconds: float) -> None:
        """The journal has the stage."""
        self._control.tell(Kind.STAGE, stage=stage, seconds=round(seconds, 3))
        self._inner.stage_finished(stage, seconds)

    def note(self, message: str) -> None:
        """The journal has the message."""
        self._control.tell(Kind.NOTE, text=message)
        self._inner.note(message)
