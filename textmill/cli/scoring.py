"""The verbs that put a model to work: on files, on datasets, and on its own training data again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import ClusterConfig
from pipeline.scoring import Scored, evaluate_version, is_trained_on, score_files
from pipeline.train.evaluate import evaluation, label_figures, metrics
from pipeline.train.model import load_model
from pipeline.train.reproduce import reproduce_model
from pipeline.train.start import find_start
from storage.store import Store
from textmill.api import model_folder
from textmill.cli.failures import FAILED
from textmill.cli.job_options import on_cluster
from textmill.cli.models import print_classes
from textmill.cli.names import DATASET, MODEL, VERSION
from textmill.cli.output import messages, print_json, print_pairs, print_table
from textmill.cli.progress import listening
from textmill.cli.table_files import SUFFIXES, require_suffix, write_table_file
from textmill.cli.verb import AtLeast, verb
from textmill.executing import executing
from textmill.report.units import count, counted, score, share


@verb(
    examples=[
        (
            "textmill predict MODEL new.csv --output scored.parquet",
            "the rows with the columns predicted and probability",
        ),
        ("textmill predict MODEL 'raw/*.csv.gz' -o scored.csv --text review", "many files, texts in another column"),
        ("textmill predict MODEL new.csv -o scored.csv --probabilities", "with the probability of every label"),
        ("textmill predict MODEL new.csv -o scored.csv --reasons 5", "with the n-grams that spoke for each label"),
    ]
)
@click.argument("model_id", metavar="MODEL", type=MODEL)
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The file to write, by its suffix: {', '.join(SUFFIXES)}.",
)
@click.option("--text", help="The column with the texts. [default: the one that the model learned from]")
@click.option("--reasons", type=AtLeast(0), default=0, help="N-grams that speak for the label, so many a row.")
@click.option("--probabilities", is_flag=True, help="Add a column with the probability of every label.")
@click.option("--allow-code", is_flag=True, help="Let the model's job call Python functions on the texts.")
@on_cluster
def predict(
    model_id: str,
    inputs: tuple[str, ...],
    output: Path,
    text: str | None,
    reasons: int,
    probabilities: bool,
    allow_code: bool,
    cluster: ClusterConfig,
    store: str,
    as_json: bool,
) -> None:
    """Label the rows of files of any size: CSV, JSON lines, Parquet, packed or not, in parallel.

    INPUT is a path or a pattern. Texts are cleaned as the model's job cleaned them. MODEL may also be the folder of a
    model that was copied out of its store.
    """
    require_suffix(output)
    folder = model_folder(model_id, store)
    beside = output.absolute().parent
    if not beside.is_dir():
        raise click.UsageError(f"the folder {beside} does not exist; make it first")
    with (
        listening(messages(), silent=as_json) as listener,
        executing(listener, cluster, beside=beside) as (execute, scratch),
    ):
        scored = score_files(
            folder, inputs, execute, scratch, text=text, reasons=reasons, every=probabilities, allow_code=allow_code
        )
        write_table_file(output, scored.schema, _batches(scored))
    if as_json:
        return print_json(
            {
                "model": folder.name,
                "output": str(output),
                "ledger": scored.ledger.to_dict(),
                "labels": scored.labels,
                "drift": [each.to_dict() for each in scored.drift],
            }
        )
    return _tell_scored(scored, output)


def _batches(scored: Scored) -> Iterator[pa.RecordBatch]:
    for part in scored.parts:
        with pq.ParquetFile(part.path) as file:
            for batch in file.iter_batches():
                yield pa.RecordBatch.from_arrays(
                    [column.cast(field.type) for column, field in zip(batch.columns, scored.schema, strict=True)],
                    schema=scored.schema,
                )


def _tell_scored(scored: Scored, output: Path) -> None:
    ledger = scored.ledger
    print_table(
        ("predicted", ">rows", ">share"),
        [(label, count(rows), share(rows, ledger.kept)) for label, rows in scored.labels.items()],
    )
    click.echo(f"\n{count(ledger.kept)} of {count(ledger.read)} records scored, in {output}")
    for reason, rows in ledger.rejected.items():
        click.echo(f"{counted(rows, 'record')} could not be read, not in the output: {reason}", err=True)
    for each in scored.drift:
        if each.moved:
            click.echo(f"! {each}", err=True)


@verb(
    examples=[
        ("textmill drift MODEL new.csv", "labels given, lengths and unknown n-grams beside those of the test rows"),
        ("textmill drift tickets@production 'inbox/*.jsonl' --fail", "status 1 where something has moved too far"),
    ]
)
@click.argument("model_id", metavar="MODEL", type=MODEL)
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option("--text", help="The column with the texts. [default: the one that the model learned from]")
@click.option("--fail", is_flag=True, help="End with status 1 where a measure is beyond its limit.")
@click.option("--allow-code", is_flag=True, help="Let the model's job call Python functions on the texts.")
@on_cluster
@click.pass_context
def drift(
    ctx: click.Context,
    model_id: str,
    inputs: tuple[str, ...],
    text: str | None,
    fail: bool,
    allow_code: bool,
    cluster: ClusterConfig,
    store: str,
    as_json: bool,
) -> None:
    """Show how far live input has moved from the rows that a model was tested on.

    Shares of the labels given and of lengths are compared by the population stability index; beyond 0.2, and what
    chance makes of few rows, is a shift. N-grams that no training row has may be 10 points more frequent.
    """
    folder = model_folder(model_id, store)
    with (
        listening(messages(), silent=as_json) as listener,
        executing(listener, cluster) as (execute, scratch),
    ):
        scored = score_files(folder, inputs, execute, scratch, text=text, allow_code=allow_code)
    if not scored.drift:
        raise click.ClickException(
            f"model {folder.name} does not know what its test rows were like, or no record could be read; "
            "models trained by this version know"
        )
    moved = any(each.moved for each in scored.drift)
    if as_json:
        measures = [each.to_dict() for each in scored.drift]
        print_json({"model": folder.name, "ledger": scored.ledger.to_dict(), "moved": moved, "measures": measures})
    else:
        print_table(
            ("measure", "on test rows", "now", ">change", ">limit", ""),
            [
                (each.measure, each.then, each.now, f"{each.change:.3f}", f"{each.limit:.3f}", "moved" * each.moved)
                for each in scored.drift
            ],
        )
    if fail and moved:
        ctx.exit(FAILED)


@verb(
    examples=[
        ("textmill evaluate MODEL tickets", "on the newest version of a dataset"),
        ("textmill evaluate MODEL tickets --at approved --json", "on a version, with the confusion matrix"),
    ]
)
@click.argument("model_id", metavar="MODEL", type=MODEL)
@click.argument("name", metavar="DATASET", type=DATASET)
@click.option("--at", type=VERSION, help="A version: its number, tag, or a time.")
@click.option("--text", help="The column with the texts. [default: the one that the model learned from]")
@click.option("--label", help="The column with the labels. [default: the one that the model learned from]")
@on_cluster
def evaluate(
    model_id: str,
    name: str,
    at: int | str | None,
    text: str | None,
    label: str | None,
    cluster: ClusterConfig,
    store: str,
    as_json: bool,
) -> None:
    """Measure a model on a dataset; on the version it learned from, only on the rows it did not learn from."""
    opened = Store.open(store)
    folder = model_folder(model_id, opened)
    snapshot = opened.snapshot(name, at)
    model = load_model(folder)
    with (
        listening(messages(), silent=as_json) as listener,
        executing(listener, cluster, shared=opened.layout.stagings) as (execute, scratch),
    ):
        total = evaluate_version(folder, snapshot, execute, scratch, text=text, label=label)
    if not total.rows:
        raise click.ClickException(f"{name} version {snapshot.version.number} has no labelled rows to measure on")
    figures, classes = metrics(total, model.labels), label_figures(total, model.labels)
    only_tests = is_trained_on(model, snapshot)
    if as_json:
        return print_json(
            {
                "model": folder.name,
                "dataset": {"name": name, "version": snapshot.version.number},
                "only_test_rows": only_tests,
                "metrics": figures,
                **evaluation(total, model.labels),
            }
        )
    rows = "rows that it did not learn from" if only_tests else "rows"
    print_pairs(
        [
            ("model", folder.name),
            ("measured on", f"{count(figures['test_rows'])} {rows} of {name} version {snapshot.version.number}"),
            *((key.replace("_", " "), score(figures[key])) for key in figures if not key.endswith("_rows")),
        ]
    )
    click.echo()
    return print_classes([each.to_dict() for each in classes], evaluation(total, model.labels).get("curves") or ())


@verb(examples=[("textmill reproduce MODEL", "status 0 where the same bytes come out, 1 where others do")])
@click.argument("model_id", metavar="MODEL", type=MODEL)
@on_cluster
@click.pass_context
def reproduce(ctx: click.Context, model_id: str, cluster: ClusterConfig, store: str, as_json: bool) -> None:
    """Train a model again from the version and settings in its lineage, and compare the bytes."""
    opened = Store.open(store)
    folder = model_folder(model_id, opened)
    model = load_model(folder)
    snapshot = opened.snapshot(str(model.lineage.get("dataset")), model.lineage.get("version"))
    earlier = model.lineage.get("start")
    start = find_start(opened, earlier["model"]) if earlier else None
    with (
        listening(messages(), silent=as_json) as listener,
        executing(listener, cluster, shared=opened.layout.stagings) as (execute, scratch),
    ):
        again = reproduce_model(model, snapshot, scratch / "features", execute, start)
    facts: dict[str, Any] = {
        "model": folder.name,
        "equal": again.equal,
        "expected": again.expected,
        "actual": again.actual,
    }
    if as_json:
        print_json(facts)
    else:
        click.echo("The same bytes: the model is reproduced." if again.equal else "Other bytes came out.")
        print_pairs([("expected", again.expected), ("actual", again.actual)])
    if not again.equal:
        ctx.exit(FAILED)
