"""Settings of a check that looks into another dataset."""

from pipeline.settings import Settings


class ReferenceConfig(Settings):
    """A column of a dataset in the same store, whose values are those that a checked column may have.

    references = { dataset = "users", column = "id" }
    """

    dataset: str
    """The dataset's name."""
    column: str
    """Its column."""
    version: int | str | None = None
    """The version to look into, by number or tag; the newest at the start of the run where not given."""
