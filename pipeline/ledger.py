"""The ledger: what became of every record, as counts that merge.

A ledger is a commutative monoid (`Ledger()`, `merge`), so that blocks can be counted anywhere and added up in any
order with the same sum; `balance` is the promise that nothing was lost in silence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from pipeline.errors import LedgerError

KEPT = "kept"
REJECTED = "rejected"
FILTERED = "filtered"
DUPLICATE = "duplicate"


def _added(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {key: left.get(key, 0) + right.get(key, 0) for key in sorted({*left, *right})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Counts of records by fate.

    Attributes
    ----------
    read
        Records found in the input; blank lines are not records.
    kept
        Rows that are in the version.
    rejected
        Rows that could not be read as declared or broke a check, by reason.
    filtered
        Rows that a named rule left out, by rule.
    duplicates
        Rows that repeat another, by kind ("exact", "near").
    """

    read: int = 0
    kept: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    filtered: Mapping[str, int] = field(default_factory=dict)
    duplicates: Mapping[str, int] = field(default_factory=lambda: {"exact": 0, "near": 0})

    def merge(self, other: "Ledger") -> "Ledger":
        """The ledger of both inputs together."""
        return Ledger(
            read=self.read + other.read,
            kept=self.kept + other.kept,
            rejected=_added(self.rejected, other.rejected),
            filtered=_added(self.filtered, other.filtered),
            duplicates=_added(self.duplicates, other.duplicates),
        )

    @property
    def accounted(self) -> int:
        """Records with a fate."""
        return self.kept + sum(self.rejected.values()) + sum(self.filtered.values()) + sum(self.duplicates.values())

    def require_balance(self) -> None:
        """Nothing where every record read has exactly one fate.

        Raises
        ------
        LedgerError
            If the counts do not add up.
        """
        if self.read != self.accounted:
            raise LedgerError(
                f"the ledger does not balance: {self.read} records read, {self.accounted} accounted for "
                f"({self.to_dict()}); nothing was committed. This is a defect of textmill: please report it."
            )

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON, in the shape that the command line promises."""
        return {
            "read": self.read,
            "kept": self.kept,
            "rejected": dict(self.rejected),
            "filtered": dict(self.filtered),
            "duplicates": dict(self.duplicates),
        }

    @classmethod
    def from_dict(cls, counts: Mapping[str, Any]) -> "Ledger":
        """The ledger that `to_dict` wrote."""
        return cls(**dict(counts))


def merged(ledgers: Iterable[Ledger]) -> Ledger:
    """The sum of all `ledgers`; the empty ledger for none."""
    return reduce(Ledger.merge, ledgers, Ledger())
