"""The verb that shows all running jobs live."""

import sys
import time
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column
from rich.text import Text

from cluster.job import LOST
from cluster.jobs import Jobs, JobStatus
from storage.store import Store
from textmill.cli.job_names import JOB
from textmill.cli.output import plain_table, print_json, results
from textmill.cli.progress import speeds
from textmill.cli.verb import AtLeast, verb
from textmill.report.units import count, counted, duration, size

#: Ended jobs shown below those at work.
_RECENT = 5
_BAR = 20
_COLOURS = {"running": "green", "succeeded": "dim", "failed": "red", LOST: "red", "recovering": "yellow"}


@verb(
    examples=[
        ("textmill top", "all jobs at work, live; Ctrl-C ends the view and none of the jobs"),
        ("textmill top ID", "only this one, until it has ended"),
        ("textmill top --once", "the same, printed once"),
        ("textmill top --json", "a line of JSON each second, until no job is at work"),
    ]
)
@click.argument("job", type=JOB, nargs=-1)
@click.option("--every", type=AtLeast(1), default=1, show_default=True, help="Seconds between two looks.")
@click.option("--once", is_flag=True, help="Look once and end.")
def top(job: tuple[str, ...], every: int, once: bool, store: str, as_json: bool) -> None:
    """Watch jobs at work: stage, progress, speed, time left, workers and memory of each.

    Without a terminal, and with --json, it ends once no job is at work.
    """
    jobs = Jobs(Store.open(store))
    chosen = [jobs.find(name).id for name in job]
    if once or as_json or not sys.stdout.isatty():
        return _print(jobs, chosen, every, once=once, as_json=as_json)
    return _watch(jobs, chosen, every)


def _print(jobs: Jobs, chosen: Sequence[str], every: int, *, once: bool, as_json: bool) -> None:
    while True:
        seen = statuses(jobs, chosen)
        if as_json:
            print_json([status.to_dict() for status in seen])
        else:
            results().print(screen(seen))
        sys.stdout.flush()
        if once or not at_work(seen):
            return
        time.sleep(every)


def _watch(jobs: Jobs, chosen: Sequence[str], every: int) -> None:
    try:
        seen = statuses(jobs, chosen)
        with Live(screen(seen), console=results(), auto_refresh=False, screen=not chosen) as live:
            while not chosen or at_work(seen):
                time.sleep(every)
                seen = statuses(jobs, chosen)
                live.update(screen(seen), refresh=True)
    except KeyboardInterrupt:
        # How everybody leaves such a view; nothing was cancelled.
        return


def statuses(jobs: Jobs, chosen: Sequence[str]) -> list[JobStatus]:
    """The jobs to show, newest first: those chosen; else all at work, then the last few that ended."""
    if chosen:
        return [jobs.find(run).status() for run in chosen]
    found = jobs.statuses()
    ended = [status for status in found if status.ended]
    return [*(status for status in found if not status.ended), *ended[:_RECENT]]


def at_work(seen: Sequence[JobStatus]) -> bool:
    """Whether any of them goes on by itself."""
    return any(not status.ended and status.state != LOST for status in seen)


def screen(seen: Sequence[JobStatus]) -> RenderableType:
    """All that is shown at one moment."""
    columns = ("job", "state", "try", "stage", "", "blocks", "speed", "left", "workers", "memory")
    right = {"try", "blocks", "workers", "memory", "left"}
    table = plain_table(Column(name, justify="right" if name in right else "left", no_wrap=True) for name in columns)
    for status in seen:
        table.add_row(*_row(status))
    running = sum(not status.ended for status in seen)
    memory = sum(status.progress.get("memory_bytes", 0) for status in seen)
    head = f"{time.strftime('%H:%M:%S')}  {counted(running, 'job')} at work" + (f", {size(memory)}" if memory else "")
    links = [f"{status.job}: {link}" for status in seen if (link := status.progress.get("dashboard"))]
    return Group(Text(head), table, *(Text(link, "dim") for link in links))


def _row(status: JobStatus) -> tuple[RenderableType, ...]:
    progress: dict[str, Any] = status.progress
    done, tasks = progress.get("done", 0), progress.get("tasks", 0)
    speed = speeds(progress.get("done_rows", 0), progress.get("done_bytes", 0), progress.get("stage_seconds", 0.0))
    memory, most = progress.get("memory_bytes"), progress.get("peak_memory_bytes")
    state = f"{status.state}, cancelling" if status.cancelling and not status.ended else status.state
    return (
        Text(status.job),
        Text(state, _COLOURS.get(status.state, "")),
        str(status.attempt),
        str(progress.get("stage", "")),
        ProgressBar(total=tasks, completed=done, width=_BAR) if tasks else "",
        f"{count(done)}/{count(tasks)}" if tasks else "",
        speed,
        duration(status.left_s) if status.left_s is not None else "",
        str(progress.get("workers", "")),
        f"{size(memory)} of {size(most)}" if memory and most else "",
    )
