"""The verbs on datasets and their versions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
import pyarrow as pa
from rich.text import Text

from storage.diff import VersionDiff
from storage.encodings import ColumnLayout
from storage.scan import iter_rows
from storage.store import Store
from storage.versions import Snapshot, Version
from textmill.cli.names import DATASET, VERSION
from textmill.cli.output import cell, print_batches, print_json, print_pairs, print_table, results
from textmill.cli.verb import verb
from textmill.report.facts import portions
from textmill.report.units import count, counted, share, size

_FIRST_ROWS = 5


@verb(
    examples=[
        ("textmill datasets", "what is in ./store"),
        ("textmill datasets --store /data/store --json", "the same of another store, for programs"),
    ]
)
def datasets(store: str, as_json: bool) -> None:
    """List the datasets of a store, with their newest versions."""
    found = Store.open(store).datasets()
    if as_json:
        return print_json([asdict(each) for each in found])
    if not found:
        click.echo(f"No datasets in {store} yet. Make one by running a job: textmill run JOB.toml", err=True)
        return None
    rows = [
        (each.name, each.version, count(each.rows), size(each.bytes), each.versions, when(each.updated_at))
        for each in found
    ]
    print_table(("dataset", ">newest", ">rows", ">size", ">versions", "changed"), rows)
    for each in found:
        _print_hint(each.name, each.hint)
    return None


@verb(
    examples=[
        ("textmill show tickets", "the newest version"),
        ("textmill show tickets --at 2", "an earlier one; a tag or a time works too"),
    ]
)
@click.argument("name", type=DATASET)
@click.option("--at", type=VERSION, help="A version: its number, tag, or a time.")
def show(name: str, at: int | str | None, store: str, as_json: bool) -> None:
    """Show a dataset: columns, size, ledger, first rows."""
    opened = Store.open(store)
    snapshot = opened.snapshot(name, at)
    layouts = opened.column_layouts(name, snapshot.version.number)
    if as_json:
        return print_json({**version_facts(snapshot.version), "columns": _columns(snapshot.schema),
                           "layout": [asdict(one) for one in layouts],
                           "paths": [file.path for file in snapshot.files]})  # fmt: skip
    _print_version(snapshot.version)
    _print_section("Columns")
    _print_columns(_columns(snapshot.schema), layouts)
    _print_ledger(snapshot.version)
    _print_first_rows(snapshot)
    if at is None:
        _print_hint(name, opened.hint(name, snapshot.version.files))
    return None


def _print_columns(types: Mapping[str, str], layouts: Sequence[ColumnLayout]) -> None:
    total = sum(one.stored_bytes for one in layouts)
    stored = {
        one.column: (
            share(one.stored_bytes, total),
            ", ".join(one.encodings).lower(),
            ", ".join(one.compressions).lower(),
            f"{one.encoded_bytes / max(1, one.stored_bytes):.1f}",
        )
        for one in layouts
    }
    nothing = ("", "", "", "")
    print_table(
        ("column", "type", ">of all bytes", "encoding", "compression", ">smaller by"),
        [(name, kind, *stored.get(name, nothing)) for name, kind in types.items()],
    )


def _print_hint(name: str, hint: str) -> None:
    if hint:
        click.echo(f"\nReading {name} would be cheaper after `textmill compact {name}`: {hint}.")
    return


@verb(examples=[("textmill versions tickets", "all versions, newest first")])
@click.argument("name", type=DATASET)
def versions(name: str, store: str, as_json: bool) -> None:
    """List a dataset's versions, newest first."""
    found = Store.open(store).versions(name)
    if as_json:
        return print_json([version_facts(version) for version in found])
    rows = [
        (
            version.number,
            ", ".join(version.tags),
            count(version.rows),
            size(version.bytes),
            when(version.created_at),
            version.mode,
            version.run,
            version.fingerprint[:19],
            version.message,
        )
        for version in found
    ]
    return print_table((">version", "tags", ">rows", ">size", "made", "by", "run", "fingerprint", "message"), rows)


@verb(
    examples=[
        ("textmill diff tickets 1 2", "what changed from version 1 to version 2"),
        ("textmill diff tickets 1 --rows added", "the rows that only the newest version has"),
        ("textmill diff tickets 1 --rows changed --key id", "rows of the same id with other content, before and after"),
    ]
)
@click.argument("name", type=DATASET)
@click.argument("old", type=VERSION)
@click.argument("new", type=VERSION, required=False)
@click.option("--rows", type=click.Choice(["added", "removed", "changed"]), help="Print these rows themselves.")
@click.option("--key", multiple=True, metavar="COLUMN", help="Tell rows apart by this column; may be repeated.")
@click.option("--label", default="label", show_default=True, help="The column whose values are counted.")
def diff(
    name: str,
    old: int | str,
    new: int | str | None,
    rows: str | None,
    key: tuple[str, ...],
    label: str,
    store: str,
    as_json: bool,
) -> None:
    """Compare two versions of a dataset: rows by content, columns, labels, and what became of the records."""
    opened = Store.open(store)
    if rows is not None:
        with opened.differ(name, old, new).rows(rows, key) as found:
            return print_batches(found.schema, found.batches(), as_json=as_json)
    facts = difference(opened.diff(name, old, new, label=label))
    if as_json:
        return print_json(facts)
    before, after = facts["old"]["number"], facts["new"]["number"]
    if facts["same_content"]:
        click.echo(f"Versions {before} and {after} have the same content.")
    else:
        click.echo(f"{counted(facts['added_rows'], 'row')} added, {count(facts['removed_rows'])} removed.")
    for change, columns in facts["columns"].items():
        click.echo(f"Columns {change}: {', '.join(columns)}.")
    click.echo()
    return print_table(
        ("", f">version {before}", f">version {after}", ">change"),
        [
            (fact, count(values["old"]), count(values["new"]), f"{values['new'] - values['old']:+,}")
            for fact, values in {**facts["counts"], **facts["labels"]}.items()
        ],
    )


