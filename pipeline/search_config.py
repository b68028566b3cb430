"""The ``[search]`` table of a job file: which settings `textmill search` tries, and for how long."""

from typing import Any

from pydantic import Field, model_validator

from pipeline.settings import Settings


class SearchConfig(Settings):
    """Which settings ``textmill search`` tries on the dataset, and for how long; a run does not look at it."""

    values: dict[str, tuple[Any, ...]]
    """Keys of `[train]` and `[features]` with the values to try, such as
    `{ "train.l2" = [0.01, 0.1, 1], "features.bits" = [18, 20] }`; every combination is a trial."""

    trials: int | None = Field(default=None, ge=1)
    """So many of the combinations, drawn by chance; all where not given."""

    first_epochs: int = Field(default=1, ge=1)
    """Epochs that all trials learn."""

    most_epochs: int = Field(default=9, ge=1)
    """Epochs that the last trials have learned."""

    keep_one_of: int = Field(default=3, ge=2)
    """After each round one of so many trials goes on, for so many times the epochs."""

    validation: float = Field(default=0.2, gt=0, lt=1)
    """The share of training rows that tells trials apart, where `[train]` has no `validation`."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Decides which combinations are drawn."""

    @model_validator(mode="after")
    def _there_is_something_to_try(self) -> "SearchConfig":
        empty = [key for key, values in self.values.items() if not values]
        if empty or not self.values:
            raise ValueError(f"values has nothing to try{' for ' + ', '.join(empty) if empty else ''}")
        return self
