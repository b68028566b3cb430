"""What every clean operation is: settings that turn one frame into the next and count the rows they changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from pipeline import frame
from pipeline.errors import JobFileError
from pipeline.ingest.operations.splice import Overlay, Rows, spliced
from pipeline.problems import unknown
from pipeline.settings import Settings

#: The column that operations on text work on where none is named.
TEXT_COLUMN = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A frame after one operation or check.

    Attributes
    ----------
    table
        As many rows as before, in the same order.
    changed
        Rows whose content or fate is another than before.
    """

    table: pa.Table
    changed: int


class Operation(Settings):
    """One step of cleaning."""

    name: str | None = Field(default=None, min_length=1)
    """What the ledger and the report call this step; by default the operation's own name."""

    @property
    def rule(self) -> str:
        """The name that counts and fates carry."""
        return self.name if self.name is not None else self.default_rule

    @property
    def default_rule(self) -> str:
        """The name where the job file gives none."""
        return str(getattr(self, "op", type(self).__name__)).removeprefix("filter_")

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """The schema after this step, for a frame of `schema`.

        Raises
        ------
        JobFileError
            If the step cannot work on `schema`: a column is missing or has an unfit type.
        """
        return schema

    def apply(self, table: pa.Table) -> Outcome:
        """The frame after this step; rows with a fate stay as they are and no row is added or dropped."""
        raise NotImplementedError


class ColumnOperation(Operation):
    """A step that works on one or several columns."""

    column: str | None = None
    """The column to work on; ``text`` where neither `column` nor `columns` is given."""
    columns: tuple[str, ...] | None = Field(default=None, min_length=1)
    """The columns to work on, instead of `column`."""

    @model_validator(mode="after")
    def _one_way_to_name_columns(self) -> "ColumnOperation":
        if self.column is not None and self.columns is not None:
            raise ValueError("give `column` or `columns`, not both")
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns this step works on."""
        return self.columns or (self.column or TEXT_COLUMN,)

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` itself, where it has all columns to work on."""
        require_columns(schema, self.targets, self.rule)
        return schema