@verb(
    examples=[
        ("textmill tag tickets 3 approved", "version 3 is `approved` from now on, and is kept by every vacuum"),
        ("textmill tag tickets 4 approved --move", "the tag goes on to version 4"),
        (
            "textmill tag tickets 4 approved --drop",
            "the version has the tag no longer, and a vacuum may take its files",
        ),
    ]
)
@click.argument("name", type=DATASET)
@click.argument("version", type=VERSION)
@click.argument("tag")
@click.option("--move", "how", flag_value="move", help="Take the tag from the version that has it.")
@click.option("--drop", "how", flag_value="drop", help="Take the tag from the version; it names none then.")
def tag(name: str, version: int | str, tag: str, how: str | None, store: str, as_json: bool) -> None:
    """Give a version a name that keeps it."""
    opened = Store.open(store)
    if how == "drop":
        opened.untag(name, tag, version)
        tagged = opened.version(name, version)
    else:
        tagged = opened.tag(name, version, tag, move=how == "move")
    if as_json:
        return print_json(version_facts(tagged))
    tags = ", ".join(tagged.tags)
    return click.echo(f"{name} version {tagged.number} " + (f"is tagged {tags}" if tags else "has no tag"))


@verb(examples=[("textmill rollback tickets 2", "a new version with exactly the rows of version 2")])
@click.argument("name", type=DATASET)
@click.argument("version", type=VERSION)
@click.option("-m", "--message", default="", help="A line for the history.")
def rollback(name: str, version: int | str, message: str, store: str, as_json: bool) -> None:
    """Make an earlier version the newest again; nothing is copied and no version is lost."""
    made = Store.open(store).rollback(name, version, message=message)
    if as_json:
        return print_json(version_facts(made))
    return click.echo(f"{name} version {made.number} has the rows of version {version}: {counted(made.rows, 'row')}")


def when(iso: str) -> str:
    """A time in ISO 8601 as people read it, to the second."""
    return iso[:19].replace("T", " ")


def version_facts(version: Version) -> dict[str, Any]:
    """A version for JSON."""
    return asdict(version)


def difference(found: VersionDiff) -> dict[str, Any]:
    """What differs between two versions of a dataset, for JSON."""
    columns = {"added": found.added_columns, "removed": found.removed_columns, "retyped": found.changed_columns}
    was, now = _counts(found.left), _counts(found.right)
    return {
        "old": version_facts(found.left),
        "new": version_facts(found.right),
        "same_content": found.same,
        "added_rows": found.added_rows,
        "removed_rows": found.removed_rows,
        "columns": {change: list(names) for change, names in columns.items() if names},
        "labels": {f"label {label}": {"old": old, "new": new} for label, (old, new) in found.labels.items()},
        "counts": {fact: {"old": was.get(fact, 0), "new": now.get(fact, 0)} for fact in {**was, **now}},
    }


def _counts(version: Version) -> dict[str, int]:
    counts = {"rows": version.rows, "bytes": version.bytes, "files": version.files}
    counts["records read"] = version.ledger.get("read") or 0
    fates = (each for each in portions({"ledger": version.ledger}) if each.fate != "kept")
    return counts | {f"{each.fate} {each.reason}": each.rows for each in fates}


def _columns(schema: pa.Schema) -> dict[str, str]:
    return {field.name: str(field.type) for field in schema}


def _print_section(title: str) -> None:
    results().print(Text(f"\n{title}", "bold"))


def _print_version(version: Version) -> None:
    print_pairs(
        [
            ("dataset", version.dataset),
            ("version", f"{version.number}{' (' + ', '.join(version.tags) + ')' if version.tags else ''}"),
            ("rows", count(version.rows)),
            ("size", f"{size(version.bytes)} in {counted(version.files, 'file')}"),
            ("made", f"{when(version.created_at)} UTC by {version.mode}"),
            ("run", version.run),
            ("message", version.message),
            ("fingerprint", version.fingerprint),
        ]
    )


def _print_ledger(version: Version) -> None:
    read = version.ledger.get("read")
    if read:
        _print_section("What became of the records read for it")
        print_table(("fate", "reason", ">rows", ">share"), [
            (each.fate, each.reason, count(each.rows), share(each.rows, read))
            for each in portions({"ledger": version.ledger})
        ])  # fmt: skip


def _print_first_rows(snapshot: Snapshot) -> None:
    batch = next(iter(iter_rows(snapshot, batch_rows=_FIRST_ROWS)), None)
    if batch is None or not batch.num_rows:
        return
    _print_section("First rows")
    for number, row in enumerate(batch.to_pylist()):
        if number:
            results().print()
        print_pairs((column, cell(value, cut=True)) for column, value in row.items())
