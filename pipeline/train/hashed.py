"""The first pass over the rows: training blocks, hashed once and kept on disk."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from dask import delayed
from scipy import sparse

from pipeline.execute import Execute, task_of
from pipeline.text.config import FeatureConfig
from pipeline.text.hashing import hash_texts
from pipeline.text.segmentation import segmenter
from pipeline.text.tfidf import Rows, count_documents
from pipeline.train.added import AddedRows
from pipeline.train.array_files import ArrayFile, passing, summed, total_of, write_array
from pipeline.train.block_files import StoredBlock, is_written, open_block, read_record, write_block
from pipeline.train.columns import as_text, needed_columns, require_weights, weights_of
from pipeline.train.config import TrainConfig
from pipeline.train.order import even_parts
from pipeline.train.sides import NO_PLAN, SplitPlan, sides_of
from storage.scan import Span, cut, read_blocks
from storage.versions import Snapshot

#: Blocks that one task reads at most, since neighbours lie in the same row groups. There are as many tasks as that
#: takes, or a few more: a multiple of `_EVEN_BATCHES`, which differ by a block at most, so that workers end together.
_BATCH_BLOCKS, _EVEN_BATCHES = 8, 4
#: Changes when the same settings mean other bytes on disk.
_FORMAT = 4
#: Settings of features that decide what is hashed; the others weigh what was.
_HASHED = {"analyzer", "bits", "lowercase", "stop_words", "keep_punctuation"}

#: Rows that train, the label numbers of all rows of their block, and how much each that trains counts, if not the same.
TrainingRows: TypeAlias = tuple[Rows, npt.NDArray[np.int32], npt.NDArray[np.float32] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedBlock:
    """A block's hashed rows on disk: those that train first, then those that validate, then those that test.

    Attributes
    ----------
    folder
        Where it lies.
    rows
        Rows of the version in it.
    train_rows, validation_rows, test_rows
        Rows in it with a label, by side; rows that train or validate and have no feature are left out.
    missing_label
        Rows without a label, which can neither train nor test.
    no_features
        Rows without any feature that would have trained.
    left_out
        Rows with a label that would test, but whose text trains.
    train_labels, test_labels
        Rows by label; `train_labels` counts those without features too.
    """

    folder: str
    rows: int
    train_rows: int
    validation_rows: int
    test_rows: int
    missing_label: int
    no_features: int
    left_out: int
    train_labels: Mapping[str, int]
    test_labels: Mapping[str, int]

    @property
    def progress_rows(self) -> int:
        """Rows done with it, for whoever shows progress."""
        return self.rows

    def train_matrix(self) -> sparse.csr_matrix:
        """Hashed counts of the rows that train."""
        return open_block(self.folder).rows(0, self.train_rows)

    def train_rows_as(self) -> Rows:
        """The rows that train as they lie on disk, all of them, in order."""
        return self._training_rows(open_block(self.folder))

    def _training_rows(self, block: StoredBlock) -> Rows:
        return Rows(
            bounds=block.bounds[: self.train_rows + 1].astype(np.int64),
            indices=block.indices,
            values=block.values,
            chosen=np.arange(self.train_rows, dtype=np.int64),
        )

    def test_matrix(self) -> sparse.csr_matrix:
        """Hashed counts of the rows that test."""
        first = self.train_rows + self.validation_rows
        return open_block(self.folder).rows(first, first + self.test_rows)

    def validation_matrix(self) -> sparse.csr_matrix:
        """Hashed counts of the rows that validate."""
        return open_block(self.folder).rows(self.train_rows, self.train_rows + self.validation_rows)

    def training(self, labels: Sequence[str]) -> TrainingRows:
        """What there is to learn in it; the block is opened once."""
        block = open_block(self.folder)
        weights = None if block.weights is None else block.weights[: self.train_rows]
        return self._training_rows(block), _targets(block, labels), weights

    def targets(self, labels: Sequence[str]) -> npt.NDArray[np.int32]:
        """Each row's place in `labels`, -1 where it is not among them, for all rows in order, shape (rows,)."""
        return _targets(open_block(self.folder), labels)

    def validation_targets(self, labels: Sequence[str]) -> npt.NDArray[np.int32]:
        """The place in `labels` of each row that validates, -1 where it is not among them."""
        return self.targets(labels)[self.train_rows : self.train_rows + self.validation_rows]

    def validation_label_texts(self) -> list[str]:
        """The label of each row that validates."""
        return self._label_texts(self.train_rows, self.validation_rows)

    def test_label_texts(self) -> list[str]:
        """The label of each row that tests."""
        return self._label_texts(self.train_rows + self.validation_rows, self.test_rows)

    def held_out(self, *, validation: bool) -> tuple[sparse.csr_matrix, list[str]]:
        """Hashed counts and labels of the rows that validate, or of those that test."""
        if validation:
            return self.validation_matrix(), self.validation_label_texts()
        return self.test_matrix(), self.test_label_texts()

    def _label_texts(self, first: int, count: int) -> list[str]:
        block = open_block(self.folder)
        names = block.record["labels"]
        return [names[code] for code in block.labels[first : first + count].tolist()]