class TextOperation(ColumnOperation):
    """A step that maps each text to another text, and null to null."""

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` itself, where all columns to work on are there and are text."""
        require_text(schema, self.targets, self.rule)
        return schema

    def transform(self, texts: pa.Array) -> pa.Array:
        """The new texts, same length and type; null exactly where `texts` is null."""
        raise NotImplementedError

    def apply(self, table: pa.Table) -> Outcome:
        """The frame with the live rows' texts mapped."""
        live = frame.alive(table)
        changed = np.zeros(table.num_rows, np.bool_)
        for name in self.targets:
            new, different = self.map_column(table[name], live)
            if different.any():
                changed |= different
                table = replace_column(table, name, new)
        return Outcome(table=table, changed=int(changed.sum()))

    def map_column(
        self, column: pa.ChunkedArray, live: npt.NDArray[np.bool_]
    ) -> tuple[pa.ChunkedArray, npt.NDArray[np.bool_]]:
        """The column with the texts of live rows mapped, and which rows differ from before, shape (rows,)."""
        new = map_texts(column, self.transform)
        different = differs(column, new) & live
        return (new if live.all() else pc.if_else(live, new, column)), different


class SplicingOperation(TextOperation):
    """A step on texts that finds out by a compiled scan which rows it has to change, and leaves the others alone."""

    def rewritten(self, texts: pa.Array, wanted: npt.NDArray[np.bool_]) -> Rows:
        """The new texts of those rows among `wanted` (shape (rows,)) that the step changes."""
        raise NotImplementedError

    def transform(self, texts: pa.Array) -> pa.Array:
        """The new texts, same length and type; null exactly where `texts` is null."""
        return spliced(texts, self.rewritten(texts, np.ones(len(texts), np.bool_)))

    def apply(self, table: pa.Table) -> Outcome:
        """The frame with the live rows' texts mapped."""
        [outcome] = splice_together(table, [self])
        return outcome


def splice_together(table: pa.Table, steps: Sequence[SplicingOperation]) -> list[Outcome]:
    """The outcome of each step in turn, all of which work on the same columns; the last one has the frame after all.

    Each column is copied at most once, however many steps change it.
    """
    live = frame.alive(table)
    changed = [np.zeros(table.num_rows, np.bool_) for _ in steps]
    for name in steps[0].targets:
        column = table[name]
        plain = plain_texts(column)
        chunks, start, touched = [], 0, False
        for chunk in plain.chunks:
            stop = start + len(chunk)
            overlay = Overlay(chunk)
            for step, different in zip(steps, changed, strict=True):
                rows = overlay.change(step.rewritten, live[start:stop])
                different[start + rows] = True
                touched |= len(rows) > 0
            chunks.append(overlay.result())
            start = stop
        if touched:
            table = replace_column(table, name, like(column.type, pa.chunked_array(chunks, plain.type)))
    return [Outcome(table=table, changed=int(different.sum())) for different in changed]


class FilterOperation(ColumnOperation):
    """A step that gives rows the fate "filtered", with the step's name as the reason."""

    def select(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Which rows to leave out, shape (rows,)."""
        raise NotImplementedError

    def apply(self, table: pa.Table) -> Outcome:
        """The frame with the selected live rows filtered."""
        return condemned(table, self.select(table), "filtered", self.rule)


def condemned(table: pa.Table, which: npt.NDArray[np.bool_], fate: str, reason: str) -> Outcome:
    """The frame with that fate beside the live rows of `which`, and how many they are."""
    count = int((which & frame.alive(table)).sum())
    return Outcome(table=frame.condemn(table, which, fate, reason) if count else table, changed=count)


def content_columns(schema: pa.Schema) -> list[str]:
    """Names of the content columns of a frame's or a source's schema."""
    return [name for name in schema.names if name not in frame.SYSTEM_COLUMNS]


def require_columns(schema: pa.Schema, names: Sequence[str], step: str) -> None:
    """Nothing where `schema` has all content columns `names`.

    Raises
    ------
    JobFileError
        Naming each missing column, the step that wants it and the nearest column there is.
    """
    known = content_columns(schema)
    missing = [name for name in names if name not in known]
    if missing:
        raise JobFileError(tuple(f"{step}: {unknown('column', name, known)}" for name in missing))


def require_text(schema: pa.Schema, names: Sequence[str], step: str) -> None:
    """Nothing where all `names` are text columns of `schema`.

    Raises
    ------
    JobFileError
        Naming each column that is missing or not text.
    """
    require_columns(schema, names, step)
    problems = tuple(
        f'{step}: column "{name}" is {schema.field(name).type}, not text; declare it as text in [source] types'
        for name in names
        if not is_text(schema.field(name).type)
    )
    if problems:
        raise JobFileError(problems)


def is_text(kind: pa.DataType) -> bool:
    """Whether values of `kind` are texts, dictionary-encoded or not."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def plain_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as plain (not dictionary-encoded) text."""
    return pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column


def map_texts(column: pa.ChunkedArray, transform: Callable[[pa.Array], pa.Array]) -> pa.ChunkedArray:
    """The column with each chunk mapped; type kept, so that a category stays a category."""
    plain = plain_texts(column)
    return like(column.type, pa.chunked_array([transform(chunk) for chunk in plain.chunks], plain.type))


def like(kind: pa.DataType, texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Plain texts as a column of the text type `kind`: a category stays a category."""
    return texts if texts.type == kind else pc.cast(pc.dictionary_encode(texts), kind)


def differs(old: pa.ChunkedArray, new: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Where two text columns differ, shape (rows,); null differs from every text and not from null."""
    old, new = plain_texts(old), plain_texts(new)
    unequal = pc.if_else(
        pc.and_(pc.is_valid(old), pc.is_valid(new)),
        pc.not_equal(old, new),
        pc.not_equal(pc.is_valid(old), pc.is_valid(new)),
    )
    return np.asarray(unequal, dtype=np.bool_)


def replace_column(table: pa.Table, name: str, column: pa.ChunkedArray | pa.Array) -> pa.Table:
    """The table with one column's values (and type) replaced, in place."""
    index = table.schema.get_field_index(name)
    return table.set_column(index, pa.field(name, column.type), column)
