"""The verbs on jobs: their list, how far one is, what it logged; waiting for it, stopping it, taking it up again."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

from cluster.errors import JobCancelledError, JobFailedError, JobLostError
from cluster.job import LOST, State
from cluster.jobs import JobFolder, Jobs, JobStatus
from cluster.logs import LogLine, follow, log_lines
from cluster.submit import cancel as stop
from cluster.submit import resume as take_up
from cluster.submit import wait as wait_for
from storage.store import Store
from textmill.cli.datasets import when
from textmill.cli.job_names import JOB
from textmill.cli.output import print_json, print_pairs, print_table
from textmill.cli.progress import speeds
from textmill.cli.verb import AtLeast, verb
from textmill.report.units import count, duration, score, size


@verb(
    examples=[
        ("textmill jobs", "all jobs, newest first"),
        ("textmill jobs --json | jq -r '.[] | select(.state == \"lost\") | .job'", "the ids of those to resume"),
    ]
)
@click.option("--limit", type=AtLeast(1), default=50, show_default=True, help="At most so many.")
def jobs(limit: int, store: str, as_json: bool) -> None:
    """List the jobs of a store, newest first: what runs, what waits, what became of the others.

    Of a store in a bucket, jobs of other machines are listed once they have succeeded: what runs and what failed is
    known where it was submitted, in the work folder ($TEXTMILL_WORK) of that machine, or in one that all share.
    """
    opened = Store.open(store)
    found = _all(opened)[:limit]
    if as_json:
        return print_json(found)
    if not found:
        return click.echo(f"No jobs in {store} yet. Start one: textmill submit JOB.toml", err=True)
    columns = ("job", "state", "now", "started", ">time", ">read", ">kept", "dataset", ">accuracy")
    return print_table(columns, map(_row, found))


def _all(store: Store) -> list[dict[str, Any]]:
    """Records of all runs and states of all jobs, newest first, those of one id made one."""
    records = {record["run"]: record for record in store.runs()}
    known = [
        {**records.pop(status.job, {"run": status.job, "started_at": status.submitted_at}), **_told(status)}
        for status in Jobs(store).statuses()
    ]
    return sorted([*known, *records.values()], key=lambda one: str(one.get("started_at") or ""), reverse=True)


def _told(status: JobStatus) -> dict[str, Any]:
    facts = {"job": status.job, "name": status.name, "state": status.state, "attempt": status.attempt}
    return facts if status.ended else {**facts, "progress": status.progress}


def _row(run: dict[str, Any]) -> tuple[Any, ...]:
    ledger, dataset, metrics = (run.get(key) or {} for key in ("ledger", "dataset", "metrics"))
    total = (run.get("seconds") or {}).get("total")
    return (
        run["run"],
        run.get("state") or "",
        _now(run.get("progress") or {}),
        when(run.get("started_at") or ""),
        duration(total) if total else "",
        count(ledger["read"]) if ledger else "",
        count(ledger["kept"]) if ledger else "",
        f"{dataset['name']} version {dataset['version']}" if dataset else "",
        score(metrics["accuracy"]) if metrics.get("accuracy") is not None else "",
    )


def _now(progress: dict[str, Any]) -> str:
    """The stage that runs, and how far it is."""
    tasks = progress.get("tasks")
    far = f" {count(progress['done'])}/{count(tasks)}" if tasks else ""
    return f"{progress.get('stage', '')}{far}"


@verb(examples=[("textmill status ID", "how far it is; the start of an id will do")])
@click.argument("job", type=JOB)
def status(job: str, store: str, as_json: bool) -> None:
    """Show how far a job is: its state, stages, speed, time left, attempts and memory."""
    found = Jobs(Store.open(store)).find(job).status()
    if as_json:
        return print_json(found.to_dict())
    return print_pairs(_pairs(found))


def _pairs(found: JobStatus) -> Iterator[tuple[str, str]]:
    progress = found.progress
    yield "job", found.job
    yield "state", f"{found.state}, being cancelled" if found.cancelling and not found.ended else found.state
    if found.state == LOST:
        yield "", f"its driver is gone or silent; go on with: textmill resume {found.job}"
    yield "submitted", when(found.submitted_at)
    yield "ended", when(found.ended_at) if found.ended_at else ""
    yield "attempt", str(found.attempt)
    yield "batch job", " ".join(map(str, found.placed.values()))
    yield "driver", f"process {found.pid} on {found.host}" if found.pid else ""
    for stage in found.stages:
        often = f", {stage['times']} times" if stage["times"] > 1 else ""
        yield stage["stage"], f"done in {duration(stage['seconds'])}{often}"
    if progress.get("stage"):
        yield progress["stage"], _running(found)
    if progress.get("memory_bytes"):
        yield "memory", f"{size(progress['memory_bytes'])}, at most {size(progress['peak_memory_bytes'])}"
    yield "workers", str(progress.get("workers", ""))
    yield "dashboard", str(progress.get("dashboard", ""))
    yield "performance", found.performance
    for note in found.notes:
        yield "note", note
    yield "error", found.error


def _running(found: JobStatus) -> str:
    progress = found.progress
    if not progress.get("tasks"):
        return "..."
    told = f"{count(progress['done'])} of {count(progress['tasks'])} blocks"
    fast = speeds(progress["done_rows"], progress["done_bytes"], progress.get("stage_seconds", 0.0))
    left = f"about {duration(found.left_s)} left" if found.left_s is not None else ""
    return ", ".join(part for part in (told, fast, left) if part)


@verb(
    examples=[
        ("textmill logs ID", "what driver, scheduler and workers said, in the order of time"),
        ("textmill logs ID -f", "go on until the job has ended"),
    ]
)
@click.argument("job", type=JOB)
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on printing until the job has ended.")
@click.option("--driver", is_flag=True, help="Only what the driver said.")
def logs(job: str, follows: bool, driver: bool, store: str, as_json: bool) -> None:
    """Print what a job's driver, scheduler and workers logged; it is kept when the cluster is gone."""
    found = Jobs(Store.open(store)).find(job)
    lines = follow(found, lambda: not found.status().ended) if follows else log_lines(found)
    for line in lines:
        if driver and line.file != "driver":
            continue
        if as_json:
            print_json({"file": line.file, **line.facts})
        else:
            click.echo(_line(line))
        sys.stdout.flush()