def _targets(block: StoredBlock, labels: Sequence[str]) -> npt.NDArray[np.int32]:
    places = {label: place for place, label in enumerate(labels)}
    known = [places.get(label, -1) for label in block.record["labels"]]
    targets: npt.NDArray[np.int32] = np.array([*known, -1], np.int32)[block.labels]
    return targets


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedBatch:
    """Neighbouring blocks that one task hashed."""

    blocks: tuple[HashedBlock, ...]

    @property
    def progress_rows(self) -> int:
        """Rows done with it, for whoever shows progress."""
        return sum(block.rows for block in self.blocks)


def feature_key(
    snapshot: Snapshot, features: FeatureConfig, train: TrainConfig, start: Mapping[str, Any] | None = None
) -> str:
    """A name for the hashed blocks of these rows with these settings: equal names, equal bytes.

    `start` tells what learning goes on from, where not all rows that train are hashed.
    """
    version = snapshot.version
    facts = {
        "format": _FORMAT,
        "unicode": unicodedata.unidata_version,
        **segmenter(features),
        "version": [version.dataset, version.number, version.fingerprint, version.run],
        "files": [[Path(file.path).name, file.rows, file.bytes] for file in snapshot.files],
        "features": features.model_dump(mode="json", include=_HASHED),
        "ngrams": features.ngram_range,
        "train": train.model_dump(
            mode="json", include={"text", "label", "weight", "split", "block_rows", "validation"}
        ),
    }
    facts |= {} if start is None else {"start": start}
    return sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:24]


