"""The ``split`` of a ``[train]`` table: which rows are kept from training to test the model."""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from pipeline.settings import Settings


def _as_text(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class SplitConfig(Settings):
    """Which rows are kept from training to test the model.

    A share chosen by a hash of the text, the same share of every label (`stratify`), whole groups (`group`), the rows
    from a moment on (`time`, `cut`), the rows of some files (`test_files`), or those that a column marks (`column`).
    Each depends on the rows alone: not on their order, on files or on workers.
    """

    test: float | str = 0.2
    """The share of rows that test, chosen by a hash of the text's words in lower case, so that texts that differ in
    case, punctuation or spacing alone are never separated. With `column`: the value that marks a test row."""

    seed: int = Field(default=42, ge=0, lt=2**63)
    """Another seed chooses another share."""

    fold: int = Field(default=0, ge=0)
    """Which of the shares tests, counted from 0: with `test = 0.2`, folds 0 to 4 together test every row once."""

    stratify: bool = False
    """Whether each label has its own `test` share, to within a row or 1/4096 of its rows, instead of about that share.
    A text with two labels is on the side of the label that comes first."""

    group: str | None = None
    """A column, such as a customer's number, whose rows of one value are never separated. A row without a value is its
    text's own group."""

    time: str | None = None
    """A column with times, dates, numbers or text that sorts as time does; rows without a value train."""

    cut: Annotated[str | None, BeforeValidator(_as_text)] = None
    """With `time`: rows at this moment or later test, such as `2024-06-01`."""

    test_files: tuple[str, ...] = ()
    """Patterns of source files whose rows test, such as `["*test.csv"]`; all other rows train."""

    column: str | None = None
    """A column that says on which side a row is."""

    drop_shared: bool | None = None
    """Whether rows that would test are left out where an equal text trains: they would measure memory. Where not given:
    yes with `group` and `time`, no with `test_files` and `column`, whose rows someone chose. A share has none."""

    @model_validator(mode="after")
    def _one_way_to_split(self) -> "SplitConfig":
        ways = [name for name in ("column", "test_files", "group", "time", "stratify") if getattr(self, name)]
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} exclude each other; give one of them")
        if self.column is not None and not isinstance(self.test, str):
            raise ValueError(f'column = "{self.column}" needs the value that marks a test row, such as test = "test"')
        if self.column is None and isinstance(self.test, str):
            raise ValueError(f'test = "{self.test}" is not a share; write a number such as 0.2, or name the column too')
        if isinstance(self.test, float) and not 0 < self.test < 1:
            raise ValueError(f"test = {self.test} is not a share; write a number between 0 and 1, such as 0.2")
        if self.fold and (set(ways) - {"group"} or (self.fold + 1) * float(self.test) > 1 + 1e-9):
            raise ValueError(f"fold = {self.fold} is no share of {self.test}; it is for shares, and counts from 0")
        if (self.time is None) != (self.cut is None):
            raise ValueError('time and cut need each other, as in { time = "created_at", cut = 2024-06-01 }')
        if self.drop_shared and not ways:
            raise ValueError(
                "drop_shared is for group, time, test_files and column; a share never separates equal texts"
            )
        return self

    @property
    def drops_shared(self) -> bool:
        """Whether rows that would test are left out where an equal text trains."""
        if self.drop_shared is not None:
            return self.drop_shared and not self.stratify
        return self.group is not None or self.time is not None