def _line(line: LogLine) -> str:
    at = str(line.facts.get("at", ""))[11:23]
    level = str(line.facts.get("level", "")).upper()
    trace = line.facts.get("trace")
    head = " ".join(part for part in (at, f"{line.file:<10}", level if level != "INFO" else "") if part)
    return f"{head} {line.facts['message']}" + (f"\n{trace.rstrip()}" if trace else "")


@verb(
    examples=[
        ("textmill wait ID", "until it has ended; the exit status says how"),
        ("textmill wait ID --json", "then print the result as JSON, as `textmill run --json` does"),
    ]
)
@click.argument("job", type=JOB)
@click.option("--timeout", type=AtLeast(1), help="Seconds to wait at most; then exit with 1.")
def wait(job: str, timeout: int | None, store: str, as_json: bool) -> None:
    """Wait until a job has ended; exit with 0 if it succeeded, 1 if it failed or is lost, 3 if it was cancelled."""
    opened = Store.open(store)
    found = Jobs(opened).find(job)
    ended = wait_for(found, timeout)
    if as_json:
        succeeded = ended.state == State.SUCCEEDED
        print_json({**opened.run(found.id), "job": found.id} if succeeded else ended.to_dict())
    else:
        click.echo(ended.state)
    _raise_for(ended)


def _raise_for(ended: JobStatus) -> None:
    """Nothing for a job that succeeded; others end this command as they did."""
    if ended.state == State.CANCELLED:
        raise JobCancelledError(ended.job, "it was cancelled")
    if ended.state == State.FAILED:
        raise JobFailedError(ended.job, f"it failed: {ended.error}")
    if ended.state == LOST:
        raise JobLostError(ended.job, f"its driver is gone; go on with: textmill resume {ended.job}")
    if not ended.ended:
        raise JobLostError(ended.job, f"it is {ended.state} and has not ended in time")


@verb(examples=[("textmill cancel ID", "stop it within seconds, and its workers; what is committed stays")])
@click.argument("job", type=JOB)
def cancel(job: str, store: str, as_json: bool) -> None:
    """Stop a job and everything that works for it. A version that it has committed stays."""
    _told_after(job, store, stop, as_json=as_json)


@verb(
    examples=[
        ("textmill resume ID", "go on with a job that was lost, failed or cancelled"),
    ]
)
@click.argument("job", type=JOB)
def resume(job: str, store: str, as_json: bool) -> None:
    """Go on with a job where it stopped: work that is done is not done again, and the result is the same."""
    opened = Jobs(Store.open(store))

    def resumed(found: JobFolder) -> JobStatus:
        take_up(opened, found)
        return found.status()

    _told_after(job, store, resumed, as_json=as_json)


@verb(examples=[("textmill retry ID", "do a failed job again from its start, under the same id")])
@click.argument("job", type=JOB)
def retry(job: str, store: str, as_json: bool) -> None:
    """Do a job again from its start, under the same id; nothing that earlier attempts left is used."""
    opened = Store.open(store)

    def retried(found: JobFolder) -> JobStatus:
        if not found.alive():
            opened.drop_staging(found.id)
        take_up(Jobs(opened), found)
        return found.status()

    _told_after(job, store, retried, as_json=as_json)


def _told_after(job: str, store: str, act: Callable[[JobFolder], JobStatus], *, as_json: bool) -> None:
    found = Jobs(Store.open(store)).find(job)
    after = act(found)
    if as_json:
        return print_json(after.to_dict())
    return click.echo(f"{found.id}: {after.state}")
