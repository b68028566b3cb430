"""Settings for logs of behaviour: the ``[activity]`` table of a job file."""

import pyarrow as pa
from pydantic import Field, model_validator

from pipeline.ingest.operations.operation import require_columns
from pipeline.settings import Settings

#: Names of the limits, in the order in which they are applied; each is the reason of the rows it takes out.
LIMITS = ("max_user_events", "min_user_events", "min_item_events", "k_core")


class ActivityConfig(Settings):
    """Leave out users and items with too few or too many events, for logs of behaviour: one row is one event.

    Events are counted over the whole dataset, after cleaning, checks and deduplication, and rows are left out with the
    limit's name as the reason. A row without a user or without an item takes no part and stays.

    [activity]
    user = "user_id"
    item = "item_id"
    max_user_events = 10000
    k_core = 5
    """

    user: str
    """The column that says whose event it is."""
    item: str | None = None
    """The column that says what the event is about."""
    max_user_events: int | None = Field(default=None, ge=1)
    """Users with more events than this are left out (machines, mostly); looked at before the other limits."""
    min_user_events: int | None = Field(default=None, ge=2)
    """Users with fewer events than this are left out."""
    min_item_events: int | None = Field(default=None, ge=2)
    """Items with fewer events than this are left out, counted over the users that are left."""
    k_core: int | None = Field(default=None, ge=2)
    """Keep the largest set of rows in which every user and every item has at least this many events: users and items
    with fewer are left out again and again, until none is left to leave out."""
    against_stored: bool = True
    """With mode ``append``: also count the events of the version already stored (its rows stay whatever comes)."""

    @model_validator(mode="after")
    def _makes_sense(self) -> "ActivityConfig":
        if all(getattr(self, name) is None for name in LIMITS):
            raise ValueError(f"give at least one limit: {', '.join(LIMITS)}")
        if self.item is None and (self.min_item_events is not None or self.k_core is not None):
            raise ValueError("`min_item_events` and `k_core` need `item`, the column that says what events are about")
        least = max(self.min_user_events or 1, self.k_core or 1)
        if self.max_user_events is not None and self.max_user_events < least:
            raise ValueError(f"no user has at most {self.max_user_events} and at least {least} events")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that tell events apart."""
        return (self.user, self.item) if self.item is not None else (self.user,)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The limits that are given, in order."""
        return tuple(name for name in LIMITS if getattr(self, name) is not None)

    def require_fit(self, schema: pa.Schema) -> None:
        """Nothing where the rows of `schema` can be counted.

        Raises
        ------
        JobFileError
            If a column is missing.
        """
        require_columns(schema, self.columns, "[activity]")
