"""The verbs that keep a store in order."""

from dataclasses import asdict

import click

from cluster.jobs import Jobs
from cluster.sweep import left_staged, sweep
from storage.arranging.plan import TARGET_BYTES, Advice, Arrangement
from storage.layout import STAGING
from storage.problems import ORPHAN, Problem
from storage.store import Store
from storage.vacuum import DEFAULT_AGE_HOURS
from textmill.cli.datasets import version_facts
from textmill.cli.failures import FAILED
from textmill.cli.names import DATASET
from textmill.cli.output import print_json, print_table
from textmill.cli.sizes import SIZE
from textmill.cli.verb import verb
from textmill.report.units import counted, size


@verb(
    examples=[
        ("textmill compact tickets", "put small files together; rows keep their order"),
        ("textmill compact tickets --sort created --target 256MB", "sort all rows, so that filters on it skip files"),
        ("textmill compact tickets --partition 'month(created)' --sort label", "no file has rows of two months"),
        ("textmill compact tickets --advice", "tell whether it pays, and change nothing"),
        ("textmill compact tickets --automatic on", "from now on by itself, after commits, where it pays"),
    ]
)
@click.argument("name", type=DATASET)
@click.option("--target", type=SIZE, default=TARGET_BYTES, show_default="128MB", help="Size of a file.")
@click.option("--sort", multiple=True, metavar="COLUMN", help="Sort all rows by this column; may be repeated.")
@click.option(
    "--z-order", multiple=True, metavar="COLUMN", help="Order rows so that filters on any of these columns skip files."
)
@click.option(
    "--partition",
    multiple=True,
    metavar="COLUMN",
    help="No file has two values of this column, or of year(c), month(c), day(c).",
)
@click.option("--advice", is_flag=True, help="Tell whether it pays and why; change nothing.")
@click.option("--automatic", type=click.Choice(["on", "off"]), help="Whether the dataset compacts itself.")
@click.option("-m", "--message", default="", help="A line for the history.")
def compact(
    name: str,
    target: int,
    sort: tuple[str, ...],
    z_order: tuple[str, ...],
    partition: tuple[str, ...],
    advice: bool,
    automatic: str | None,
    message: str,
    store: str,
    as_json: bool,
) -> None:
    """Put small files together. Rows, fingerprint and earlier versions stay as they are.

    Text columns to sort or partition by get statistics, which tell their least and greatest values to whoever can
    read the store. Without options files are arranged as they were last arranged.
    """
    opened = Store.open(store)
    if automatic is not None:
        opened.set_automatic(name, on=automatic == "on")
        if as_json:
            return print_json({"dataset": name, "automatic": automatic == "on"})
        return click.echo(f"{name} {'compacts itself where that pays' if automatic == 'on' else 'is left as it is'}")
    if advice:
        told = opened.advice(name)
        return print_json(asdict(told)) if as_json else click.echo(_advice(name, told))
    before = opened.version(name)
    wanted = Arrangement(target_bytes=target, sort=sort, z_order=z_order, partition=partition)
    plain = not wanted.reorders and target == TARGET_BYTES
    made = opened.compact(name, None if plain else wanted, message=message)
    if as_json:
        return print_json(version_facts(made))
    if made.number == before.number:
        return click.echo(f"The files of {name} version {made.number} are as wanted.")
    return click.echo(f"{name} version {made.number}: {counted(before.files, 'file')} became {made.files:,}")


def _advice(name: str, told: Advice) -> str:
    if not told.pays:
        return f"Compacting {name} does not pay: {told.reason}."
    sort = "".join(f" --sort {column}" for column in told.sort)
    return f"It pays to run `textmill compact {name}{sort}`: {told.reason} ({size(told.rewritten_bytes)} to write)."


@verb(
    examples=[
        ("textmill vacuum tickets --dry-run", "what would go, and what would stay for whom"),
        ("textmill vacuum tickets --older-than 720", "give up versions older than 30 days that nothing names"),
    ]
)
@click.argument("name", type=DATASET)
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=DEFAULT_AGE_HOURS,
    show_default=True,
    metavar="HOURS",
    help="Younger versions stay.",
)
@click.option("--dry-run", is_flag=True, help="Tell what would go; remove nothing.")
def vacuum(name: str, older_than: float, dry_run: bool, store: str, as_json: bool) -> None:
    """Delete files that no version needs: of old versions that neither a tag nor a model names.

    Staged files of jobs that nobody works on, and nobody touched for as long, go too.
    """
    opened = Store.open(store)
    done = opened.vacuum(name, older_than_hours=older_than, dry_run=dry_run)
    swept = sweep(Jobs(opened), older_than_hours=older_than, dry_run=dry_run)
    if as_json:
        return print_json({**asdict(done), "staged": swept})
    word = "would be removed" if dry_run else "removed"
    click.echo(f"{counted(done.files, 'file')} ({size(done.bytes)}) of {counted(len(done.versions), 'version')} {word}")
    if swept:
        click.echo(f"Staged files of {counted(len(swept), 'job')} {word}.")
    if done.pins:
        click.echo("\nVersions kept for what names them:")
        print_table(
            (">version", "named by", ">alone worth"),
            [(pin.version, ", ".join(pin.names), size(pin.bytes)) for pin in done.pins],
        )
    return None


@verb(examples=[("textmill verify", "read every byte of ./store; status 1 where something is damaged")])
@click.pass_context
def verify(ctx: click.Context, store: str, as_json: bool) -> None:
    """Check that a store is whole: every file there, unchanged, and named by a version.

    Staged files of runs that nobody works on are told too; they are no damage.
    """
    opened = Store.open(store)
    found = [*opened.verify(), *map(_left_staged, left_staged(Jobs(opened)))]
    damaged = [problem for problem in found if problem.kind != ORPHAN]
    if as_json:
        print_json([asdict(problem) for problem in found])
    elif found:
        for problem in found:
            click.echo(problem)
    else:
        click.echo("Every file is there and as it was written.")
    if damaged:
        ctx.exit(FAILED)


def _left_staged(run: str) -> Problem:
    return Problem(
        dataset="",
        kind=ORPHAN,
        path=f"{STAGING}/{run}",
        detail="staged files of a run that ended before its commit",
        versions=(),
        cure=f"`textmill resume {run}` goes on with a job, `textmill vacuum` removes them.",
    )
