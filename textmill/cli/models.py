"""The verbs on models."""

import getpass
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from pipeline.config import ClusterConfig
from storage.stages import STAGES
from storage.store import Store
from textmill.cli.job_options import on_cluster
from textmill.cli.names import DATASET, MODEL, VERSION
from textmill.cli.output import plain, print_json, print_pairs, print_table, results
from textmill.cli.verb import verb
from textmill.report.units import count, score


@verb(
    examples=[
        ("textmill models", "all models, newest first"),
        ("textmill models --compare A B", "two models on the rows that neither learned from, of A's version"),
        ("textmill models --compare tickets@production B --on tickets --at approved", "on another version"),
    ]
)
@click.option("--compare", nargs=2, type=MODEL, metavar="A B", help="Measure two models side by side on the same rows.")
@click.option("--on", type=DATASET, help="The dataset to compare on. [default: the one that A learned from]")
@click.option("--at", type=VERSION, help="Its version. [default: the newest, or the one that A learned from]")
@on_cluster
def models(
    compare: tuple[str, str] | None,
    on: str | None,
    at: int | str | None,
    cluster: ClusterConfig,
    store: str,
    as_json: bool,
) -> None:
    """List the models of a store, newest first, or compare two of them."""
    if compare is not None:
        # Comparing needs the libraries that train, which take a second to load; listing does not.
        from textmill.cli.comparing import compare_two

        return compare_two(Store.open(store), *compare, on, at, cluster, as_json=as_json)
    if on is not None or at is not None:
        raise click.UsageError("--on and --at say what to compare on; give --compare A B too")
    found = Store.open(store).models()
    if as_json:
        return print_json(found)
    if not found:
        return click.echo(f"No models in {store} yet. Run a job with a [train] table.", err=True)
    return print_table(("model", "stage", "learned from", ">accuracy", ">macro F1", "sha256"), map(_row, found))


def _row(record: dict[str, Any]) -> tuple[Any, ...]:
    metrics = record.get("metrics") or {}
    return (
        record["id"],
        record.get("stage", ""),
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
        ("textmill model MODEL --stage production -m 'better on refunds'", "put it to work"),
        ("textmill model tickets@production", "the model of the job tickets that is at work"),
    ]
)
@click.argument("model_id", metavar="MODEL", type=MODEL)
@click.option("--stage", type=click.Choice(STAGES), help="Put the model into this stage.")
@click.option("-m", "--message", default="", help="Why, for the history.")
def model(model_id: str, stage: str | None, message: str, store: str, as_json: bool) -> None:
    """Show a model: the data it learned from, its settings, its quality; or put it into a stage.

    Of the models of one job, one is in production: the next one put there retires it. NAME@STAGE names the newest model
    of the job NAME in a stage wherever a model is asked for. All stages keep the version that the model learned from.
    """
    opened = Store.open(store)
    if stage is not None:
        return _put(opened, model_id, stage, message, as_json=as_json)
    if message:
        raise click.UsageError("--message is for --stage")
    record = opened.model(model_id)
    path = opened.model_path(model_id)
    evaluation = _evaluation(path)
    if as_json:
        history = [asdict(change) for change in opened.stage_history(record["id"])]
        return print_json({**record, "path": str(path), "evaluation": evaluation, "stages": history})
    metrics = record.get("metrics") or {}
    print_pairs(
        [
            ("model", record["id"]),
            ("stage", record.get("stage")),
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
    _print_evaluation(evaluation)
    job = record.get("job") or {}
    for part in ("features", "train"):
        if job.get(part):
            _print_section(f"[{part}]")
            print_pairs((key, _told(value)) for key, value in job[part].items())
    if changes := opened.stage_history(record["id"]):
        _print_section("Stages")
        print_table(("at", "stage", "by", "why"), [(one.at, one.stage, one.author, one.message) for one in changes])
    if record.get("libraries"):
        _print_section("Made with")
        print_pairs(record["libraries"].items())
    return None


def _print_evaluation(evaluation: Mapping[str, Any]) -> None:
    if evaluation.get("per_class"):
        click.echo()
        print_classes(evaluation["per_class"], evaluation.get("curves") or ())
    if evaluation.get("thresholds"):
        _print_section("Thresholds, and what they gave on rows set aside")
        print_table(
            ("label", ">threshold", ">precision", ">recall"),
            [
                (label, score(facts["threshold"]), score(facts["precision"]), score(facts["recall"]))
                for label, facts in evaluation["thresholds"]["expected"].items()
            ],
        )
    if evaluation.get("learning_curve"):
        _print_section("Learning curve: after one pass over so many rows")
        print_table(
            (">rows", ">accuracy", ">macro F1", ">log loss"),
            [
                (count(point["rows"]), *(score(point[name]) for name in ("accuracy", "macro_f1", "log_loss")))
                for point in evaluation["learning_curve"]
            ],
        )


def _put(store: Store, model_id: str, stage: str, message: str, *, as_json: bool) -> None:
    changes = store.set_stage(model_id, stage, message=message, author=_person())
    if as_json:
        return print_json([asdict(change) for change in changes])
    if not changes:
        return click.echo(f"{store.model(model_id)['id']} is in stage {stage} already")
    for change in changes:
        told = f": {change.message}" if change.message else ""
        click.echo(f"{change.model} is in stage {change.stage} now{told}")
    return None


def _person() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may know no name for the number that it runs as.
        return ""


def _evaluation(path: Path) -> dict[str, Any]:
    file = path / "evaluation.json"
    return json.loads(file.read_bytes()) if file.is_file() else {}


def print_classes(classes: Sequence[Mapping[str, Any]], curves: Sequence[Mapping[str, Any]]) -> None:
    """Nothing; a table of labels with their figures is on stdout."""
    by_label = {one["label"]: one for one in curves}
    print_table(
        ("label", ">precision", ">recall", ">F1", ">ROC AUC", ">average precision", ">rows"),
        [
            (
                each["label"],
                *(score(each[name]) for name in ("precision", "recall", "f1")),
                *(score(by_label.get(each["label"], {}).get(name)) for name in ("roc_auc", "average_precision")),
                count(each["support"]),
            )
            for each in classes
        ],
    )


def _told(value: Any) -> str:
    return "" if value is None else str(plain(value))


def _print_section(title: str) -> None:
    results().print(Text(f"\n{title}", "bold"))
