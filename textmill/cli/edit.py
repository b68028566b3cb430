"""The verbs that make a version from a version: rows out, rows in by key, columns, copies."""

from pathlib import Path

import click
import pyarrow as pa

from storage.edits.columns import ColumnChanges, type_named
from storage.store import Store
from storage.versions import Version
from textmill.cli.datasets import version_facts
from textmill.cli.names import DATASET, VERSION
from textmill.cli.output import print_json
from textmill.cli.table_files import read_table_file, require_suffix
from textmill.cli.verb import verb
from textmill.report.units import count, counted

_MESSAGE = click.option("-m", "--message", default="", help="A line for the history.")


@verb(
    examples=[
        ("textmill delete tickets --where \"text LIKE '%anna@example.org%'\" --dry-run", "how many rows that concerns"),
        ('textmill delete tickets --where "user_id IN (SELECT id FROM optouts)"', "rows that another dataset names"),
        (
            'textmill delete tickets --where "user_id = 7" --fates "record LIKE \'%anna%\'" -m "request 12"',
            "also out of the records of rows that were not kept",
        ),
    ]
)
@click.argument("name", type=DATASET)
@click.option("--where", required=True, metavar="SQL", help="A condition that is true for the rows to take out.")
@click.option("--fates", metavar="SQL", default="", help="The same for fates: source, reason, record and so on.")
@click.option("--dry-run", is_flag=True, help="Tell how many rows would go; change nothing.")
@_MESSAGE
def delete(name: str, where: str, fates: str, dry_run: bool, message: str, store: str, as_json: bool) -> None:
    """Take rows out of a dataset: a new version without them. Only the files that hold such rows are written anew.

    Earlier versions still hold the rows until `textmill vacuum` gives those up. The condition is kept nowhere.
    """
    opened = Store.open(store)
    if dry_run:
        rows, files = opened.count_matching(name, where)
        if as_json:
            return print_json({"rows": rows, "files": files})
        return click.echo(f"{counted(rows, 'row')} in {counted(files, 'file')} would go")
    before = opened.version(name)
    made = opened.delete(name, where, fates_where=fates, message=message)
    if as_json:
        return print_json(version_facts(made))
    if made.number == before.number:
        return click.echo(f"No row of {name} version {made.number} fits; nothing was changed.")
    gone = made.changes.get("deleted_fates", 0)
    click.echo(
        f"{name} version {made.number}: {counted(made.changes['deleted'], 'row')} taken out"
        f"{f' and {count(gone)} of its fates' if fates else ''}, {counted(made.rows, 'row')} left"
    )
    return click.echo(_still_held(opened, made), err=True)


def _still_held(opened: Store, made: Version) -> str:
    tagged = sorted({tag for version in opened.versions(made.dataset) for tag in version.tags})
    keeping = (
        f" Versions with the tags {', '.join(tagged)} stay: move or drop those first (`textmill tag`)."
        if tagged
        else ""
    )
    return (
        f"Earlier versions still hold what was taken out, until `textmill vacuum {made.dataset} --older-than 0`."
        f"{keeping} Models that learned from them keep their versions, too."
    )


@verb(
    examples=[
        ("textmill upsert tickets corrected.csv --key id", "rows whose id is there are exchanged, others are added"),
        ("textmill upsert prices new.parquet --key shop --key article", "a key of two columns"),
    ]
)
@click.argument("name", type=DATASET)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--key", multiple=True, required=True, metavar="COLUMN", help="Tells rows apart; may be repeated.")
@_MESSAGE
def upsert(name: str, file: Path, key: tuple[str, ...], message: str, store: str, as_json: bool) -> None:
    """Put the rows of a file into a dataset: exchanged where their key is there already, added otherwise.

    FILE is .csv (with a line of names; empty fields are null), .jsonl, .parquet or .arrow.
    """
    require_suffix(file)
    if not file.is_file():
        raise click.BadParameter(f"there is no file '{file}'")
    opened = Store.open(store)
    schema, batches = read_table_file(file, opened.snapshot(name).schema)
    made = opened.upsert(name, batches, schema, key, message=message or f"upsert of {file.name}")
    if as_json:
        return print_json(version_facts(made))
    updated, inserted = made.changes.get("updated", 0), made.changes.get("inserted", 0)
    return click.echo(
        f"{name} version {made.number}: {counted(updated, 'row')} exchanged, {count(inserted)} added, "
        f"{count(made.rows)} in all"
    )


def _pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not name or not value:
            raise click.BadParameter(f"'{text}' is not complete; write it as in {option} name=value")
        pairs[name] = value
    return pairs


def _types(texts: tuple[str, ...], option: str) -> dict[str, pa.DataType]:
    return {name: type_named(kind) for name, kind in _pairs(texts, option).items()}


@verb(
    examples=[
        ("textmill columns tickets --rename text=review --drop junk", "one version with both changes"),
        ("textmill columns tickets --add language=text --widen amount=int64", "new rows may have larger numbers"),
    ]
)
@click.argument("name", type=DATASET)
@click.option("--add", multiple=True, metavar="NAME=TYPE", help="A new column, null in all rows.")
@click.option("--widen", multiple=True, metavar="NAME=TYPE", help="A type that holds all values of the old one.")
@click.option("--rename", multiple=True, metavar="OLD=NEW", help="Another name.")
@click.option("--drop", multiple=True, metavar="NAME", help="Leave the column out.")
@_MESSAGE
def columns(
    name: str,
    add: tuple[str, ...],
    widen: tuple[str, ...],
    rename: tuple[str, ...],
    drop: tuple[str, ...],
    message: str,
    store: str,
    as_json: bool,
) -> None:
    """Change the columns of a dataset: a new version; earlier ones stay as they are, and readable.

    Types: text, int8 to int64, float32, float64, bool, date, timestamp, timestamp_utc, bytes, decimal(p,s).
    """
    changes = ColumnChanges(
        add=_types(add, "--add"), widen=_types(widen, "--widen"), rename=_pairs(rename, "--rename"), drop=drop
    )
    if not changes.told():
        raise click.UsageError("Name a change: --add, --widen, --rename or --drop.")
    made = Store.open(store).change_columns(name, changes, message=message)
    if as_json:
        return print_json(version_facts(made))
    return click.echo(f"{name} version {made.number}: {changes.told()}")


@verb(examples=[("textmill copy tickets trial --at approved", "a dataset of its own that starts with that version")])
@click.argument("name", type=DATASET)
@click.argument("new_name")
@click.option("--at", type=VERSION, help="A version: its number, tag, or a time.")
@_MESSAGE
def copy(name: str, new_name: str, at: int | str | None, message: str, store: str, as_json: bool) -> None:
    """Copy a version under a new name. Files are linked where the file system can do that, not copied."""
    made = Store.open(store).copy(name, new_name, at=at, message=message)
    if as_json:
        return print_json(version_facts(made))
    return click.echo(
        f"{new_name} version {made.number} has the {counted(made.rows, 'row')} of {name} version {made.origin}"
    )
