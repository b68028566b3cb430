"""How a run gets on, for a person at a terminal and for a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TaskID, TextColumn
from rich.progress import ProgressColumn as RichColumn
from rich.text import Text

from cluster.progress import ProgressListener, Silence
from textmill.report.units import count, counted, duration, size

#: A plain log tells of a running stage at most this often.
PLAIN_INTERVAL_S = 5.0
Clock = Callable[[], float]


def speeds(done_rows: int, done_bytes: int, seconds: float) -> str:
    """Rows and bytes a second in words, of those that are known; empty where nothing is."""
    if seconds <= 0:
        return ""
    told = [f"{count(done_rows / seconds)} rows/s"] if done_rows else []
    return ", ".join(told + ([f"{size(done_bytes / seconds)}/s"] if done_bytes else []))


class PlainProgress:
    """Lines for a log: when a stage starts, now and then while it runs, and when it is over.

    A stage that starts again right after it was over, as each epoch of training does, goes on: it is told of now and
    then.

    Parameters
    ----------
    console
        Where to write.
    clock
        Seconds from any fixed point on.
    """

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._began = self._told = 0.0
        self._last = self._stage = ""
        self._goes_on = False

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)

    def stage_started(self, stage: str, tasks: int, total_bytes: int | None) -> None:
        """A line with what lies ahead."""
        self._began = self._clock()
        self._last = ""
        self._goes_on = stage == self._stage
        if self._goes_on:
            return
        self._stage = stage
        self._told = self._began
        self._say(f"{stage}: {counted(tasks, 'block')}" + (f", {size(total_bytes)}" if total_bytes else ""))

    def task_done(self, stage: str, done: int, tasks: int, done_bytes: int, done_rows: int) -> None:
        """A line, where the last one is long enough ago."""
        now = self._clock()
        self._last = speeds(done_rows, done_bytes, now - self._began)
        if now - self._told < PLAIN_INTERVAL_S or done == tasks:
            return
        self._told = now
        left = duration((now - self._began) / done * (tasks - done))
        told = f", {self._last}" if self._last else ""
        self._say(f"{stage}: {count(done)} of {count(tasks)} blocks{told}, about {left} left")

    def stage_finished(self, stage: str, seconds: float) -> None:
        """A line with the stage's time and speed."""
        if self._goes_on and self._clock() - self._told < PLAIN_INTERVAL_S:
            return
        self._told = self._clock()
        told = f" ({self._last})" if self._last else ""
        self._say(f"{stage}: done in {duration(seconds)}{told}")

    def note(self, message: str) -> None:
        """A line of its own."""
        self._say(f"note: {message}")


class _Speed(RichColumn):
    """Rows and bytes a second of a task, from the fields that `TerminalProgress` keeps."""

    def render(self, task: Task) -> Text:
        return Text(speeds(task.fields["rows"], task.fields["bytes"], task.elapsed or 0.0), "cyan")


class _TimeLeft(RichColumn):
    """How long a task still takes, from its mean speed so far."""

    def render(self, task: Task) -> Text:
        if task.finished or not task.completed or not task.total or not task.elapsed:
            return Text(duration(task.finished_time or task.elapsed or 0.0), "dim")
        return Text(f"{duration(task.elapsed / task.completed * (task.total - task.completed))} left", "yellow")


class TerminalProgress:
    """A bar for each stage, the running ones moving.

    Parameters
    ----------
    progress
        Draws the bars; made by `terminal_bars`.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._stage = ""
        self._before = (0, 0, 0)
        self._now = (0, 0, 0)

    def stage_started(self, stage: str, tasks: int, total_bytes: int | None) -> None:  # noqa: ARG002 - the protocol
        """A new bar; one that goes on where the same stage was the last, as each epoch of training is."""
        if self._task is not None and stage == self._stage:
            self._before = self._now
            self._progress.update(self._task, total=self._before[0] + tasks)
            self._progress.start_task(self._task)
            return
        self._stage, self._before, self._now = stage, (0, 0, 0), (0, 0, 0)
        self._task = self._progress.add_task(stage, total=tasks, rows=0, bytes=0)

    def task_done(self, stage: str, done: int, tasks: int, done_bytes: int, done_rows: int) -> None:  # noqa: ARG002
        """The bar moves."""
        if self._task is not None:
            blocks, in_bytes, rows = self._before
            self._now = (blocks + done, in_bytes + done_bytes, rows + done_rows)
            completed, done_bytes, done_rows = self._now
            total = blocks + tasks
            self._progress.update(self._task, completed=completed, total=total, rows=done_rows, bytes=done_bytes)

    def stage_finished(self, stage: str, seconds: float) -> None:  # noqa: ARG002 - the protocol
        """The bar is full and stands still."""
        if self._task is not None:
            total = self._progress.tasks[self._progress.task_ids.index(self._task)].total
            self._progress.update(self._task, completed=total or 0)
            self._progress.stop_task(self._task)

    def note(self, message: str) -> None:
        """A line above the bars."""
        self._progress.console.print(Text(f"note: {message}", "dim"))


def terminal_bars(console: Console) -> Progress:
    """What draws the bars of `TerminalProgress` on `console`."""
    return Progress(
        SpinnerColumn(finished_text="✓" if console.encoding.startswith("utf") else "*"),
        TextColumn("{task.description}", style="bold"),
        BarColumn(bar_width=28),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        _TimeLeft(),
        _Speed(),
        console=console,
    )


@contextmanager
def listening(console: Console, *, silent: bool) -> Iterator[ProgressListener]:
    """A listener for one run: bars on a terminal, lines elsewhere, nothing where `silent`."""
    if silent:
        yield Silence()
    elif console.is_terminal:
        with terminal_bars(console) as progress:
            yield TerminalProgress(progress)
    else:
        yield PlainProgress(console)
