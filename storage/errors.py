"""The errors of the store: one root, three facts each, and what to do next.

Every error is built from the same three positional texts (subject, problem, cure) and keeps them through pickling,
so that a worker's error arrives on the client as it was raised.
"""

from typing import Self


class StoreError(Exception):
    """The root of everything the store raises on purpose.

    Parameters
    ----------
    subject
        What it is about: a path, a dataset, a query.
    problem
        What was found and what was expected.
    cure
        What to do next, as a sentence.
    """

    #: Whether trying the same call again can help.
    retryable = False

    def __init__(self, subject: str, problem: str, cure: str) -> None:
        super().__init__(subject, problem, cure)
        self.subject = subject
        self.problem = problem
        self.cure = cure

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, str]]:
        # OSError rewrites its own arguments; the facts are kept beside them.
        return type(self), (self.subject, self.problem, self.cure)

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}. {self.cure}"


class StoreNotFoundError(StoreError, FileNotFoundError):
    """There is no store at the place that was named."""


class MissingExtraError(StoreError, ImportError):
    """A package is not installed that only some stores need."""


class BucketError(StoreError, OSError):
    """The bucket of a store does not answer, or refuses."""

    retryable = True


class StoreNotWritableError(StoreError, PermissionError):
    """The store, or a folder in it, cannot be written."""


class DiskFullError(StoreError, OSError):
    """There is no room left for what had to be written; the last version is untouched."""

    retryable = True


class StoreBusyError(StoreError, TimeoutError):
    """Another process held the dataset's lock for longer than the deadline."""

    retryable = True


class StoreDamagedError(StoreError):
    """Something in the store is not as the store wrote it."""


class StagedPartError(StoreError, ValueError):
    """A staged file is not what its record says; nothing was committed."""


class SchemaMismatchError(StoreError, ValueError):
    """Columns cannot be stored, or do not fit those already there."""


class CommitConflictError(StoreError):
    """Other writers won every round; nothing of this commit is visible."""

    retryable = True


class NotFoundError(StoreError, LookupError):
    """What was asked for by name is not in the store."""


class DatasetNotFoundError(NotFoundError):
    """No dataset of this name."""


class DatasetExistsError(StoreError, ValueError):
    """There is a dataset of this name already."""


class CarriedFolderError(StoreError, ValueError):
    """The folder cannot take an exported version, or does not hold a whole one."""


class DatasetNameError(StoreError, ValueError):
    """The name cannot be a dataset's, tag's, run's or model's name."""


class VersionNotFoundError(NotFoundError):
    """The dataset has no such version, tag or time."""


class VersionVacuumedError(VersionNotFoundError):
    """The version is known, but its files were given up by a vacuum."""


class TagError(StoreError, ValueError):
    """The tag is already elsewhere."""


class RunNotFoundError(NotFoundError):
    """No run of this id or prefix, or more than one."""


class ModelNotFoundError(NotFoundError):
    """No model of this id or prefix, or more than one."""


class ModelExistsError(StoreError, ValueError):
    """A different model has this id already."""


class QueryError(StoreError, ValueError):
    """The query cannot be run as written."""
