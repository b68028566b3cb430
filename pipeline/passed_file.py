"""A file that goes to tasks by its path and stands for its content."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedFile:
    """Something on disk that all workers see; what is made from it is the same wherever it lies.

    Attributes
    ----------
    path
        Where it lies, for as long as tasks need it.
    digest
        Hex digits of its content.
    """

    path: str
    digest: str

    @property
    def content_name(self) -> str:
        """What tells it from others in the names of checkpoints."""
        return self.digest
