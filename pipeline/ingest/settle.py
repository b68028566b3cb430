"""Passes over the whole dataset: which rows repeat others, and the parts without them.

Each pass looks at the rows that are still there and leaves its answer in files; the rows themselves are written once,
at the end, as they stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask
import pyarrow as pa

from pipeline import frame
from pipeline.execute import Execute
from pipeline.ingest.activity import resolve_activity
from pipeline.ingest.activity_config import ActivityConfig
from pipeline.ingest.dedupe.key_files import KeyFile, write_keys
from pipeline.ingest.dedupe.resolve import Found, resolve_exact, resolve_near
from pipeline.ingest.dedupe.strangers import ReferenceSpec, resolve_references
from pipeline.ingest.dedupe_config import NearConfig
from pipeline.ingest.disagreements import Disagreement, disagreement
from pipeline.ingest.memory_need import PASS_BYTES
from pipeline.ingest.stage_block import BlockSummary, KeySpec, repeats_of, with_part, write_block_keys, write_fates
from pipeline.ledger import DUPLICATE, FILTERED, REJECTED, Ledger
from storage.fates import FATE_SCHEMA
from storage.fingerprint import Fingerprint, fingerprint_of
from storage.scan import DataFile, Span, file_schema, read_span, spans_of

#: Stored rows that one task looks at, by what they take in their file: several times that in memory.
STORED_BYTES = 32_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A finished pass.

    Attributes
    ----------
    fate, reason
        What becomes of the rows it found.
    found
        Those rows, block by block, with the rows that survive for them.
    """

    fate: str
    reason: str
    found: Found


class Settling:
    """The passes over one run's staged blocks.

    Parameters
    ----------
    summaries
        All blocks, in row order.
    stored
        Files of the version that rows are appended to; none in mode ``replace``.
    folder
        The staging folder.
    execute
        Runs the tasks.
    """

    def __init__(
        self, summaries: Sequence[BlockSummary], stored: Sequence[DataFile], folder: Path, execute: Execute
    ) -> None:
        self._summaries = summaries
        self._blocks = [summary for summary in summaries if summary.aside is not None]
        self._stored = tuple(span for file in stored for span in spans_of(file, STORED_BYTES))
        self._folder = folder
        self._execute = execute
        self._verdicts: list[Verdict] = []
        #: For each pass that looks at labels, the repeats whose label is another than that of the row that stays.
        self.disagreements: list[Disagreement] = []

    def compare_keys(self, spec: KeySpec) -> None:
        """Nothing; the rows that share a key with an earlier row are known."""
        number = len(self._verdicts)
        folder = self._folder / f"pass-{number}"
        stored = self._stored if spec.against_stored else ()
        old = [dask.delayed(_stored_keys)(span, at, spec, folder) for at, span in enumerate(stored)]
        known = self._execute("stored keys", old) if old else []
        if number == 0:
            # Written while the rows were at hand.
            new = [block.keys for block in self._blocks if block.keys is not None]
        else:
            new = self._execute(
                "keys",
                [
                    dask.delayed(write_block_keys)(table, block.number, spec, folder)
                    for block, table in zip(self._blocks, self._rows_left(spec.read_columns), strict=True)
                ],
            )
        found = resolve_exact([*known, *new], folder, self._execute, PASS_BYTES, len(known))
        self._verdicts.append(Verdict(fate=spec.fate, reason=spec.reason, found=found))
        if spec.label is not None:
            asides = [block.aside for block in self._blocks if block.aside is not None]
            self.disagreements.append(disagreement(found, spec.columns, spec.label, stored, asides))

    def compare_texts(self, near: NearConfig, *, against_stored: bool) -> None:
        """Nothing; the rows whose text is nearly that of another are known."""
        stored = self._stored if against_stored else ()
        old = [dask.delayed(_stored_rows)(span, (near.column,)) for span in stored]
        folder = self._folder / f"pass-{len(self._verdicts)}"
        found = resolve_near([*old, *self._rows_left([near.column])], near, folder, self._execute, PASS_BYTES, len(old))
        self._verdicts.append(Verdict(fate=DUPLICATE, reason=found.kind, found=found))

    def check_references(self, spec: ReferenceSpec) -> None:
        """Nothing; the rows that refer to what is not there are known."""
        folder = self._folder / f"pass-{len(self._verdicts)}"
        found = resolve_references(self._rows_left([spec.column]), spec, folder, self._execute, PASS_BYTES)
        self._verdicts.append(Verdict(fate=REJECTED, reason=spec.reason, found=found))

    def limit_activity(self, limits: ActivityConfig) -> None:
        """Nothing; the rows of users and items with too few or too many events are known."""
        stored = self._stored if limits.against_stored else ()
        folder = self._folder / f"pass-{len(self._verdicts)}"
        old = [dask.delayed(_stored_rows)(span, limits.columns) for span in stored]
        new = self._rows_left(limits.columns)
        for reason, found in resolve_activity(old, new, limits, folder, self._execute, PASS_BYTES):
            self._verdicts.append(Verdict(fate=FILTERED, reason=reason, found=found))

    def settled(self, label: str | None) -> list[BlockSummary]:
        """The summaries with parts, fates and counts as the passes decided; `label` is the column to count."""
        if not self._blocks:
            return list(self._summaries)
        verdicts = dask.delayed(tuple(self._verdicts), traverse=False)
        tasks = [
            dask.delayed(_without_repeats)(block, at, verdicts, self._folder, label)
            for at, block in enumerate(self._blocks)
        ]
        sizes = [block.aside.bytes for block in self._blocks if block.aside is not None]
        by_number = {summary.number: summary for summary in self._execute("settle", tasks, sizes=sizes)}
        return [by_number.get(summary.number, summary) for summary in self._summaries]

    def _rows_left(self, columns: Sequence[str]) -> list[Any]:
        """A task a block that gives these columns of its rows, those taken out so far with their fate."""
        verdicts = dask.delayed(tuple(self._verdicts), traverse=False)
        return [dask.delayed(_condemned)(block, at, verdicts, columns) for at, block in enumerate(self._blocks)]


