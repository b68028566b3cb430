"""The verb that follows rows to models, and models to rows."""

from typing import Any

import click

from storage.errors import ModelNotFoundError
from storage.store import Store
from textmill.cli.names import VERSION
from textmill.cli.output import print_json, print_pairs, print_table
from textmill.cli.verb import verb
from textmill.report.units import count, counted

_LISTED = 'Source files are listed by: textmill query "SELECT DISTINCT source FROM _system.sources"'
_SHOWN = ("model", "dataset", "version", "made_by", "run", "made_of", "started_from")


@verb(
    examples=[
        ("textmill lineage tickets.csv", "the versions and models that a source file reached"),
        ("textmill lineage tickets --at approved", "the source files, run and models of a version"),
        ("textmill lineage 3f9a", "the version, source files and run of a model, by the start of its id"),
    ]
)
@click.argument("what")
@click.option("--at", type=VERSION, help="A version of a dataset: its number, tag, or a time.")
def lineage(what: str, at: int | str | None, store: str, as_json: bool) -> None:
    """Show where a model, version or source file came from and what it reached.

    WHAT is the name of a dataset, the id of a model or its start, or a source file as `textmill fates` calls it. Its
    rows: textmill query "SELECT * FROM NAME" --at NAME=model:ID
    """
    opened = Store.open(store)
    if what in opened.names():
        told = _of_version(opened, what, at)
    elif reached := opened.lineage(what):
        told = {"source": what, "reached": reached}
    else:
        try:
            told = _of_model(opened, what)
        except ModelNotFoundError as error:
            raise click.ClickException(f"'{what}' is no dataset, model or source file of {store}. {_LISTED}") from error
    return print_json(told) if as_json else _print(told)


def _of_version(opened: Store, name: str, at: int | str | None) -> dict[str, Any]:
    version = opened.version(name, at)
    return {
        "dataset": name,
        "version": version.number,
        "made_by": version.mode,
        "run": version.run,
        "made_of": version.copied_from or (None if version.origin is None else f"version {version.origin}"),
        "sources": opened.sources(name, version.number),
        "models": opened.models_of(name, version.number),
    }


def _of_model(opened: Store, model: str) -> dict[str, Any]:
    record = opened.model(model)
    told: dict[str, Any] = {"model": record["id"], "started_from": (record.get("start") or {}).get("model")}
    dataset = record.get("dataset")
    name = dataset.get("name") if isinstance(dataset, dict) else dataset
    return told | (_of_version(opened, name, f"model:{record['id']}") if name in opened.names() else {})


def _print(told: dict[str, Any]) -> None:
    if "reached" in told:
        print_table(
            ("dataset", ">version", ">rows", "models"),
            [(e["dataset"], e["version"], count(e["rows"]), ", ".join(e["models"])) for e in told["reached"]],
        )
        return
    pairs = [(key.replace("_", " "), told.get(key)) for key in _SHOWN]
    print_pairs([*pairs, ("models", ", ".join(told.get("models", ())))])
    sources = told.get("sources", {})
    click.echo(f"\n{counted(len(sources), 'source file')}:")
    print_table(("source", ">rows"), [(source, count(rows)) for source, rows in sources.items()])
