"""Checks: declared rules that a row keeps or is rejected by, with the rule's name as the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator, model_validator

from pipeline import frame
from pipeline.errors import DataError, JobFileError
from pipeline.ingest.operations.operation import condemned, is_text, plain_texts, require_columns
from pipeline.ingest.reference_config import ReferenceConfig
from pipeline.settings import Settings

#: A value as a TOML file can write it.
Value = str | bool | int | float | datetime | date

#: For each kind of rule, the keys that declare it.
_KINDS = {
    "one_of": ("one_of",),
    "regex": ("regex",),
    "range": ("min", "max"),
    "length": ("min_length", "max_length"),
    "not_null": ("not_null",),
    "unique": ("unique",),
    "references": ("references",),
}
_CAST_ERRORS = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError)


class CheckRule(Settings):
    """A rule on one column; give exactly one kind of rule.

    A null breaks no rule but `not_null`: whether a value must be there is a question of its own.

        [[check]]
        column = "label"
        one_of = ["complaint", "inquiry", "suggestion"]
    """

    column: str
    """The column to check."""
    one_of: tuple[Value, ...] | None = Field(default=None, min_length=1)
    """All values that are allowed."""
    regex: str | None = None
    """A regular expression (RE2 syntax) that the whole text must match."""
    min: Value | None = None
    """The least value allowed, for numbers, dates and times."""
    max: Value | None = None
    """The greatest value allowed, for numbers, dates and times."""
    min_length: int | None = Field(default=None, ge=0)
    """The least number of characters allowed."""
    max_length: int | None = Field(default=None, ge=0)
    """The greatest number of characters allowed."""
    not_null: Literal[True] | None = None
    """There must be a value."""
    unique: Literal[True] | None = None
    """No value may come twice in the whole dataset; the row that comes first keeps it."""
    references: ReferenceConfig | None = None
    """Every value must be one of a column of another dataset; values are compared as texts."""
    name: str | None = Field(default=None, min_length=1)
    """The reason that rejected rows carry; by default the column and the kind of rule: ``label_one_of``."""
    severity: Literal["reject", "fail"] = "reject"
    """Reject the rows that break the rule, or also fail the job where more than `max_share` of the rows do."""
    max_share: float | None = Field(default=None, ge=0, le=1)
    """With severity ``fail``: the greatest share of rows that may break the rule, 0.01 is one in a hundred."""

    @field_validator("regex")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                pc.match_substring_regex(pa.array([""]), _whole(pattern))
            except pa.ArrowInvalid as error:
                raise ValueError(f"{pattern!r} is not a regular expression (RE2 syntax): {error}") from error
        return pattern

    @model_validator(mode="after")
    def _one_kind(self) -> "CheckRule":
        kinds = self._declared()
        if len(kinds) != 1:
            found = f"{' and '.join(kinds)} are given" if kinds else "none is given"
            raise ValueError(f"a check has exactly one kind of rule, and {found}; known kinds: {', '.join(_KINDS)}")
        if self.max_share is not None and self.severity != "fail":
            raise ValueError('`max_share` needs `severity = "fail"`')
        if self.kind == "length" and (self.min_length or 0) > (self.max_length or self.min_length or 0):
            raise ValueError(f"`min_length` ({self.min_length}) is greater than `max_length` ({self.max_length})")
        return self

    def _declared(self) -> list[str]:
        return [kind for kind, keys in _KINDS.items() if any(getattr(self, key) is not None for key in keys)]

    @property
    def kind(self) -> str:
        """Which kind of rule it is: one_of, regex, range, length, not_null, unique or references."""
        return self._declared()[0]

    @property
    def rule(self) -> str:
        """The reason that rejected rows carry."""
        return self.name if self.name is not None else f"{self.column}_{self.kind}"

    def require_fit(self, schema: pa.Schema) -> None:
        """Nothing where the rule can be applied to frames of `schema`.

        Raises
        ------
        JobFileError
            If the column is missing, has an unfit type, or a value of the rule is not of its type.
        """
        require_columns(schema, [self.column], self.rule)
        kind = _inner(schema.field(self.column).type)
        if self.kind in ("regex", "length") and not is_text(kind):
            raise JobFileError(
                (f'{self.rule}: column "{self.column}" is {kind}, and `{self.kind}` needs text; declare it as text',)
            )
        if self.kind == "range" and is_text(kind):
            raise JobFileError(
                (
                    f'{self.rule}: column "{self.column}" is text, and `min`/`max` need numbers, dates or times; '
                    "declare its type in [source] types, or use `min_length`/`max_length`",
                )
            )
        for value in (*(self.one_of or ()), self.min, self.max):
            if value is not None:
                self._scalar(value, kind)
        if self.min is not None and self.max is not None:
            least, greatest = self._scalar(self.min, kind), self._scalar(self.max, kind)
            if pc.greater(least, greatest).as_py():
                raise JobFileError((f"{self.rule}: `min` ({self.min}) is greater than `max` ({self.max})",))

    def _scalar(self, value: Value, kind: pa.DataType) -> pa.Scalar:
        try:
            if is_text(kind) and not isinstance(value, str):
                raise pa.ArrowTypeError("not a text")
            # By way of text, for Arrow casts no integer to a decimal of fewer digits than any integer might have.
            return pa.scalar(str(value) if pa.types.is_decimal(kind) else value).cast(kind)
        except _CAST_ERRORS as error:
            raise JobFileError(
                (f'{self.rule}: {value!r} is not a value of column "{self.column}" of type {kind}',)
            ) from error

    def broken(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Which rows break the rule by themselves, shape (rows,); for `unique` and `references` none do."""
        column = table[self.column]
        if pa.types.is_dictionary(column.type):
            column = pc.cast(column, column.type.value_type)
        match self.kind:
            case "not_null":
                return np.asarray(pc.is_null(column))
            case "one_of":
                known = pa.array([self._scalar(v, column.type).as_py() for v in self.one_of or ()], column.type)
                kept = pc.is_in(column, known)
            case "regex":
                kept = pc.match_substring_regex(plain_texts(column), _whole(self.regex or ""))
            case "length":
                kept = self._within(pc.utf8_length(column), self.min_length, self.max_length)
            case "range":
                kept = self._within(column, self.min, self.max)
            case _:
                return np.zeros(table.num_rows, np.bool_)
        return np.asarray(pc.and_(pc.is_valid(column), pc.invert(pc.fill_null(kept, True))))

    def _within(self, values: pa.ChunkedArray, least: Value | None, greatest: Value | None) -> Any:
        # "Not at least" rather than "less than": NaN is in no range.
        kept = pa.scalar(True)
        if least is not None:
            kept = pc.and_(kept, pc.greater_equal(values, self._scalar(least, values.type)))
        if greatest is not None:
            kept = pc.and_(kept, pc.less_equal(values, self._scalar(greatest, values.type)))
        return kept

    def apply(self, table: pa.Table) -> "Checked":
        """The frame with the live rows that break the rule rejected, and the count."""
        checked = int(frame.alive(table).sum())
        outcome = condemned(table, self.broken(table), "rejected", self.rule)
        count = CheckCount(name=self.rule, checked=checked, rejected=outcome.changed)
        return Checked(table=outcome.table, counts=(count,))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCount:
    """How a rule went.

    Attributes
    ----------
    name
        The rule's name.
    checked
        Live rows it looked at.
    rejected
        Those that broke it.
    """

    name: str
    checked: int
    rejected: int

    def merge(self, other: "CheckCount") -> "CheckCount":
        """The count of both blocks together."""
        return CheckCount(name=self.name, checked=self.checked + other.checked, rejected=self.rejected + other.rejected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A frame after checks: as many rows as before, and a count for each rule in turn."""

    table: pa.Table
    counts: tuple[CheckCount, ...]


def check(table: pa.Table, rules: Sequence[CheckRule]) -> Checked:
    """The frame after all `rules`, in order; a row is rejected by the first rule it breaks."""
    counts: list[CheckCount] = []
    for rule in rules:
        checked = rule.apply(table)
        table = checked.table
        counts += checked.counts
    return Checked(table=table, counts=tuple(counts))


def merged_counts(left: Sequence[CheckCount], right: Sequence[CheckCount]) -> tuple[CheckCount, ...]:
    """The counts of two blocks together, rule by rule; ``()`` is the count of no block."""
    if not left or not right:
        return tuple(left or right)
    return tuple(a.merge(b) for a, b in zip(left, right, strict=True))


def require_fit(schema: pa.Schema, rules: Sequence[CheckRule], origin: str = "job") -> None:
    """Nothing where all rules can be applied to frames of `schema`; asked before any row is read.

    Raises
    ------
    JobFileError
        With every problem of every rule, and rules that share a name.
    """
    problems: list[str] = []
    names: set[str] = set()
    for number, rule in enumerate(rules, start=1):
        where = f"[[check]] {number}"
        try:
            rule.require_fit(schema)
        except JobFileError as error:
            problems += [f"{where}: {problem}" for problem in error.problems]
        if rule.rule in names:
            problems.append(f'{where}: there is another rule "{rule.rule}"; give one of them a `name`')
        names.add(rule.rule)
    if problems:
        raise JobFileError(tuple(problems), origin)


def require_shares(rules: Sequence[CheckRule], counts: Sequence[CheckCount]) -> None:
    """Nothing where no rule of severity "fail" was broken by more rows than it allows; asked before the commit.

    Raises
    ------
    DataError
        Naming each such rule with the rows that broke it and the share allowed.
    """
    problems = []
    for rule, count in zip(rules, counts, strict=True):
        allowed = rule.max_share or 0.0
        if rule.severity == "fail" and count.rejected > allowed * count.checked:
            share = count.rejected / count.checked
            problems.append(
                f'check "{rule.rule}": {count.rejected} of {count.checked} rows break it ({share:.3%}), '
                f"and at most {allowed:.3%} may"
            )
    if problems:
        raise DataError(
            "; ".join(problems) + "; nothing was committed",
            'Look at the rows, then correct the input or the rule, raise `max_share`, or set `severity = "reject"`.',
        )


def _inner(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _whole(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"