def hash_blocks(
    snapshot: Snapshot,
    features: FeatureConfig,
    train: TrainConfig,
    folder: Path,
    execute: Execute,
    plan: SplitPlan = NO_PLAN,
    added: AddedRows | None = None,
) -> tuple[list[HashedBlock], npt.NDArray[np.int32]]:
    """The version's blocks, hashed, and how many rows that train hold each bucket, shape (buckets,).

    Blocks are cut by row position, whatever files the rows lie in. Blocks that are in `folder` already are not made
    again. With `added`, no other rows train.
    """
    blocks = cut(snapshot, train.block_rows)
    if not blocks:
        return [], np.zeros(features.width, np.int32)
    count = _EVEN_BATCHES * -(-len(blocks) // (_EVEN_BATCHES * _BATCH_BLOCKS))
    batches = even_parts(blocks, min(len(blocks), count))
    tasks = [
        task_of(hash_batch, batch, first, snapshot.schema, features, train, folder, plan, added)
        for batch, first in zip(batches, accumulate(map(len, batches), initial=0), strict=False)
    ]
    sizes = [sum(map(_span_bytes, batch)) for batch in batches]
    with passing(folder) as aside:
        counts = [
            delayed(count_batch, pure=False)(task, features.width, str(aside / f"batch-{number}.npy"))
            for number, task in enumerate(tasks)
        ]
        sums = summed(counts, aside)
        answers = execute("features", [*tasks, *sums], sizes=[*sizes, *(0 for _ in sums)])
        frequencies = total_of(answers[len(tasks) :])
    return [block for batch in answers[: len(tasks)] for block in batch.blocks], frequencies


def hash_batch(
    blocks: Sequence[Sequence[Span]],
    first: int,
    schema: pa.Schema,
    features: FeatureConfig,
    train: TrainConfig,
    folder: Path,
    plan: SplitPlan = NO_PLAN,
    added: AddedRows | None = None,
) -> HashedBatch:
    """Neighbouring blocks, each hashed and written to `folder` under its number, or found there.

    They are read together, since they lie in the same row groups.
    """
    places = [folder / f"{number:08d}" for number in range(first, first + len(blocks))]
    if all(map(is_written, places)):
        return HashedBatch(blocks=tuple(_of_record(place, read_record(place)) for place in places))
    tables = read_blocks(blocks, needed_columns(train), schema=schema)
    hashed = []
    for number, (table, place) in enumerate(zip(tables, places, strict=True), start=first):
        fresh = None if added is None else added.among(number * train.block_rows, table.num_rows)
        hashed.append(hash_block(table, features, train, place, plan, fresh))
    return HashedBatch(blocks=tuple(hashed))


def hash_block(
    table: pa.Table,
    features: FeatureConfig,
    train: TrainConfig,
    folder: Path,
    plan: SplitPlan = NO_PLAN,
    fresh: npt.NDArray[np.bool_] | None = None,
) -> HashedBlock:
    """One block's rows, hashed and written to `folder`, or found there; with `fresh`, no others train."""
    if is_written(folder):
        return _of_record(folder, read_record(folder))
    whole = table.num_rows
    text = as_text(table[train.text])
    rows = sides_of(table, text, train, plan)
    if fresh is not None:
        # What an earlier model has learned is not looked at again.
        looked_at = fresh | rows.tests | rows.left_out | rows.validates
        rows, mask = rows.among(looked_at), pa.array(looked_at)
        table, text = table.filter(mask), text.filter(mask)
    labels, weights = as_text(table[train.label]), weights_of(table, train)
    labelled = np.asarray(pc.is_valid(labels))
    matrix = hash_texts(text, features)
    featured = np.diff(matrix.indptr) > 0
    validates = rows.validates & ~rows.tests & ~rows.left_out
    training, testing = labelled & ~(rows.tests | rows.left_out | validates), labelled & rows.tests
    sides = training & featured, labelled & validates & featured, testing
    chosen = np.concatenate([np.flatnonzero(side) for side in sides])
    encoded = labels.take(pa.array(chosen)).dictionary_encode()
    record = {
        "rows": whole,
        "train_rows": int(sides[0].sum()),
        "validation_rows": int(sides[1].sum()),
        "test_rows": int(testing.sum()),
        "missing_label": int((~labelled).sum()),
        "no_features": int((training & ~featured).sum()),
        "left_out": int((labelled & rows.left_out).sum()),
        "train_labels": _label_counts(labels, training),
        "test_labels": _label_counts(labels, testing),
        "labels": encoded.dictionary.to_pylist(),
    }
    kept = matrix if np.array_equal(chosen, np.arange(len(text))) else matrix[chosen]
    if weights is not None:
        require_weights(weights, sides[0], table, train)
        weights = weights[chosen]
    write_block(folder, kept, np.asarray(encoded.indices, np.int32), record, weights=weights, counts=True)
    return _of_record(folder, record)


def _of_record(folder: Path, record: dict[str, Any]) -> HashedBlock:
    facts = {name: value for name, value in record.items() if name != "labels"}
    return HashedBlock(folder=str(folder), **facts)


def _label_counts(labels: pa.Array, which: npt.NDArray[np.bool_]) -> dict[str, int]:
    counts = pc.value_counts(labels.filter(pa.array(which)))
    return {pair["values"]: pair["counts"] for pair in counts.to_pylist()}


def count_batch(batch: HashedBatch, width: int, path: str) -> ArrayFile:
    """How many rows that train hold each bucket, at `path`, shape (buckets,)."""
    counts = np.zeros(width, np.int32)
    for block in batch.blocks:
        rows = block.train_rows_as()
        count_documents(rows.indices[: rows.bounds[-1]], counts)
    write_array(counts, path)
    return ArrayFile(path=path)


def _span_bytes(spans: Sequence[Span]) -> int:
    return sum(span.file.bytes * span.rows // max(span.file.rows, 1) for span in spans)
