"""The verb that reports on a run."""

import webbrowser
from pathlib import Path
from typing import Any

import click

from storage.store import Store
from textmill.cli.names import RUN
from textmill.cli.output import print_json, results
from textmill.cli.verb import verb
from textmill.report.page import write_page
from textmill.report.terminal import print_report


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
    """Where the page of a run lies: in its store, or in the work folder of a store in a bucket."""
    return Store.work_of(store) / "_reports" / f"{run}.html"


def store_option(uri: str) -> str:
    """What ``--store`` must say in a command typed here: nothing for the default store, else the shortest path."""
    if "://" in uri:
        return uri
    path, here = Path(uri).resolve(), Path.cwd()
    if path == (here / "store").resolve():
        return ""
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
