"""What a version's rows are like, in numbers that merge: rows, nulls, labels, text lengths, tokens."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import frame
from pipeline.ingest.operations.operation import is_text, plain_texts
from pipeline.ingest.stage_block import added_counts, counted
from pipeline.ingest.token_sketch import TokenSketch, sketch_tokens
from storage.scan import DataFile, read_span

#: Another number where a profile of the same rows would be another.
PROFILE_FORMAT = 1
#: Lengths below this have a bucket each; beyond, 32 buckets for each doubling: 3 % apart.
_EXACT_LENGTHS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What rows are like.

    Attributes
    ----------
    rows
        How many.
    nulls
        Nulls by content column.
    labels
        Rows by label.
    lengths
        Texts by the bucket of their length in characters, see `length_bucket`.
    tokens
        The tokens of the texts.
    """

    rows: int = 0
    nulls: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    lengths: Mapping[int, int] = field(default_factory=dict)
    tokens: TokenSketch = field(default_factory=TokenSketch)

    def merge(self, other: "Profile") -> "Profile":
        """The profile of both inputs together; a column that one lacks is null in all its rows."""
        names = [*dict.fromkeys([*self.nulls, *other.nulls])]
        return Profile(
            rows=self.rows + other.rows,
            nulls={name: self.nulls.get(name, self.rows) + other.nulls.get(name, other.rows) for name in names},
            labels=added_counts([self.labels, other.labels]),
            lengths={
                bucket: self.lengths.get(bucket, 0) + other.lengths.get(bucket, 0)
                for bucket in sorted({*self.lengths, *other.lengths})
            },
            tokens=self.tokens.merge(other.tokens),
        )

    def null_share(self, column: str) -> float:
        """The share of nulls in a column; 1 for a column that is not there."""
        return self.nulls.get(column, self.rows) / self.rows if self.rows else 0.0

    def length_at(self, share: float) -> int:
        """The length that this share of the texts stays within (the least of its bucket); 0 of no texts."""
        wanted = share * sum(self.lengths.values())
        reached = 0
        for bucket in sorted(self.lengths):
            reached += self.lengths[bucket]
            if reached >= wanted:
                return least_length(bucket)
        return 0

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        return {
            "rows": self.rows,
            "nulls": dict(self.nulls),
            "labels": dict(self.labels),
            "lengths": {str(bucket): count for bucket, count in self.lengths.items()},
            "tokens": {
                "total": self.tokens.total,
                "hashes": _packed(self.tokens.hashes),
                "counts": _packed(self.tokens.counts),
            },
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Profile":
        """The profile that `to_dict` wrote."""
        tokens = values["tokens"]
        return cls(
            rows=values["rows"],
            nulls=values["nulls"],
            labels=values["labels"],
            lengths={int(bucket): count for bucket, count in values["lengths"].items()},
            tokens=TokenSketch(
                total=tokens["total"], hashes=_unpacked(tokens["hashes"]), counts=_unpacked(tokens["counts"])
            ),
        )


def _packed(values: npt.NDArray[np.uint64]) -> str:
    return base64.b64encode(values.astype("<u8").tobytes()).decode()


def _unpacked(text: str) -> npt.NDArray[np.uint64]:
    return np.frombuffer(base64.b64decode(text), "<u8").astype(np.uint64)


def length_bucket(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The bucket of each length.

    Examples
    --------
    >>> length_bucket(np.array([0, 63, 64, 65, 66, 128])).tolist()
    [0, 63, 64, 64, 65, 96]
    """
    doublings = np.zeros(len(lengths), np.int64)
    for power in range(6, 40):
        doublings += lengths >= 1 << power
    # The first 6 bits of a length tell its bucket among those of its doubling.
    return np.where(lengths < _EXACT_LENGTHS, lengths, 32 * doublings + (lengths >> doublings))


def least_length(bucket: int) -> int:
    """The least length in a bucket."""
    if bucket < _EXACT_LENGTHS:
        return bucket
    doublings, rest = divmod(bucket - 32, 32)
    return (32 + rest) << doublings


def profile_rows(table: pa.Table, text: str, label: str) -> Profile:
    """The profile of a table's rows.

    Parameters
    ----------
    table
        Content columns, with or without row ids.
    text, label
        The columns with these roles; without them there are no lengths, tokens or labels.
    """
    names = frame.content_names(table)
    nulls = {name: table[name].null_count for name in names}
    labels = counted(plain_texts(table[label])) if label in names else {}
    if text not in names or not is_text(table.schema.field(text).type):
        return Profile(rows=table.num_rows, nulls=nulls, labels=labels)
    texts = plain_texts(table[text])
    sizes = np.asarray(pc.utf8_length(texts.drop_null()), np.int64)
    buckets, counts = np.unique(length_bucket(sizes), return_counts=True)
    lengths = dict(zip(buckets.tolist(), counts.tolist(), strict=True))
    return Profile(rows=table.num_rows, nulls=nulls, labels=labels, lengths=lengths, tokens=sketch_tokens(texts))


def profile_file(file: DataFile, schema: pa.Schema, text: str, label: str) -> Profile:
    """The profile of a Parquet file with the columns of `schema` (null where the file lacks them)."""
    return profile_rows(read_span(file, 0, file.rows, schema=schema), text, label)
