"""The verb that asks the store in SQL."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click

from storage.pruning import Scanned
from storage.store import Store
from textmill.cli.names import PIN
from textmill.cli.output import print_batches, print_json
from textmill.cli.table_files import SUFFIXES, require_suffix, write_table_file
from textmill.cli.verb import AtLeast, verb
from textmill.report.units import counted, size

#: Rows that are printed where nothing else is said.
PRINTED_ROWS = 100


@verb(
    examples=[
        ('textmill query "SELECT label, count(*) FROM tickets GROUP BY label"', "a table"),
        ("textmill query \"SELECT * FROM tickets WHERE label = 'complaint'\" --limit 5 --json", "lines of JSON"),
        ('textmill query "SELECT * FROM tickets" --at tickets=2 --output old.parquet', "an earlier version, to a file"),
        ('textmill query "SELECT fate, reason, count(*) FROM _system.fates GROUP BY ALL"', "the system's own records"),
        ("textmill query - < report.sql", "a query from a file"),
        ('textmill query "SELECT * FROM tickets WHERE amount > 9" --explain', "which files it would read, and how"),
    ]
)
@click.argument("sql", metavar="SQL")
@click.option("--at", "pins", type=PIN, multiple=True, help="Read a dataset at a version; may be repeated.")
@click.option("--limit", type=AtLeast(1), help=f"Rows of a page. [default: {PRINTED_ROWS} for a table, all otherwise]")
@click.option("--cursor", help="Go on where an earlier page ended; over the same versions as that page.")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Write the rows to a file, by its suffix: {', '.join(SUFFIXES)}.",
)
@click.option("--explain", is_flag=True, help="Tell which files would be read and how; read nothing.")
def query(
    sql: str,
    pins: tuple[tuple[str, int | str], ...],
    limit: int | None,
    cursor: str | None,
    output: Path | None,
    explain: bool,
    store: str,
    as_json: bool,
) -> None:
    """Ask the store in SQL (DuckDB's). Datasets are tables; the store's own records are in the schema _system.

    SQL of "-" is read from standard input.
    """
    if output is not None:
        require_suffix(output)
    text = sys.stdin.read() if sql == "-" else sql
    opened = Store.open(store)
    if explain:
        return _explain(*opened.explain(text, at=dict(pins)), as_json=as_json)
    if limit is None and (cursor is not None or (output is None and not as_json)):
        limit = PRINTED_ROWS
    with opened.sql(text, at=dict(pins), limit=limit, cursor=cursor) as found:
        if output is not None:
            rows = write_table_file(output, found.schema, found.batches())
            click.echo(f"{counted(rows, 'row')} in {output}", err=True)
        else:
            print_batches(found.schema, found.batches(), as_json=as_json)
        if found.cursor is not None:
            click.echo(f"There are more rows; the next page: --cursor {found.cursor}", err=True)
    return None


def _explain(plan: str, scanned: Mapping[str, Scanned], *, as_json: bool) -> None:
    if as_json:
        told = {name: {**asdict(each), "columns": sorted(each.columns)} for name, each in scanned.items()}
        return print_json({"plan": plan, "reads": told})
    for name, each in scanned.items():
        left_out = each.files_before - each.files
        click.echo(
            f"{name} version {each.version}: {each.files:,} of {counted(each.files_before, 'file')} "
            f"({size(each.bytes)} of {size(each.bytes_before)}), {left_out:,} left out by statistics"
        )
        for text in each.filters:
            click.echo(f"  filter {text}")
    return click.echo(f"\n{plan}")
