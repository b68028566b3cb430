"""On which side each row is: whether it trains, validates, tests, or is left out. It depends on the row alone.

What a row cannot know of the other rows, a `SplitPlan` tells it: where each label's share ends, and which texts are on
both sides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.frame import SOURCE
from pipeline.text.hashing import hash_contents, hash_normal_forms
from pipeline.train.columns import as_text
from pipeline.train.config import TrainConfig
from pipeline.train.split_config import SplitConfig

Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]

_OTHER_KEY = 0x5851F42D4C957F2D
#: Hashes are told apart by this many of their highest bits where shares are counted label by label.
BIN_BITS = 12
#: A text that is not like the others, by its hash, with the number of the label that decides for it.
EXCEPTION = np.dtype([("hash", "<u8"), ("label", "<i4")])


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPlan:
    """What all rows together say about the split.

    Attributes
    ----------
    shares
        Label -> how many of the ``2**BIN_BITS`` bins of hashes test; empty where the split is not stratified.
    exceptions
        A file with a sorted array of `EXCEPTION`: texts with several labels (stratified), or texts on both sides. None
        where there are none.
    count
        How many exceptions there are.
    """

    shares: Mapping[str, int] = field(default_factory=dict)
    exceptions: str | None = None
    count: int = 0

    def found(self, hashes: Hashes) -> tuple[Flags, npt.NDArray[np.int32]]:
        """Which of the hashes are exceptions, and the label number of each that is, shape (rows,) both."""
        if self.exceptions is None:
            return np.zeros(len(hashes), np.bool_), np.zeros(len(hashes), np.int32)
        known = np.load(self.exceptions, mmap_mode="r")
        places = np.minimum(np.searchsorted(known["hash"], hashes), len(known) - 1)
        return np.asarray(known["hash"][places] == hashes), np.asarray(known["label"][places])

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON, without the exceptions themselves, which can be found again."""
        return {"shares": dict(self.shares), "exceptions": self.count}


#: The plan of a split that needs none.
NO_PLAN = SplitPlan()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Rows that test, rows that would test but are left out, and rows that validate should they do neither."""

    tests: Flags
    left_out: Flags
    validates: Flags

    def among(self, chosen: Flags) -> "Sides":
        """The sides of the chosen rows."""
        return Sides(tests=self.tests[chosen], left_out=self.left_out[chosen], validates=self.validates[chosen])


def sides_of(table: pa.Table, text: pa.Array, train: TrainConfig, plan: SplitPlan = NO_PLAN) -> Sides:
    """The side of each row.

    Parameters
    ----------
    table
        Holds the columns that the split needs: `pipeline.train.columns.needed_columns`.
    text
        Each row's text.
    train
        Names the columns and the split.
    plan
        What `pipeline.train.split_plan.plan_split` says of all rows.
    """
    split = train.split
    nobody = np.zeros(len(text), np.bool_)
    if split.stratify:
        labels = as_text(table[train.label])
        return Sides(tests=_stratified(text, labels, split, plan), left_out=nobody, validates=_validates(text, train))
    units = unit_hashes(table, text, split, split.seed ^ _OTHER_KEY) if split.group and train.validation else None
    validates = _validates(text, train, units)
    tests = rows_that_test(table, text, split)
    if not split.drops_shared:
        return Sides(tests=tests, left_out=nobody, validates=validates)
    shared, _ = plan.found(hash_normal_forms(text, split.seed))
    return Sides(tests=tests & ~shared, left_out=tests & shared, validates=validates)


def rows_that_test(table: pa.Table, text: pa.Array, split: SplitConfig) -> Flags:
    """Which rows the split puts on the test side, whatever other rows there are, shape (rows,)."""
    if split.column is not None:
        marked = pc.equal(as_text(table[split.column]), pa.scalar(str(split.test), pa.large_string()))
        return np.asarray(pc.fill_null(marked, False))
    if split.test_files:
        sources = as_text(table[SOURCE]).dictionary_encode()
        # The last item is for a null source, whose code becomes -1.
        tests = np.array([_matches(name, split.test_files) for name in [*sources.dictionary.to_pylist(), None]])
        return np.asarray(tests[np.asarray(pc.fill_null(sources.indices, -1))])
    if split.time is not None:
        column = table[split.time].combine_chunks()
        later = pc.greater_equal(column, cut_of(column.type, split))
        return np.asarray(pc.fill_null(later, False))
    hashes = unit_hashes(table, text, split, split.seed)
    first, last = (float(split.test) * edge for edge in (split.fold, split.fold + 1))
    tests = hashes >= np.uint64(first * 2**64)
    return np.asarray(tests if last > 1 - 1e-9 else tests & (hashes < np.uint64(last * 2**64)))


def unit_hashes(table: pa.Table, text: pa.Array, split: SplitConfig, seed: int) -> Hashes:
    """A hash of what stays together: the row's group, or its text's normal form, shape (rows,)."""
    hashes = hash_normal_forms(text, seed)
    if split.group is None:
        return hashes
    groups = as_text(table[split.group])
    return np.where(np.asarray(pc.is_valid(groups)), hash_contents(groups, seed), hashes)


def cut_of(kind: pa.DataType, split: SplitConfig) -> pa.Scalar:
    """The moment from which on rows test, of the column's own type.

    Raises
    ------
    DataError
        If `cut` cannot be read as one.
    """
    cut = pa.scalar(split.cut)
    try:
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            # A moment without a zone means UTC.
            try:
                return cut.cast(kind)
            except pa.ArrowInvalid:
                return cut.cast(pa.timestamp(kind.unit)).cast(kind)
        return cut.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f'cut = "{split.cut}" cannot be compared with column "{split.time}", which holds {kind}',
            "Write cut as the column does, such as 2024-06-01, or name another column as time under split in [train]",
        ) from error


def places_of(labels: pa.Array, known: Sequence[str]) -> npt.NDArray[np.int64]:
    """Each label's place in `known`, -1 where it is none of them or null, shape (rows,)."""
    places = pc.index_in(labels, pa.array(known, labels.type))
    return np.asarray(pc.fill_null(places, -1)).astype(np.int64)


def _stratified(text: pa.Array, labels: pa.Array, split: SplitConfig, plan: SplitPlan) -> Flags:
    hashes = hash_normal_forms(text, split.seed)
    places = places_of(labels, list(plan.shares))
    special, deciding = plan.found(hashes)
    # A row without a label is on no side; the last share is its own.
    shares = np.array([*plan.shares.values(), 0], np.uint64)[np.where(special, deciding, places)]
    return np.asarray((hashes >> np.uint64(64 - BIN_BITS)) < shares)


def _validates(text: pa.Array, train: TrainConfig, units: Hashes | None = None) -> Flags:
    if train.validation == 0:
        return np.zeros(len(text), np.bool_)
    # Another key than that of the test rows, so that both choices know nothing of one another.
    hashes = hash_normal_forms(text, train.split.seed ^ _OTHER_KEY) if units is None else units
    return np.asarray(hashes < np.uint64(train.validation * 2**64))


def _matches(source: str | None, patterns: Sequence[str]) -> bool:
    # A pattern without a folder means the file's name, wherever it lies.
    if source is None:
        return False
    name = PurePosixPath(source).name
    return any(fnmatchcase(source, pattern) or fnmatchcase(name, pattern) for pattern in patterns)
