"""Settings of a check that looks into another dataset, or into a file."""

from pydantic import model_validator

from pipeline.settings import Settings


class ReferenceConfig(Settings):
    """A column of a dataset in the same store, or of files, whose values are those that a checked column may have.

    references = { dataset = "users", column = "id" }
    references = { file = "users.csv", column = "id" }
    """

    dataset: str | None = None
    """The dataset's name."""
    file: str | None = None
    """Instead of a dataset: files that a source could read, by path, pattern or URI (opened with the job's [source]
    storage_options). Relative paths start at the job file; encodings and dialects are found out by a look."""
    column: str
    """The column of the dataset or of the files."""
    version: int | str | None = None
    """The version of the dataset to look into, by number or tag; the newest at the start of the run where not given."""

    @model_validator(mode="after")
    def _one_place(self) -> "ReferenceConfig":
        if (self.dataset is None) == (self.file is None):
            raise ValueError('give either `dataset = "NAME"` or `file = "PATH"` to look into')
        if self.version is not None and self.dataset is None:
            raise ValueError("`version` is of a dataset; a file has none")
        return self
