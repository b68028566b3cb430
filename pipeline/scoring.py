"""Models at work on files and on stored versions, block by block and in parallel."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from dask import delayed
from pydantic import TypeAdapter, ValidationError

from pipeline import frame
from pipeline.errors import JobFileError, ModelError
from pipeline.execute import Execute
from pipeline.ingest.operations import CleanOperation, Operation, clean
from pipeline.ingest.operations.custom import Python
from pipeline.ingest.operations.operation import ColumnOperation, FilterOperation
from pipeline.ingest.reading import shape
from pipeline.ingest.reading.plan import plan_source
from pipeline.ingest.reading.read import read_block
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.ingest.reading.source_plan import Block, SourcePlan
from pipeline.ledger import REJECTED, Ledger, merged
from pipeline.predict import predict_and_profile, predict_table
from pipeline.train.columns import as_text, needed_columns, require_columns
from pipeline.train.config import TrainConfig
from pipeline.train.evaluate import Tally, merged_tallies, opened_model, tally
from pipeline.train.input_profile import InputDrift, InputProfile, measure_input
from pipeline.train.model import TrainedModel
from pipeline.train.sides import SplitPlan, sides_of
from pipeline.train.split_plan import plan_split
from storage.parquet import StagedPart, write_part
from storage.scan import Span, cut, read_spans
from storage.versions import Snapshot

_OPERATIONS: TypeAdapter[tuple[CleanOperation, ...]] = TypeAdapter(tuple[CleanOperation, ...])
#: Rows of a stored version that one task looks at.
_BLOCK_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPart:
    """One block's scored rows, written aside, and what became of its records.

    `ledger` counts as kept the rows that were scored; `labels` counts predictions; `tallies` tell what reading made of
    each file's records.
    """

    part: StagedPart
    ledger: Ledger
    labels: Mapping[str, int]
    profile: InputProfile
    tallies: Mapping[str, shape.FileTally]

    @property
    def progress_rows(self) -> int:
        """Records done with it, for whoever shows progress."""
        return self.ledger.read


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """All rows of some files with their predictions, in parts on disk.

    Attributes
    ----------
    parts
        Parquet files in the order of the input.
    schema
        Their columns: those of the input, then "predicted", "probability" and, where asked for, "reasons" and
        "probability of LABEL".
    plan
        The input as it was understood.
    ledger
        What became of every record; a record that could not be read is rejected, not scored.
    labels
        Rows by predicted label.
    drift
        How the input stands beside the rows that the model was tested on; empty where the model does not know.
    """

    parts: tuple[StagedPart, ...]
    schema: pa.Schema
    plan: SourcePlan
    ledger: Ledger
    labels: Mapping[str, int]
    drift: tuple[InputDrift, ...] = ()


def text_steps(model: TrainedModel, *, allow_code: bool = False) -> tuple[Operation, ...]:
    """The cleaning that the model's job did to its text column: a new text must get it too before it is scored.

    Filters are left out: each row that can be read is scored.

    Raises
    ------
    ModelError
        If the model's lineage is of another textmill and cannot be understood.
    JobFileError
        If a step is a Python function and code is not allowed.
    """
    told = (model.lineage.get("job") or {}).get("clean") or ()
    try:
        operations: Sequence[Operation] = _OPERATIONS.validate_python(told)
    except ValidationError as error:
        raise ModelError(
            model.sha256[:12],
            f"the cleaning steps in its lineage cannot be understood ({error.error_count()} problems)",
            "Use the version of textmill that its lineage names under libraries",
        ) from error
    steps = tuple(narrowed for each in operations if (narrowed := _on_text(each, model.text)) is not None)
    code = [step.function for step in steps if isinstance(step, Python)]
    if code and not allow_code:
        raise JobFileError(
            tuple(f'function "{name}" is code; allow it with --allow-code if you trust the model' for name in code),
            f"model {model.sha256[:12]}",
        )
    return steps


def _on_text(operation: Operation, text: str) -> Operation | None:
    """The operation on the text column alone; None where it does not change it."""
    if not isinstance(operation, ColumnOperation):
        return operation if getattr(operation, "column", None) == text else None
    filters = isinstance(operation, FilterOperation) or getattr(operation, "mode", "map") == "filter"
    if filters or text not in operation.targets:
        return None
    return operation.model_copy(update={"column": text, "columns": None})


def cleaned_texts(texts: pa.ChunkedArray, steps: Sequence[Operation], name: str) -> pa.ChunkedArray:
    """The texts as `steps`, which know them as the column `name`, leave them; as many as before."""
    if not steps:
        return texts
    schema = frame.frame_schema(pa.schema([(name, pa.string())]))
    nothing = [pa.nulls(len(texts), field.type) for field in frame.SYSTEM_FIELDS]
    table = pa.Table.from_arrays([pc.cast(texts, pa.string()), *nothing], schema=schema)
    return clean(table, steps).table[name]


def score_files(
    model_folder: Path,
    files: Sequence[str],
    execute: Execute,
    scratch: Path,
    *,
    text: str | None = None,
    reasons: int = 0,
    every: bool = False,
    allow_code: bool = False,
) -> Scored:
    """The rows of files of any size and kind that a job could read, with a label for each.

    Parameters
    ----------
    model_folder
        Where the model lies.
    files
        Paths and patterns, relative to the current directory.
    execute
        Runs the tasks.
    scratch
        A folder that all workers see; the parts are written there.
    text
        The column with the texts; where not given, the one the model was trained on, by its name in the store or in
        the files of its job.
    reasons
        How many n-grams that speak for its label to add to each row.
    every
        Whether to add the probability of every label.
    allow_code
        Whether the model's job may call Python functions on the texts.

    Raises
    ------
    ModelError, JobFileError
        If the model cannot be used as asked.
    SourceError
        If a file cannot be read, or its records do not have the shape that they were read in.
    """
    model = opened_model(str(model_folder))
    steps = text_steps(model, allow_code=allow_code)
    plan = plan_source(SourceConfig(files=tuple(files)), Path.cwd(), execute, scratch / "unpacked")
    column = _text_column(model, plan.schema, text)
    tasks = [
        delayed(score_block, pure=False)(block, str(model_folder), steps, column, reasons, every, str(scratch))
        for block in plan.blocks
    ]
    scored: list[ScoredPart] = execute("predict", tasks, sizes=[block.size_bytes for block in plan.blocks])
    shape.require_shape(plan, shape.merged_tallies(each.tallies for each in scored))
    labels: Counter[str] = Counter()
    for each in scored:
        labels.update(each.labels)
    empty = predict_table(plan.schema.empty_table(), model, column, reasons=reasons, every=every)
    return Scored(
        parts=tuple(each.part for each in scored),
        schema=empty.schema,
        plan=plan,
        ledger=merged(each.ledger for each in scored),
        labels=dict(sorted(labels.items())),
        drift=tuple(_drift(model, [each.profile for each in scored])),
    )


def _drift(model: TrainedModel, profiles: Sequence[InputProfile]) -> list[InputDrift]:
    then = model.evaluation.get("profile")
    if then is None or not profiles:
        return []
    return measure_input(InputProfile.from_dict(then), reduce(InputProfile.merge, profiles), model.labels)


def _text_column(model: TrainedModel, schema: pa.Schema, text: str | None) -> str:
    source = (model.lineage.get("job") or {}).get("source") or {}
    in_files = (source.get("columns") or {}).get(model.text)
    wanted = [text] if text is not None else [model.text, in_files]
    found = [name for name in wanted if name in schema.names]
    if not found:
        named = " or ".join(f'"{name}"' for name in wanted if name)
        raise ModelError(
            model.sha256[:12],
            f"the input has no column {named}; its columns: {', '.join(schema.names)}",
            "Name the column that holds the texts with --text",
        )
    return str(found[0])


def score_block(
    block: Block, model_folder: str, steps: Sequence[Operation], text: str, reasons: int, every: bool, folder: str
) -> ScoredPart:
    """One block's rows with predictions, written to `folder`."""
    model = opened_model(model_folder)
    table = read_block(block)
    alive = frame.alive(table)
    rejected = Counter(table[frame.REASON].filter(pa.array(~alive)).to_pylist())
    rows = table.filter(pa.array(alive)).select(block.schema.names)
    # The reading is shown as it was, the prediction is made from the cleaned text.
    clean_text = cleaned_texts(rows[text], steps, model.text)
    place = rows.schema.get_field_index(text)
    cleaned = rows.set_column(place, text, clean_text)
    scored, profile = predict_and_profile(cleaned, model, text, reasons=reasons, every=every)
    scored = scored.set_column(place, rows.schema.field(text), rows[text])
    part = write_part(scored, Path(folder) / f"scored-{block.index:08d}.parquet")
    labels = Counter(label for label in scored["predicted"].to_pylist() if label is not None)
    return ScoredPart(
        part=part,
        ledger=Ledger(read=table.num_rows, kept=rows.num_rows, **{REJECTED: dict(sorted(rejected.items()))}),
        labels=dict(labels),
        profile=profile,
        tallies=shape.tally_files(table),
    )


