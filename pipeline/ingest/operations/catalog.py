"""All clean operations: their union for the job file, checking a list of them against a schema, and running it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, get_args

import pyarrow as pa
from pydantic import Field

from pipeline.errors import JobFileError
from pipeline.ingest.operations.chinese import ConvertChinese, FoldWidth
from pipeline.ingest.operations.custom import Python
from pipeline.ingest.operations.filters import EmptyText, FilterLength
from pipeline.ingest.operations.language import DetectLanguage, FilterLanguage
from pipeline.ingest.operations.masking import Mask
from pipeline.ingest.operations.operation import Operation, SplicingOperation, content_columns, splice_together
from pipeline.ingest.operations.quality import FilterC4, FilterGopher, FilterSymbols, KeepSentences
from pipeline.ingest.operations.repair import FixText, StripHtml
from pipeline.ingest.operations.repetition import FilterRepetition
from pipeline.ingest.operations.sampling import Sample
from pipeline.ingest.operations.tables import (
    DropColumns,
    DropNull,
    FillNull,
    MapValues,
    MissingLabel,
    Rename,
)
from pipeline.ingest.operations.terms import FilterTerms
from pipeline.ingest.operations.text import (
    CollapseWhitespace,
    Lowercase,
    NormalizeUnicode,
    StripControl,
    Trim,
)
from pipeline.ingest.operations.types import Cast, FilterTime

#: One table of ``[[clean]]``, told apart by its key ``op``.
CleanOperation = Annotated[
    NormalizeUnicode
    | FixText
    | StripHtml
    | StripControl
    | Trim
    | CollapseWhitespace
    | Lowercase
    | FoldWidth
    | ConvertChinese
    | Mask
    | KeepSentences
    | DetectLanguage
    | MapValues
    | FillNull
    | DropNull
    | DropColumns
    | Rename
    | Cast
    | FilterLength
    | FilterSymbols
    | FilterRepetition
    | FilterGopher
    | FilterC4
    | FilterLanguage
    | FilterTerms
    | FilterTime
    | Sample
    | EmptyText
    | MissingLabel
    | Python,
    Field(discriminator="op"),
]
#: The classes of all operations by the name that the job file gives them.
OPERATIONS: dict[str, type[Operation]] = {
    kind.model_fields["op"].default: kind for kind in get_args(get_args(CleanOperation)[0])
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """A frame after a list of operations or checks.

    Attributes
    ----------
    table
        As many rows as before, in the same order.
    changed
        For each step in turn, the rows it changed. Counts of blocks add up step by step: see `added`.
    """

    table: pa.Table
    changed: tuple[int, ...]


def clean(table: pa.Table, operations: Sequence[Operation]) -> Cleaned:
    """The frame after all `operations`, in order, with the rows that each changed."""
    changed: list[int] = []
    for together in _runs(operations):
        first = together[0]
        if isinstance(first, SplicingOperation):
            splicing = [operation for operation in together if isinstance(operation, SplicingOperation)]
            outcomes = splice_together(table, splicing)
        else:
            outcomes = [first.apply(table)]
        table = outcomes[-1].table
        changed += [outcome.changed for outcome in outcomes]
    return Cleaned(table=table, changed=tuple(changed))


def _runs(operations: Sequence[Operation]) -> Iterator[list[Operation]]:
    """The operations in order; splicing ones on the same columns together, all others alone."""
    run: list[Operation] = []
    for operation in operations:
        if run and not (_splices(run[-1]) and _splices(run[-1]) == _splices(operation)):
            yield run
            run = []
        run.append(operation)
    if run:
        yield run


def _splices(operation: Operation) -> tuple[str, ...]:
    """The columns that the operation splices; none where it works another way."""
    return operation.targets if isinstance(operation, SplicingOperation) else ()


def added(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    """The counts of two blocks together, step by step; ``()`` is the count of no block."""
    if not left or not right:
        return left or right
    return tuple(a + b for a, b in zip(left, right, strict=True))


def implied_operations(
    columns: Sequence[str], *, label_required: bool, text: str = "text", label: str = "label"
) -> tuple[Operation, ...]:
    """The filters that every job has without naming them, run after all it names.

    Parameters
    ----------
    columns
        Content columns after the operations of the job file.
    label_required
        Whether the job trains a model, so that a row without a label is of no use.
    text, label
        The names of the columns with these roles.
    """
    implied: list[Operation] = []
    if text in columns:
        implied.append(EmptyText(column=text))
    if label_required and label in columns:
        implied.append(MissingLabel(column=label))
    return tuple(implied)


def schema_after(
    schema: pa.Schema, operations: Sequence[Operation], *, allow_code: bool = False, origin: str = "job"
) -> pa.Schema:
    """The schema after all `operations`, known before any row is read.

    Parameters
    ----------
    schema
        Content columns (or a whole frame's).
    operations
        In the order they run.
    allow_code
        Whether `python` operations may run.
    origin
        What the message calls the place the operations came from: the job file's path.

    Raises
    ------
    JobFileError
        With every problem of every operation: missing columns, unfit types, code that is not allowed.
    """
    problems: list[str] = []
    for number, operation in enumerate(operations, start=1):
        where = f"[[clean]] {number} ({getattr(operation, 'op', 'operation')})"
        if isinstance(operation, Python) and not allow_code:
            problems.append(
                f'{where}: function "{operation.function}" is code, and code is not allowed in this run; '
                "allow it with --allow-code if you trust the job file"
            )
            continue
        try:
            schema = operation.output_schema(schema)
        except JobFileError as error:
            problems += [f"{where}: {problem}" for problem in error.problems]
    if problems:
        raise JobFileError(tuple(problems), origin)
    return schema


def columns_after(operation: Operation, columns: Sequence[str]) -> list[str]:
    """Names of the content columns after `operation`, for text columns of these names.

    Raises
    ------
    JobFileError
        If the operation names a column that is not there.
    """
    return content_columns(operation.output_schema(pa.schema([(name, pa.string()) for name in columns])))
