"""The verbs on runs: the list of them, and the report of one."""

import webbrowser
from pathlib import Path
from typing import Any

import click

from storage.store import Store
from textmill.cli.datasets import when
from textmill.cli.names import RUN
from textmill.cli.output import print_json, print_table, results
from textmill.cli.verb import AtLeast, verb
from textmill.report.page import write_page
from textmill.report.terminal import print_report
from textmill.report.units import count, duration, score


@verb(examples=[("textmill jobs", "all runs, newest first")])
@click.option("--limit", type=AtLeast(1), default=50, show_default=True, help="At most so many.")
def jobs(limit: int, store: str, as_json: bool) -> None:
    """List the runs that a store remembers, newest first."""
    found = Store.open(store).runs()[:limit]
    if as_json:
        return print_json(found)
    if not found:
        return click.echo(f"No runs in {store} yet. Start one: textmill run JOB.toml", err=True)
    return print_table(("run", "state", "started", ">time", ">read", ">kept", "dataset", ">accuracy"), map(_row, found))


def _row(run: dict[str, Any]) -> tuple[Any, ...]:
    ledger, dataset, metrics = (run.get(key) or {} for key in ("ledger", "dataset", "metrics"))
    total = (run.get("seconds") or {}).get("total")
    return (
        run["run"],
        run.get("state") or "",
        when(run.get("started_at") or ""),
        duration(total) if total else "",
        count(ledger.get("read") or 0),
        count(ledger.get("kept") or 0),
        f"{dataset['name']} version {dataset['version']}" if dataset else "",
        score(metrics["accuracy"]) if metrics.get("accuracy") is not None else "",
    )


@verb(
    examples=[
        ("textmill report", "the newest run as a page; prints where it lies"),
        ("textmill report RUN --open", "a run by its id, or the start of it, in the browser"),
        ("textmill report RUN --text", "the same in the terminal"),
        ("textmill report RUN --output run.html", "the page at a place of your own"),
    ]
)
@click.argument("run", type=RUN, required=False)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the page.")
@click.option("--open", "open_it", is_flag=True, help="Show the page in the browser.")
@click.option("--text", "as_text", is_flag=True, help="Print the report instead of writing a page.")
def report(run: str | None, output: Path | None, open_it: bool, as_text: bool, store: str, as_json: bool) -> None:
    """Write a run's report as one HTML page that needs nothing else, and print where it lies."""
    opened = Store.open(store)
    result = opened.run(run) if run is not None else _newest(opened)
    if as_json:
        return print_json(result)
    if as_text:
        return print_report(result, results(width=110), store=store_option(opened.uri))
    path = write_page(result, output or page_path(opened.uri, result["run"]), store=store_option(opened.uri))
    click.echo(path)
    if open_it:
        webbrowser.open(path.resolve().as_uri())
    return None


def _newest(store: Store) -> dict[str, Any]:
    runs = store.runs()
    if not runs:
        raise click.UsageError(f"no run is recorded in {store.uri} yet; start one with: textmill run JOB.toml")
    return runs[0]


def page_path(store: str, run: str) -> Path:
    """Where the page of a run lies in its store."""
    return Path(store) / "_reports" / f"{run}.html"


def store_option(uri: str) -> str:
    """What ``--store`` must say in a command typed here: nothing for the default store, else the shortest path."""
    path, here = Path(uri).resolve(), Path.cwd()
    if path == (here / "store").resolve():
        return ""
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
