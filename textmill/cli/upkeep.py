"""The verbs that keep a store in order."""

from dataclasses import asdict

import click

from storage.store import Store
from storage.vacuum import DEFAULT_AGE_HOURS
from storage.verify import ORPHAN
from textmill.cli.failures import FAILED
from textmill.cli.names import DATASET
from textmill.cli.output import print_json, print_table
from textmill.cli.verb import verb
from textmill.report.units import counted, size


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
    """Delete files that no version needs: of old versions that neither a tag nor a model names."""
    done = Store.open(store).vacuum(name, older_than_hours=older_than, dry_run=dry_run)
    if as_json:
        return print_json(asdict(done))
    word = "would be removed" if dry_run else "removed"
    click.echo(f"{counted(done.files, 'file')} ({size(done.bytes)}) of {counted(len(done.versions), 'version')} {word}")
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
    """Check that a store is whole: every file there, unchanged, and named by a version."""
    found = Store.open(store).verify()
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
