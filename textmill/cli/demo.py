"""The verb a newcomer runs first: data, the main job, its result, and what to try next."""

from pathlib import Path

import click

from pipeline.config import load_job
from storage.store import Store
from textmill.cli.output import messages, print_json, results
from textmill.cli.reports import store_option
from textmill.cli.run import REPORT_WIDTH, run_with_progress, told_as_json
from textmill.cli.verb import AtLeast, verb
from textmill.demo.corpus import Corpus, write_corpus
from textmill.demo.unlabelled import write_unlabelled
from textmill.report.terminal import print_report
from textmill.report.units import count, counted, size


@verb(
    examples=[
        ("textmill demo", "100,000 tickets in ./textmill-demo"),
        ("textmill demo --rows 1000000 --workers 2", "ten times as many, on two workers"),
        ("textmill demo --only-data --rows 10000000 --parts 64", "just the files, to try something else on"),
    ],
    store_help="A store other than the one in the demo's own directory.",
    store_default=False,
)
@click.option("--rows", type=AtLeast(1), default=100_000, show_default=True, help="Records to make.")
@click.option(
    "--dir",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("textmill-demo"),
    show_default=True,
    help="Where everything goes.",
)
@click.option("--workers", type=AtLeast(1), help="How many workers; the result is the same for any number.")
@click.option("--seed", type=AtLeast(0), default=42, show_default=True, help="Another seed, other tickets.")
@click.option("--parts", type=AtLeast(1), default=8, show_default=True, help="Files to spread them over.")
@click.option("--only-data", is_flag=True, help="Make the data and its job file; do not run it.")
def demo(
    rows: int,
    folder: Path,
    workers: int | None,
    seed: int,
    parts: int,
    only_data: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Make data, run the main job on it, and show the result.

    The data are customer-service tickets, half English, half Chinese, as several systems might export them: CSV and
    Parquet, four encodings, broken records, duplicates, empty texts, labels spelled in many ways.
    """
    with told_as_json(as_json):
        corpus = _make(folder, rows=rows, seed=seed, parts=min(parts, rows), workers=workers or 1, silent=as_json)
        if only_data:
            return _tell_data(corpus, as_json=as_json)
        job = load_job(corpus.job)
        if store is not None:
            job = job.model_copy(update={"store": Store.absolute(store)})
        result = run_with_progress(job, workers=workers, allow_code=False, silent=as_json)
        result["planted"] = corpus.planted.ledger()
    if as_json:
        return print_json(result)
    new = write_unlabelled(corpus.folder / "new.csv", seed=seed + 1)
    console = results(width=REPORT_WIDTH)
    print_report(result, console, store=store_option(result["store"]), new=str(new))
    return _compare(result["ledger"] == corpus.planted.ledger(), corpus)


def _make(folder: Path, *, rows: int, seed: int, parts: int, workers: int, silent: bool) -> Corpus:
    console = messages()

    def tell(done: int, written: int) -> None:
        if not silent:
            console.print(f"made {done} of {parts} files, {count(written)} records", soft_wrap=True)

    return write_corpus(folder, rows=rows, seed=seed, parts=parts, workers=workers, on_part=tell)


def _tell_data(corpus: Corpus, *, as_json: bool) -> None:
    if as_json:
        return print_json({"job": str(corpus.job), "files": list(map(str, corpus.files)), "bytes": corpus.bytes,
                           "planted": corpus.planted.to_dict()})  # fmt: skip
    click.echo(f"{count(corpus.planted.records)} records, {size(corpus.bytes)} in {counted(len(corpus.files), 'file')}")
    click.echo(f"Run the job on them:  textmill run {corpus.job}")
    return None


def _compare(found_all: bool, corpus: Corpus) -> None:
    truth = corpus.folder / "planted.json"
    if found_all:
        click.echo(f"\nEvery fault that was planted was found, none was made up: the ledger equals {truth}.")
    else:
        click.echo(f"\nThe ledger differs from what was planted; compare it with {truth}.", err=True)
