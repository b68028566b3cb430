"""What a split must know of all rows: where each label's share ends, and which texts are on both sides.

Batches of blocks leave sorted files of text hashes; tasks over ranges of hashes bring together what is equal. Memory is
that of one batch or one range, however many rows there are, and the result depends on the rows alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.format import open_memmap

from pipeline.execute import Execute, task_of
from pipeline.text.hashing import hash_normal_forms
from pipeline.train.columns import as_text, needed_columns
from pipeline.train.config import TrainConfig
from pipeline.train.sides import BIN_BITS, EXCEPTION, NO_PLAN, SplitPlan, cut_of, places_of, rows_that_test
from storage.scan import Span, cut, read_spans
from storage.versions import Snapshot

#: Rows of one batch, and about so many of one range of hashes.
_BATCH_ROWS, _RANGE_ROWS = 262_144, 2_000_000
_BINS = 1 << BIN_BITS
_SEEN = np.dtype([("hash", "<u8"), ("code", "<i4"), ("rows", "<i8")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """One batch's texts by hash and code, in a file; `codes` says what the codes mean."""

    file: str
    codes: tuple[str, ...]
    rows: int

    @property
    def progress_rows(self) -> int:
        """Rows done with it, for whoever shows progress."""
        return self.rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resolved:
    """One range of hashes: rows by label and bin, shape (labels, bins), and the exceptions in it."""

    counts: npt.NDArray[np.int64]
    exceptions: npt.NDArray[np.void]


def plan_split(snapshot: Snapshot, train: TrainConfig, folder: Path, execute: Execute) -> SplitPlan:
    """What all rows of the version say about the split; quick where each row can tell by itself.

    Parameters
    ----------
    snapshot
        The version; it has the columns that the split needs.
    train
        Names the columns and the split.
    folder
        A folder that all workers see.
    execute
        Runs the tasks.

    Raises
    ------
    DataError
        If the split's cut cannot be compared with its column.
    """
    split = train.split
    if split.time is not None:
        cut_of(snapshot.schema.field(split.time).type, split)
    if not split.stratify and not split.drops_shared:
        return NO_PLAN
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [
        task_of(survey, spans, snapshot.schema, train, folder / f"seen-{number:06d}.npy")
        for number, spans in enumerate(cut(snapshot, _BATCH_ROWS))
    ]
    surveyed: list[Surveyed] = execute("split", tasks)
    labels = tuple(sorted({code for part in surveyed for code in part.codes}))
    edges = _edges(sum(part.rows for part in surveyed))
    tasks = [task_of(resolve, surveyed, labels, first, last, split.stratify) for first, last in pairwise(edges)]
    resolved: list[Resolved] = execute("split", tasks)
    count = sum(len(part.exceptions) for part in resolved)
    file = folder / "exceptions.npy"
    if count:
        together = open_memmap(file, "w+", EXCEPTION, (count,))
        at = 0
        for part in resolved:
            together[at : at + len(part.exceptions)] = part.exceptions
            at += len(part.exceptions)
        together.flush()
    counts = np.concatenate([part.counts for part in resolved], axis=1)
    shares = {label: _share(counts[place], float(split.test)) for place, label in enumerate(labels)}
    return SplitPlan(shares=shares if split.stratify else {}, exceptions=str(file) if count else None, count=count)


def survey(spans: Sequence[Span], schema: pa.Schema, train: TrainConfig, file: Path) -> Surveyed:
    """The labelled texts of one batch by hash and code: the label (stratified), or the side."""
    table = read_spans(spans, needed_columns(train), schema=schema)
    labels = as_text(table[train.label])
    known = np.asarray(pc.is_valid(labels))
    text = as_text(table[train.text])
    if train.split.stratify:
        codes = tuple(sorted(pc.unique(labels.drop_null()).to_pylist()))
        numbers = places_of(labels, codes)
    else:
        codes = ("train", "test")
        numbers = rows_that_test(table, text, train.split).astype(np.int64)
    seen = np.zeros(int(known.sum()), _SEEN)
    seen["hash"] = hash_normal_forms(text, train.split.seed)[known]
    seen["code"] = numbers[known]
    seen["rows"] = 1
    np.save(file, _added_up(seen))
    return Surveyed(file=str(file), codes=codes, rows=table.num_rows)


def resolve(parts: Sequence[Surveyed], labels: Sequence[str], first: int, last: int, stratify: bool) -> Resolved:
    """What the texts with hashes from bin `first` to before bin `last` say.

    Parameters
    ----------
    parts
        All batches.
    labels
        All labels, sorted, or the two sides.
    first, last
        Bins of hashes.
    stratify
        Whether codes are labels, so that a text with several has the first of them.
    """
    pieces = []
    for part in parts:
        seen = np.load(part.file, mmap_mode="r")
        places = np.array([labels.index(code) for code in part.codes], np.int32)
        bins = seen["hash"] >> np.uint64(64 - BIN_BITS)
        piece = np.array(seen[np.searchsorted(bins, first) : np.searchsorted(bins, last)])
        piece["code"] = places[piece["code"]]
        pieces.append(piece)
    seen = _added_up(np.concatenate(pieces))
    starts = np.flatnonzero(np.diff(seen["hash"], prepend=seen["hash"][:1] + np.uint64(1)))
    several = np.diff(starts, append=len(seen)) > 1
    # Sorted by hash, then code: the first of each text is its first label.
    exceptions = np.zeros(int(several.sum()), EXCEPTION)
    exceptions["hash"] = seen["hash"][starts[several]]
    exceptions["label"] = seen["code"][starts[several]]
    counts = np.zeros((len(labels), last - first), np.int64)
    if stratify and len(seen):
        rows = np.add.reduceat(seen["rows"], starts)
        bins = (seen["hash"][starts] >> np.uint64(64 - BIN_BITS)).astype(np.int64) - first
        np.add.at(counts, (seen["code"][starts], bins), rows)
    return Resolved(counts=counts, exceptions=exceptions)


def _added_up(seen: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """One item for each pair of hash and code, sorted."""
    if len(seen) == 0:
        return seen
    seen = seen.take(np.lexsort((seen["code"], seen["hash"])))
    fresh = np.ones(len(seen), np.bool_)
    fresh[1:] = (seen["hash"][1:] != seen["hash"][:-1]) | (seen["code"][1:] != seen["code"][:-1])
    starts = np.flatnonzero(fresh)
    kept = seen[starts]
    kept["rows"] = np.add.reduceat(seen["rows"], starts)
    return kept


def _edges(rows: int) -> list[int]:
    count = min(_BINS, max(1, rows // _RANGE_ROWS))
    return [_BINS * number // count for number in range(count + 1)]


def _share(counts: npt.NDArray[np.int64], share: float) -> int:
    """How many bins, from the first, hold the share of the rows most nearly."""
    reached = np.concatenate([[0], np.cumsum(counts)])
    return int(np.abs(reached - share * reached[-1]).argmin())
