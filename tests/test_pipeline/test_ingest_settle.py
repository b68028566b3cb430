"""Blocks staged and settled: every row has one fate, and repeats are those that a plain scan finds."""

import itertools
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import frame
from pipeline.errors import LedgerError
from pipeline.execute import run_here
from pipeline.ingest import row_records, settle
from pipeline.ingest.operations import EmptyText
from pipeline.ingest.operations.operation import Operation, Outcome
from pipeline.ingest.settle import Settling
from pipeline.ingest.stage_block import BlockWork, KeySpec, stage_block
from pipeline.ledger import merged
from storage.parquet import write_part
from storage.scan import DataFile, spans_of

CONTENT = pa.schema([("text", pa.string()), ("label", pa.string())])
EXACT = KeySpec(columns=("text",), fate="duplicate", reason="exact")
LABELLED = KeySpec(columns=("text",), fate="duplicate", reason="exact", label="label")
NO_EMPTY_TEXT = (EmptyText(op="empty_text"),)
UNIQUE = KeySpec(columns=("label",), skip_null=True, fate="rejected", reason="label_unique")


def framed(rows, source="a.csv", start=0):
    count = len(rows)
    columns = [
        pa.array([text for text, _ in rows], pa.string()),
        pa.array([label for _, label in rows], pa.string()),
        pa.array([source] * count, pa.string()).cast(frame.SOURCE_TYPE),
        pa.array(range(start, start + count), pa.int64()),
        *(pa.nulls(count, pa.string()) for _ in range(3)),
    ]
    return pa.table(columns, schema=frame.frame_schema(CONTENT))


def staged(blocks, folder, passes, operations=NO_EMPTY_TEXT):
    folder.mkdir(parents=True, exist_ok=True)
    work = BlockWork(
        schema=CONTENT,
        operations=operations,
        checks=(),
        folder=str(folder),
        label="label",
        keys=passes[0] if passes else None,
        waits=bool(passes),
    )
    start = 0
    summaries = []
    for number, rows in enumerate(blocks):
        summaries.append(stage_block(framed(rows, start=start), number, work))
        start += len(rows)
    settling = Settling(summaries, (), folder, run_here)
    for spec in passes:
        settling.compare_keys(spec)
    return settling.settled("label")


def kept_rows(summaries):
    tables = [pq.read_table(summary.part.path) for summary in summaries if summary.part]
    return [row for table in tables for row in zip(*table.to_pydict().values(), strict=True)]


def fate_rows(summaries):
    tables = [pq.read_table(part.path) for summary in summaries for part in summary.fates]
    return sorted(
        (
            (row["position"], row["fate"], row["reason"], row["survivor_position"])
            for t in tables
            for row in t.to_pylist()
        ),
        key=lambda row: row[0],
    )


def oracle(rows, passes):
    """Fate of each row by position: a plain scan, pass by pass."""
    fates = {at: ("filtered", "empty_text", None) for at, (text, _) in enumerate(rows) if not (text or "").strip()}
    for spec in passes:
        first = {}
        for at, row in enumerate(rows):
            key = row[0] if spec.columns == ("text",) else row[1]
            if at in fates or (spec.skip_null and key is None):
                continue
            if key in first:
                fates[at] = (spec.fate, spec.reason, first[key])
            else:
                first[key] = at
    return fates


texts = st.sampled_from(["a", "b", "c", "", " ", None])
labels = st.sampled_from(["x", "y", "z", None])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    blocks=st.lists(st.lists(st.tuples(texts, labels), max_size=6), max_size=5),
    passes=st.sampled_from([(), (EXACT,), (UNIQUE,), (UNIQUE, EXACT)]),
)
def test_fates_are_those_of_a_plain_scan(tmp_path_factory, blocks, passes):
    summaries = staged(blocks, tmp_path_factory.mktemp("stage"), passes)
    rows = [row for block in blocks for row in block]
    expected = oracle(rows, passes)
    assert fate_rows(summaries) == [(at, *fate) for at, fate in sorted(expected.items())]
    assert [(position, text) for text, _, _, position in kept_rows(summaries)] == [
        (at, text) for at, (text, _) in enumerate(rows) if at not in expected
    ]
    ledger = merged(summary.ledger for summary in summaries)
    ledger.require_balance()
    assert ledger.read == len(rows)
    counted = {}
    for summary in summaries:
        for label, count in summary.labels.items():
            counted[label] = counted.get(label, 0) + count
    kept = [label for at, (_, label) in enumerate(rows) if at not in expected and label is not None]
    assert counted == {label: kept.count(label) for label in sorted(set(kept))}


