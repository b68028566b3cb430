"""The verbs that carry a version out of a store and into another."""

from pathlib import Path

import click

from storage.store import Store
from textmill.cli.datasets import version_facts
from textmill.cli.names import DATASET, VERSION
from textmill.cli.output import print_json
from textmill.cli.verb import verb
from textmill.report.units import counted, size

_FOLDER = click.Path(file_okay=False, path_type=Path)


@verb(
    examples=[
        ("textmill export tickets --at approved --output tickets-approved", "rows, fates and records in one folder"),
        ("textmill export tickets --output handover --models", "with the models that learned from it"),
        ("textmill export MODEL --format onnx", "a model for programs without textmill, in ./MODEL-onnx"),
    ]
)
@click.argument("name", type=DATASET)
@click.option(
    "--format",
    "kind",
    type=click.Choice(("folder", "onnx")),
    default="folder",
    help="onnx: NAME is a model, written as ONNX with a scorer in plain NumPy.  [default: folder]",
)
@click.option("--at", type=VERSION, help="A version: its number, tag, or a time.")
@click.option(
    "--output",
    "-o",
    type=_FOLDER,
    help="The folder to write; new or empty.  [default: ./NAME-export, ./NAME-onnx for a model]",
)
@click.option("--models", is_flag=True, help="Take the models along that learned from the version.")
def export(
    name: str, kind: str, at: int | str | None, output: Path | None, models: bool, store: str, as_json: bool
) -> None:
    """Write a version with its lineage into one portable folder, or a model as ONNX.

    A version's folder holds plain Parquet files, and a manifest with the SHA-256 of each. A model's folder holds
    model.onnx, which takes hashed n-grams, and scorer.py, which hashes texts and scores them with NumPy alone.
    """
    output = output or Path(f"{name}-{'onnx' if kind == 'onnx' else 'export'}")
    if kind == "onnx":
        if at is not None or models:
            raise click.UsageError("--at and --models are for versions; a model is exported as it is")
        # What loads models takes a second to load; exporting a version does not need it.
        from textmill.cli.export_model import export_model

        return export_model(name, output, store, as_json=as_json)
    version = Store.open(store).export(name, output, at=at, models=models)
    if as_json:
        return print_json({"folder": str(output), "version": version_facts(version)})
    told = f"{counted(version.rows, 'row')}, {size(version.bytes)}"
    return click.echo(f"{name} version {version.number} is in {output} ({told})")


@verb(
    examples=[
        ("textmill import tickets-approved", "as a new version of the dataset that it came from"),
        ("textmill import handover --name trial --store elsewhere", "under another name, into another store"),
    ]
)
@click.argument("folder", type=_FOLDER)
@click.option("--name", help="The dataset. [default: as it was called]")
@click.option("-m", "--message", default="", help="A line for the history.")
def import_(folder: Path, name: str | None, message: str, store: str, as_json: bool) -> None:
    """Bring an exported version into a store, made where there is none; every byte is checked first."""
    version = Store.open(store, create=True).import_version(folder, name=name, message=message)
    if as_json:
        return print_json(version_facts(version))
    rows = counted(version.rows, "row")
    return click.echo(f"{version.dataset} version {version.number} has the {rows} of {version.copied_from}")


import_.name = "import"
