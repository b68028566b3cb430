"""Settings of the comparison with an earlier version: the ``[drift]`` table of a job file."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from pipeline.settings import Settings


class DriftLimit(Settings):
    """How far a measure may move, and what happens beyond.

    labels = { limit = 0.1, severity = "stop" }
    """

    limit: float = Field(ge=0)
    """The greatest change that passes without a word."""
    severity: Literal["warn", "stop"] = "warn"
    """Beyond the limit: say so, or end the run before anything is committed."""


def _plain_limit(value: Any) -> Any:
    return {"limit": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


#: A limit; a number alone is a limit that warns.
Limit = Annotated[DriftLimit, BeforeValidator(_plain_limit)]


class DriftConfig(Settings):
    """Compare what is about to be committed with an earlier version of the dataset, after cleaning and deduplication.

    A number in the place of a limit's table is a limit that warns. Without an earlier version nothing is compared.

    [drift]
    against = "previous"
    rows = { limit = 0.5, severity = "stop" }
    tokens = 0.3
    """

    against: int | str = "previous"
    """The version to compare with: ``previous`` for the newest one, or a version's number or tag."""
    rows: Limit = DriftLimit(limit=0.5)
    """Change of the number of rows of the version, as a share of the earlier number."""
    nulls: Limit = DriftLimit(limit=0.1)
    """Change of the share of nulls in a column."""
    labels: Limit = DriftLimit(limit=0.1)
    """Change of the label shares: the share of rows that would need another label (total variation distance). A change
    that samples of so many rows show by chance (once in a thousand comparisons) is never beyond the limit."""
    lengths: Limit = DriftLimit(limit=0.5)
    """Change of the text length (in characters) that a tenth, half or nine tenths of the texts stay below, as a share
    of the earlier length."""
    tokens: Limit = DriftLimit(limit=0.3)
    """Share of the words (in scripts without blanks: characters) that the earlier version does not have, estimated
    from a sample of different words."""