def evaluate_version(
    model_folder: Path,
    snapshot: Snapshot,
    execute: Execute,
    scratch: Path,
    *,
    text: str | None = None,
    label: str | None = None,
) -> Tally:
    """How a model does on the labelled rows of a stored version.

    On the version that it was trained on, only the rows that its split kept for testing count.

    Parameters
    ----------
    model_folder
        Where the model lies.
    snapshot
        The version.
    execute
        Runs the tasks.
    scratch
        A folder that all workers see.
    text, label
        The columns; those of the model's training where not given.

    Raises
    ------
    DataError
        If a column is missing.
    """
    model = opened_model(str(model_folder))
    train = TrainConfig.model_validate(model.lineage.get("train") or {})
    columns = (text or train.text, label or train.label)
    needed = (*columns, *needed_columns(train)) if is_trained_on(model, snapshot) else columns
    needed = tuple(dict.fromkeys(needed))
    require_columns(snapshot.schema, needed, snapshot.version.dataset)
    plan = plan_split(snapshot, train, scratch / "split", execute) if is_trained_on(model, snapshot) else None
    tally_of = partial(evaluate_spans, str(model_folder), snapshot.schema, needed, columns, train, plan)
    return merged_tallies("evaluate", tally_of, cut(snapshot, _BLOCK_ROWS), len(model.labels), execute)


def is_trained_on(model: TrainedModel, snapshot: Snapshot) -> bool:
    """Whether the model learned from this version, or from another with the same content."""
    version, lineage = snapshot.version, model.lineage
    named = (lineage.get("dataset"), lineage.get("version")) == (version.dataset, version.number)
    return named or (version.fingerprint != "" and lineage.get("fingerprint") == version.fingerprint)


def evaluate_spans(
    model_folder: str,
    schema: pa.Schema,
    needed: Sequence[str],
    columns: tuple[str, str],
    train: TrainConfig,
    plan: SplitPlan | None,
    spans: Sequence[Span],
) -> Tally:
    """The tally of one block's labelled rows; of those that test alone where a plan is given."""
    model = opened_model(model_folder)
    table = read_spans(spans, needed, schema=schema)
    texts, labels = (as_text(table[name]) for name in columns)
    counted = pc.is_valid(labels)
    if plan is not None:
        counted = pc.and_(counted, pa.array(sides_of(table, as_text(table[train.text]), train, plan).tests))
    chances = model.predict_proba(texts.filter(counted))
    return tally(chances, labels.filter(counted).to_pylist(), model.labels, model.decide(chances), curves=True)