def _stored_keys(span: Span, at: int, spec: KeySpec, folder: Path) -> KeyFile:
    table = _stored_rows(span, spec.read_columns)
    path = folder / f"stored-{at:06d}"
    return write_keys(table, spec.columns, path, spec.normalize, skip_null=spec.skip_null, label=spec.label)


def _stored_rows(span: Span, columns: Sequence[str]) -> pa.Table:
    """Columns of stored rows; a version may lack some, and its rows count as null there."""
    known = file_schema(span.file).names
    wanted = dict.fromkeys([*columns, *frame.ROW_ID])
    return read_span(span.file, span.start, span.stop, [name for name in wanted if name in known])


def _read_aside(block: BlockSummary, columns: Sequence[str] | None) -> pa.Table:
    """A block's kept rows as a frame in which all are alive."""
    if block.aside is None:
        raise ValueError(f"block {block.number} has no rows set aside")
    table = block.aside.table(None if columns is None else [*dict.fromkeys([*columns, *frame.ROW_ID])])
    nothing = pa.nulls(table.num_rows, pa.string())
    return table.append_column(frame.FATE, nothing).append_column(frame.REASON, nothing)


def _condemned(
    block: BlockSummary, at: int, verdicts: Sequence[Verdict], columns: Sequence[str] | None = None
) -> pa.Table:
    table = _read_aside(block, columns)
    for verdict in verdicts:
        mask = verdict.found.of_block(at).mask(table.num_rows)
        table = frame.condemn(table, mask, verdict.fate, verdict.reason)
    return table


def _without_repeats(
    block: BlockSummary, at: int, verdicts: Sequence[Verdict], folder: Path, label: str | None
) -> BlockSummary:
    """The block's summary once its repeats are among its fates, and the other rows in its part."""
    table = _condemned(block, at, verdicts)
    fates, ledger, gone = _fates_of_repeats(table, at, verdicts)
    repeats = write_fates(fates, folder / f"fates-{block.number:06d}-repeats.parquet")
    block = replace(
        block,
        ledger=block.ledger.merge(ledger),
        fates=(*block.fates, *([repeats] if repeats is not None else [])),
        fingerprint=block.fingerprint.without(gone),
    )
    stored = [name for name in table.column_names if name not in (frame.FATE, frame.REASON)]
    return with_part(block, frame.selected(table, frame.alive(table), stored), folder, label)


def _fates_of_repeats(table: pa.Table, at: int, verdicts: Sequence[Verdict]) -> tuple[pa.Table, Ledger, Fingerprint]:
    """The fates of the rows that the passes took out, what changes in the ledger, and the rows' fingerprint."""
    fates, ledger, gone = [FATE_SCHEMA.empty_table()], Ledger(), Fingerprint.empty()
    content = table.drop_columns([frame.FATE, frame.REASON])
    names = frame.content_names(content)
    for verdict in verdicts:
        repeats = verdict.found.of_block(at)
        rows = content.take(pa.array(repeats.rows))
        fates.append(repeats_of(rows, verdict.fate, verdict.reason, repeats.sources, repeats.positions))
        ledger = ledger.merge(_moved(verdict, rows.num_rows))
        gone = gone.merge(fingerprint_of(rows, names))
    return pa.concat_tables(fates), ledger, gone


def _moved(verdict: Verdict, rows: int) -> Ledger:
    """What changes in a ledger when a pass takes out `rows` kept rows."""
    if not rows:
        return Ledger()
    counts = {verdict.reason: rows}
    if verdict.fate == DUPLICATE:
        return Ledger(kept=-rows, duplicates=counts)
    if verdict.fate == REJECTED:
        return Ledger(kept=-rows, rejected=counts)
    return Ledger(kept=-rows, filtered=counts)
