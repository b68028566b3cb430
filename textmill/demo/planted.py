"""What was planted in the corpus, so that a job's ledger can be compared with the truth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from textmill.demo.chinese import CHINESE
from textmill.demo.english import ENGLISH
from textmill.demo.grammar import LABELS

#: All word-for-word tickets of both languages with their labels; the bits of `Planted.stock_seen` stand for these.
STOCK = ENGLISH.stock + CHINESE.stock
FILTER_RULES = ("empty_text", "missing_label")


def _added(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {key: left.get(key, 0) + right.get(key, 0) for key in sorted({*left, *right})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """Counts of what the generator put in; they merge over parts.

    Attributes
    ----------
    records
        Records written; blank lines are none.
    faults
        Records with a fault, by the reason that a job gives them.
    labels
        Regular rows by the label they carry in the end (stock texts and copies are not counted here).
    stock_rows
        Rows that hold a text of `STOCK`.
    stock_seen
        Bit i is set where text i of `STOCK` occurs.
    copies
        Rows that repeat an earlier text: "identical", or "dressed" (equal only once cleaned).
    noise
        How often each kind of noise was put on a row, broken rows included: dressing, "newlines", "spelling",
        "mislabelled", "ambiguous", "mixed".
    """

    records: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    stock_rows: int = 0
    stock_seen: int = 0
    copies: Mapping[str, int] = field(default_factory=dict)
    noise: Mapping[str, int] = field(default_factory=dict)

    def merge(self, other: "Planted") -> "Planted":
        """What was planted in both."""
        return Planted(
            records=self.records + other.records,
            faults=_added(self.faults, other.faults),
            labels=_added(self.labels, other.labels),
            stock_rows=self.stock_rows + other.stock_rows,
            stock_seen=self.stock_seen | other.stock_seen,
            copies=_added(self.copies, other.copies),
            noise=_added(self.noise, other.noise),
        )

    @property
    def duplicates(self) -> int:
        """Rows whose cleaned text stands in another row that is kept."""
        return self.stock_rows - self.stock_seen.bit_count() + sum(self.copies.values())

    @property
    def kept(self) -> int:
        """Rows a job keeps."""
        return self.records - sum(self.faults.values()) - self.duplicates

    def kept_labels(self) -> dict[str, int]:
        """Rows a job keeps, by label."""
        seen = [label for bit, (_, label) in enumerate(STOCK) if self.stock_seen >> bit & 1]
        return {label: self.labels.get(label, 0) + seen.count(label) for label in LABELS}

    def ledger(self) -> dict[str, Any]:
        """The ledger that the corpus' own job must report, in the shape the command line promises."""
        return {
            "read": self.records,
            "kept": self.kept,
            "rejected": {name: count for name, count in self.faults.items() if name not in FILTER_RULES},
            "filtered": {name: count for name, count in self.faults.items() if name in FILTER_RULES},
            "duplicates": {"exact": self.duplicates, "near": 0},
        }

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        return {
            "ledger": self.ledger(),
            "labels": self.kept_labels(),
            "copies": dict(self.copies),
            "stock": {"rows": self.stock_rows, "texts": self.stock_seen.bit_count()},
            "noise": dict(self.noise),
        }


def merged(parts: Iterable[Planted]) -> Planted:
    """What was planted in all parts together."""
    return reduce(Planted.merge, parts, Planted())
