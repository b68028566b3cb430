"""What a run says while it works: events any listener can show, write down or ignore."""

from typing import Protocol


class ProgressListener(Protocol):
    """Hears how a run gets on. All calls come from one thread, in order; none may raise."""

    def stage_started(self, stage: str, tasks: int, total_bytes: int | None) -> None:
        """A stage with `tasks` tasks begins; `total_bytes` is its input where known."""

    def task_done(self, stage: str, done: int, tasks: int, done_bytes: int, done_rows: int) -> None:
        """`done` of `tasks` tasks are through; bytes and rows count from the stage's start."""

    def stage_finished(self, stage: str, seconds: float) -> None:
        """A stage is over."""

    def note(self, message: str) -> None:
        """Something a person should know: a decision taken, a warning."""


class Silence:
    """A listener that shows nothing."""

    def stage_started(self, stage: str, tasks: int, total_bytes: int | None) -> None:
        """Nothing."""

    def task_done(self, stage: str, done: int, tasks: int, done_bytes: int, done_rows: int) -> None:
        """Nothing."""

    def stage_finished(self, stage: str, seconds: float) -> None:
        """Nothing."""

    def note(self, message: str) -> None:
        """Nothing."""
