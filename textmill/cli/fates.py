"""The verb that shows what became of each row that was not kept."""

import click

from storage.store import Store
from textmill.cli.names import DATASET, VERSION
from textmill.cli.output import print_json, print_table, results
from textmill.cli.verb import AtLeast, verb
from textmill.report.facts import portions
from textmill.report.units import count, share


@verb(
    examples=[
        ("textmill fates tickets", "how many rows met which fate, and the first of them"),
        ("textmill fates tickets --reason short_row --limit 50", "rows with too few fields, as they stood in the file"),
        ("textmill fates tickets --json", "every row, a line of JSON each"),
    ]
)
@click.argument("name", type=DATASET)
@click.option("--reason", help="Only rows with this reason: short_row, empty_text, exact, a check's name ...")
@click.option("--at", type=VERSION, help="A version: its number, tag, or a time.")
@click.option("--limit", type=AtLeast(0), help="At most so many rows. [default: 20; all with --json]")
def fates(name: str, reason: str | None, at: int | str | None, limit: int | None, store: str, as_json: bool) -> None:
    """Show what became of each row that was not kept: where it stood, its fate, the reason, and what it repeats."""
    opened = Store.open(store)
    if limit is None and not as_json:
        limit = 20
    table = opened.fates(name, version=at, reason=reason, limit=limit)
    if as_json:
        for batch in table.to_batches(max_chunksize=1024):
            for row in batch.to_pylist():
                print_json(row)
        return
    version = opened.version(name, at)
    known = [each for each in portions({"ledger": version.ledger}) if each.fate != "kept"]
    if reason is None and known:
        read = version.ledger.get("read") or 0
        print_table(
            ("fate", "reason", ">rows", ">of all records"),
            [(each.fate, each.reason, count(each.rows), share(each.rows, read)) for each in known],
        )
        results().print()
    if not table.num_rows:
        reasons = ", ".join(sorted({each.reason for each in known}))
        click.echo(f"No such rows in {name} version {version.number}. Reasons there: {reasons or 'none'}.", err=True)
        return
    print_table(
        ("source", ">position", "fate", "reason", "repeats", "record"),
        [
            (row["source"], row["position"], row["fate"], row["reason"], _survivor(row), row["record"] or "")
            for row in table.to_pylist()
        ],
    )


def _survivor(row: dict[str, object]) -> str:
    return "" if row["survivor_source"] is None else f"{row['survivor_source']} {row['survivor_position']}"