@given(rows=st.lists(st.tuples(texts, labels), max_size=12), cuts=st.lists(st.integers(0, 12), max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
def test_the_fingerprint_does_not_depend_on_blocks(tmp_path_factory, rows, cuts):
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    blocks = [rows[a:b] for a, b in itertools.pairwise(edges)]

    def lanes(pieces):
        summaries = staged(pieces, tmp_path_factory.mktemp("stage"), (EXACT,))
        total = [0, 0, 0, 0]
        for summary in summaries:
            total = [(a + b) % 2**64 for a, b in zip(total, summary.fingerprint.lanes, strict=True)]
        return total

    assert lanes(blocks) == lanes([rows])


def test_the_record_of_a_row_that_was_not_kept_can_be_read_again(tmp_path):
    [summary] = staged([[("a", "x"), (" ", "x"), ("a", "y")]], tmp_path, (EXACT,))
    records = [record for part in summary.fates for record in pq.read_table(part.path)["record"].to_pylist()]
    assert records == ['{"text":" ","label":"x"}', '{"text":"a","label":"y"}']


class Loses(Operation):
    """An operation that breaks the rules: it drops a row."""

    op: str = "loses"

    def apply(self, table):
        return Outcome(table=table.slice(1), changed=0)


def test_an_operation_that_drops_rows_is_caught(tmp_path):
    with pytest.raises(LedgerError, match="2 rows went into the operations and 1 came out"):
        staged([[("a", "x"), ("b", "y")]], tmp_path, (), operations=(Loses(),))


def test_a_summary_travels(tmp_path):
    [summary] = staged([[("a", "x"), ("a", "x")]], tmp_path, (EXACT,))
    assert pickle.loads(pickle.dumps(summary)) == summary
    assert summary.ledger.to_dict()["duplicates"] == {"exact": 1, "near": 0}
    assert np.array_equal(pq.read_table(summary.part.path)["_position"].to_numpy(), [0])


def test_stored_files_are_looked_at_piece_by_piece(tmp_path, monkeypatch):
    texts = ["a", "b", "c", "d", "e"]
    stored = pa.table(
        {
            "text": texts,
            "label": ["x"] * 5,
            "_source": pa.array(["old.csv"] * 5).cast(frame.SOURCE_TYPE),
            "_position": pa.array(range(5), pa.int64()),
        }
    )
    part = write_part(stored, tmp_path / "old.parquet")
    file = DataFile(path=part.path, rows=part.rows, bytes=part.bytes)
    monkeypatch.setattr(settle, "STORED_BYTES", part.bytes // 2)
    work = BlockWork(
        schema=CONTENT, operations=(), checks=(), folder=str(tmp_path), label="label", keys=LABELLED, waits=True
    )
    summary = stage_block(framed([("d", "y"), ("f", "x"), ("f", "x"), ("e", "x")]), 0, work)
    settling = Settling([summary], (file,), tmp_path, run_here)
    settling.compare_keys(LABELLED)
    assert fate_rows(settling.settled("label")) == [
        (0, "duplicate", "exact", 3),
        (2, "duplicate", "exact", 1),
        (3, "duplicate", "exact", 4),
    ]
    [told] = settling.disagreements
    assert (told.rows, told.examples[0].surviving_place) == (1, "old.csv at 3")


@given(rows=st.integers(0, 50), size=st.integers(1, 500), most=st.integers(1, 600))
def test_spans_cover_a_file(rows, size, most):
    spans = spans_of(DataFile(path="p", rows=rows, bytes=size), most)
    assert [row for span in spans for row in range(span.start, span.stop)] == list(range(rows))
    assert len(spans) <= -(-size // most)


def test_records_of_many_rows_are_made_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(row_records, "_BATCH_ROWS", 3)
    table = framed([(str(n), None) for n in range(10)])
    kept = pa.array([f"raw {n}" if n % 4 == 0 else None for n in range(10)])
    table = table.set_column(table.schema.get_field_index(frame.RECORD), frame.RECORD, kept)
    expected = [f"raw {n}" if n % 4 == 0 else f'{{"text":"{n}","label":null}}' for n in range(10)]
    assert row_records.records_of(table).to_pylist() == expected
    assert row_records.records_of(table.slice(0, 0)).to_pylist() == []
