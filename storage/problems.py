"""What a check of a store may find."""

from dataclasses import dataclass

#: Kinds of problems. An orphan is no damage: a run that died left it, and a vacuum removes it.
MISSING, TRUNCATED, CHANGED, FOREIGN, BROKEN_LOG, ORPHAN = (
    "missing",
    "truncated",
    "changed",
    "foreign",
    "broken_log",
    "orphan",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in the store that is not as the store wrote it.

    Attributes
    ----------
    dataset
        The dataset's, system table's or model's name.
    kind
        "missing", "truncated", "changed", "foreign", "broken_log" or "orphan".
    path
        Relative to the store.
    detail
        What was found and what was expected.
    versions
        The versions that need the file; empty where none does.
    cure
        What to do next.
    """

    dataset: str
    kind: str
    path: str
    detail: str
    versions: tuple[int, ...]
    cure: str

    def __str__(self) -> str:
        needed = f" (versions {', '.join(map(str, self.versions[:8]))})" if self.versions else ""
        return f"{self.path}: {self.kind}, {self.detail}{needed}. {self.cure}"
