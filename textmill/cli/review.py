"""The verb that looks for labels that may be wrong."""

from dataclasses import dataclass
from pathlib import Path

import click
import pyarrow as pa
from click.core import ParameterSource

from pipeline.config import ClusterConfig, load_job
from pipeline.errors import JobFileError
from pipeline.frame import POSITION, SOURCE
from pipeline.review import DOUBT, LABEL_WAS, PROBABILITY, SUGGESTED, corrected, find_doubtful
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.model import load_model
from storage.store import Store
from textmill.api import model_folder
from textmill.cli.job_options import OVERRIDES, on_cluster
from textmill.cli.names import MODEL, VERSION
from textmill.cli.output import messages, print_json, print_table
from textmill.cli.progress import listening
from textmill.cli.table_files import SUFFIXES, read_table_file, require_suffix, write_table_file
from textmill.cli.verb import AtLeast, verb
from textmill.executing import executing
from textmill.report.units import counted, score

_SHOWN = 10
_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """What is reviewed, and the settings to train with; the newest version where none is named."""

    store: Store
    dataset: str
    version: int | str | None
    features: FeatureConfig
    train: TrainConfig


@verb(
    examples=[
        ("textmill review MODEL --output doubtful.csv", "the rows whose label may be wrong, the surest first"),
        ("textmill review MODEL -o doubtful.parquet --folds 10 --limit 1000", "more of them, from more models"),
        (
            "textmill review job.toml -o doubtful.csv",
            "before any model: the job's settings, its dataset's newest version",
        ),
        ("textmill review MODEL --apply doubtful.csv", "labels changed in the file become a new version"),
    ]
)
@click.argument("subject", metavar="MODEL|JOB.toml", type=MODEL)
@click.option("--output", "-o", type=_FILE, help=f"The file to write, by its suffix: {', '.join(SUFFIXES)}.")
@click.option("--apply", "reviewed", type=_FILE, help="A file that was written so, with labels corrected.")
@click.option("--folds", type=AtLeast(2), default=5, help="Models to train; each is asked about rows it has not seen.")
@click.option("--limit", type=AtLeast(1), default=200, help="Rows at most.")
@click.option("--at", type=VERSION, help="With a job file: a version of its dataset, by number, tag, or a time.")
@OVERRIDES
@on_cluster
@click.pass_context
def review(
    ctx: click.Context,
    subject: str,
    output: Path | None,
    reviewed: Path | None,
    folds: int,
    limit: int,
    at: int | str | None,
    overrides: tuple[str, ...],
    cluster: ClusterConfig,
    store: str,
    as_json: bool,
) -> None:
    """Find rows whose label may be wrong, and take corrected labels back.

    Models are trained as MODEL was, or as the job file says, on all folds of the version but one, and asked about that
    one; rows they disagree with are ranked by how much more probable another label is. Correct the label column in the
    file that is written, leave the others as they are, and give it to --apply: rows whose label was changed are
    exchanged, as a new version of the dataset's newest.
    """
    if (output is None) == (reviewed is None):
        raise click.UsageError("give --output FILE to look for doubtful labels, or --apply FILE to take corrected ones")
    if Path(subject).suffix == ".toml":
        chosen = None if ctx.get_parameter_source("store") is ParameterSource.DEFAULT else store
        asked = _of_job(Path(subject), overrides, chosen, at)
    elif overrides or at is not None:
        raise click.UsageError("--set and --at are for a job file; a model has its settings and its version")
    else:
        asked = _of_model(subject, store)
    if reviewed is not None:
        return _apply(asked, reviewed, as_json=as_json)
    assert output is not None  # noqa: S101 - one of the two is given
    require_suffix(output)
    snapshot = asked.store.snapshot(asked.dataset, asked.version)
    with (
        listening(messages(), silent=as_json) as listener,
        executing(listener, cluster, shared=asked.store.layout.stagings) as (execute, scratch),
    ):
        found = find_doubtful(
            snapshot,
            asked.features,
            asked.train,
            execute,
            asked.store.cache("features"),
            scratch,
            folds=folds,
            limit=limit,
        )
    number = snapshot.version.number
    write_table_file(output, found.schema, found.to_batches())
    if as_json:
        return print_json({"dataset": asked.dataset, "version": number, "rows": found.num_rows, "output": str(output)})
    print_table(
        ("label", "suggested", ">doubt", ">probability", "text"),
        [
            (row[LABEL_WAS], row[SUGGESTED], score(row[DOUBT]), score(row[PROBABILITY]), row[asked.train.text])
            for row in found.slice(0, _SHOWN).to_pylist()
        ],
    )
    return click.echo(f"\n{counted(found.num_rows, 'doubtful row')} of {asked.dataset} version {number} in {output}")


def _of_job(path: Path, overrides: tuple[str, ...], store: str | None, at: int | str | None) -> _Subject:
    job = load_job(path, overrides)
    if job.train is None:
        raise JobFileError(("[train]: a review trains models, and needs this table",), str(path))
    return _Subject(
        store=Store.open(store or job.store),
        dataset=job.dataset.name,
        version=at,
        features=job.features or FeatureConfig(),
        train=job.train,
    )


def _of_model(model_id: str, store: str) -> _Subject:
    opened = Store.open(store)
    lineage = load_model(model_folder(model_id, opened)).lineage
    return _Subject(
        store=opened,
        dataset=str(lineage.get("dataset")),
        version=lineage.get("version"),
        features=FeatureConfig.recorded(lineage.get("features") or {}),
        train=TrainConfig.model_validate(lineage.get("train") or {}),
    )


def _apply(asked: _Subject, file: Path, *, as_json: bool) -> None:
    require_suffix(file)
    if not file.is_file():
        raise click.BadParameter(f"there is no file '{file}'")
    store, dataset, label = asked.store, asked.dataset, asked.train.label
    schema, batches = read_table_file(file, store.snapshot(dataset).schema)
    missing = [name for name in (SOURCE, POSITION, label, LABEL_WAS) if name not in schema.names]
    if missing:
        raise click.BadParameter(f"{file} lacks the columns {', '.join(missing)}; give a file that --output wrote")
    changed = corrected(pa.Table.from_batches(list(batches), schema), label)
    if not changed.num_rows:
        raise click.ClickException(f"no label in {file} differs from the one it was; nothing was committed")
    made = store.upsert(
        dataset, changed.to_batches(), changed.schema, (SOURCE, POSITION), message=f"labels of {file.name}"
    )
    if as_json:
        return print_json({"dataset": dataset, "version": made.number, "changed": changed.num_rows})
    return click.echo(f"{dataset} version {made.number}: {counted(changed.num_rows, 'label')} corrected")
