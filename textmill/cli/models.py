"""The verbs on models."""

from typing import Any

import click
from rich.text import Text

from storage.store import Store
from textmill.cli.names import MODEL
from textmill.cli.output import plain, print_json, print_pairs, print_table, results
from textmill.cli.verb import verb
from textmill.report.units import count, score


@verb(examples=[("textmill models", "all models, newest first")])
def models(store: str, as_json: bool) -> None:
    """List the models of a store, newest first."""
    found = Store.open(store).models()
    if as_json:
        return print_json(found)
    if not found:
        return click.echo(f"No models in {store} yet. Run a job with a [train] table.", err=True)
    return print_table(("model", "learned from", ">accuracy", ">macro F1", "sha256"), map(_row, found))


def _row(record: dict[str, Any]) -> tuple[Any, ...]:
    metrics = record.get("metrics") or {}
    return (
        record["id"],
        _data(record),
        score(metrics.get("accuracy")),
        score(metrics.get("macro_f1")),
        str(record.get("sha256") or "")[:12],
    )


def _data(record: dict[str, Any]) -> str:
    return f"{record['dataset']} version {record['version']}" if record.get("dataset") else ""


@verb(
    examples=[
        ("textmill model MODEL", "a model by its id, or the start of it"),
        ("textmill model MODEL --json", "everything its record holds"),
    ]
)
@click.argument("model_id", metavar="MODEL", type=MODEL)
def model(model_id: str, store: str, as_json: bool) -> None:
    """Show a model: the data it learned from, its settings, its quality."""
    opened = Store.open(store)
    record = opened.model(model_id)
    path = opened.model_path(model_id)
    if as_json:
        return print_json({**record, "path": str(path)})
    metrics = record.get("metrics") or {}
    print_pairs(
        [
            ("model", record["id"]),
            ("sha256", record.get("sha256")),
            ("learned from", _data(record)),
            ("fingerprint", record.get("fingerprint")),
            ("run", record.get("run")),
            ("path", str(path)),
        ]
    )
    _print_section("Quality on rows it did not learn from")
    print_pairs(
        (name.replace("_", " "), count(value) if name.endswith("_rows") else score(value))
        for name, value in metrics.items()
        if isinstance(value, (int, float))
    )
    job = record.get("job") or {}
    for part in ("features", "train"):
        if job.get(part):
            _print_section(f"[{part}]")
            print_pairs((key, _told(value)) for key, value in job[part].items())
    if record.get("libraries"):
        _print_section("Made with")
        print_pairs(record["libraries"].items())
    return None


def _told(value: Any) -> str:
    return "" if value is None else str(plain(value))


def _print_section(title: str) -> None:
    results().print(Text(f"\n{title}", "bold"))
