"""The automaton and the tokenizer against a byte-by-byte reference and Python's csv module."""

import csv
import io
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numba.core.caching import CacheImpl
from oracles_reading import csv_rows, plain_records

from pipeline.ingest.reading.csv.dialect import (
    CLOSES_BADLY,
    CLOSES_WELL,
    LINES,
    NEXT_STATE,
    STARTS_RECORD,
    STATES,
    Dialect,
    transition_table,
)
from pipeline.ingest.reading.csv.scan import BlockScan, raw_blocks, resolve
from pipeline.ingest.reading.csv.tokenizer import find_records, text_columns
from pipeline.ingest.reading.csv.transitions import transitions
from pipeline.ingest.reading.csv.verdicts import (
    BAD_ENCODING,
    BAD_QUOTING,
    LONG_ROW,
    REASONS,
    RECORD_TOO_LONG,
    SHORT_ROW,
    SOUND,
    UNTERMINATED_QUOTE,
)
from pipeline.ingest.reading.text.utf8 import count_sequences, is_utf8
from storage.compiled import kernel

DIALECTS = [
    Dialect(),
    Dialect(delimiter="\t", quote=None),
    Dialect(delimiter=";", quote="'"),
    Dialect(escape="\\"),
    Dialect(delimiter="|", quote=None, escape="\\"),
    Dialect(cr_ends=True),
    Dialect(escape="\\", cr_ends=True),
    Dialect(skip_spaces=True),
    Dialect(delimiter=";", quote="'", escape="\\", cr_ends=True, skip_spaces=True),
    LINES,
    Dialect(delimiter=None, quote=None, cr_ends=True),
]
LONG = 1 << 30


def as_bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, dtype=np.uint8).copy()


def nasty(dialect: Dialect) -> st.SearchStrategy[bytes]:
    """Bytes in which what matters to a dialect is common, in runs long enough for loops by words and by strides."""
    marks = [mark for mark in (dialect.delimiter, dialect.quote, dialect.escape, "\n", "\r", "\r\n") if mark]
    pieces = st.sampled_from(
        [*marks, *marks, "a", "bc", "x" * 17, "y" * 67, "é", "漢字", " ", '"', "'", ",", "\\", "\x00"]
    )
    return st.lists(pieces, max_size=60).map(lambda parts: "".join(parts).encode())


any_input = st.sampled_from(DIALECTS).flatmap(lambda dialect: st.tuples(st.just(dialect), nasty(dialect)))


def walked(data: bytes, dialect: Dialect, state: int) -> tuple[int, int, int, int, int]:
    table = transition_table(dialect)
    first = last = -1
    well = badly = 0
    for place, byte in enumerate(data):
        step = int(table[state, byte])
        state = step & NEXT_STATE
        if step & STARTS_RECORD:
            first = place + 1 if first < 0 else first
            last = place + 1
        well += bool(step & CLOSES_WELL)
        badly += bool(step & CLOSES_BADLY)
    return state, first, last, well, badly


@given(any_input, st.sampled_from([0, 1, 600]), st.sampled_from([1, 7, 600, 1 << 16]))
@settings(max_examples=500, deadline=None)
def test_fast_scan_equals_walking_the_table_from_every_state(case, padding, lockstep_bytes):
    dialect, data = case
    # The padding changes no state in a way that hides a difference.
    data = data + b"w" * padding + data
    found = transitions(as_bytes(data), dialect, lockstep_bytes)
    for state in range(STATES):
        assert walked(data, dialect, state) == (
            found.exits[state],
            found.first[state],
            found.last[state],
            found.well[state],
            found.badly[state],
        )


@given(
    st.lists(st.sampled_from([b"a" * 70, b"b,c\n", b"\n" * 65, b",", b'"', b'""', b"\r\n", b"x" * 9]), max_size=60),
    st.sampled_from([Dialect(), Dialect(quote=None), Dialect(escape="\\"), Dialect(cr_ends=True), LINES]),
)
@settings(max_examples=150, deadline=None)
def test_transitions_over_long_stretches_without_quotes(pieces, dialect):
    # Entry states are followed one by one at first; only behind that are stretches taken in strides.
    data = b"0123456," * 70 + b"".join(pieces)
    found = transitions(as_bytes(data), dialect, 512)
    for state in range(STATES):
        assert walked(data, dialect, state) == (
            found.exits[state],
            found.first[state],
            found.last[state],
            found.well[state],
            found.badly[state],
        )


@given(any_input, st.integers(0, 200))
@settings(max_examples=200, deadline=None)
def test_transitions_of_two_halves_compose_to_those_of_the_whole(case, cut):
    dialect, data = case
    left, right, whole = (transitions(as_bytes(part), dialect) for part in (data[:cut], data[cut:], data))
    assert whole.exits == tuple(right.exits[state] for state in left.exits)


def read(data: bytes, dialect: Dialect, columns: int):
    raw = as_bytes(data)
    records = find_records(raw, dialect, columns, longest=LONG)
    arrays = text_columns(raw, dialect, records)
    for array in arrays:
        array.validate(full=True)
    return records, list(zip(*(array.to_pylist() for array in arrays), strict=True))


def expected_verdict(record, columns: int, data: bytes) -> int:
    try:
        data[record.start : record.end].decode()
    except UnicodeDecodeError:
        return BAD_ENCODING
    if record.problem:
        return REASONS.index(record.problem)
    if len(record.fields) == columns:
        return SOUND
    return SHORT_ROW if len(record.fields) < columns else LONG_ROW


@given(any_input, st.integers(1, 4))
@settings(max_examples=500, deadline=None)
@example((Dialect(), b'a,"b\r\nc"\r\n"d""e",f\n'), 2)
@example((Dialect(), b'"a"\r\r\n"b"\rx\n'), 1)
@example((Dialect(escape="\\"), b'"a\\"b",c\\,d\n'), 2)
def test_records_equal_the_reference_on_any_bytes(case, columns):
    dialect, data = case
    wanted = plain_records(data, dialect.delimiter, dialect.quote, dialect.escape, dialect.cr_ends, dialect.skip_spaces)
    records, rows = read(data, dialect, columns)
    assert records.starts.tolist() == [record.start for record in wanted]
    assert records.fields.tolist() == [len(record.fields) for record in wanted]
    verdicts = [expected_verdict(record, columns, data) for record in wanted]
    assert records.verdicts.tolist() == verdicts
    for row, record, verdict in zip(rows, wanted, verdicts, strict=True):
        if verdict == SOUND:
            assert row == tuple(value.decode() or None for value in record.fields)
        else:
            assert set(row) == {None}


pieces = st.sampled_from([*"ab ,;\t|\"'\n\r\\", "é", "漢", "\u2028", "\U00020bb7", "0123456789abcdef"])
cell = st.lists(pieces, max_size=12).map("".join)


@given(
    st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(cell, min_size=width, max_size=width), max_size=12)),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.integers(1, 40),
)
@settings(max_examples=400, deadline=None)
def test_what_the_csv_module_writes_is_read_back_at_every_block_size(rows, delimiter, line_end, quoting, block):
    if any("\r" in value for row in rows for value in row) and line_end == "\n":
        # The writer leaves a bare carriage return unquoted here, and the reader then ends the record at it.
        quoting = csv.QUOTE_ALL
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator=line_end, quoting=quoting).writerows(rows)
    data = written.getvalue().encode()
    assume(rows)
    dialect = Dialect(delimiter=delimiter)
    wanted = [tuple(value or None for value in row) for row in csv_rows(data.decode(), delimiter=delimiter)]
    ranges, _, badly, _ = resolve(scans(data, dialect, block), LONG)
    assert badly == 0
    got = [row for part in ranges for row in read(data[part.start : part.stop], dialect, len(rows[0]))[1]]
    assert got == wanted


def scans(data: bytes, dialect: Dialect, block: int) -> list[BlockScan]:
    return [
        BlockScan(
            start=start,
            stop=stop,
            moves=transitions(as_bytes(data[start:stop]), dialect),
            valid=0,
            invalid=0,
            long_ones=0,
            nuls=0,
            sample=(),
        )
        for start, stop in raw_blocks(0, len(data), block)
    ]


@given(any_input, st.integers(1, 64))
@settings(max_examples=400, deadline=None)
def test_blocks_hold_the_records_that_start_in_them(case, block):
    dialect, data = case
    whole = find_records(as_bytes(data), dialect, 2, longest=LONG)
    ranges, well, badly, _ = resolve(scans(data, dialect, block), LONG)
    starts, ends, verdicts = [], [], []
    for part in ranges:
        records = find_records(as_bytes(data[part.start : part.stop]), dialect, 2, longest=LONG)
        starts += (records.starts + part.start).tolist()
        ends += (records.ends + part.start).tolist()
        verdicts += records.verdicts.tolist()
        if records.starts.size:
            first = int(records.starts[0]) + part.start
            assert first // block >= part.start // block
    assert starts == whole.starts.tolist()
    assert ends == whole.ends.tolist()
    assert verdicts == whole.verdicts.tolist()
    one, one_badly = resolve(scans(data, dialect, max(len(data), 1)), LONG)[1:3]
    assert (well, badly) == (one, one_badly)


@given(
    st.lists(st.sampled_from([b"a,b\n", b"\n", b"x" * 30 + b",y\n", b'"' + b"q" * 50 + b'",z\r\n']), max_size=20),
    st.integers(1, 80),
    st.integers(5, 60),
)
@settings(max_examples=300, deadline=None)
def test_too_long_records_are_the_same_at_every_block_size(lines, block, longest):
    data = b"".join(lines)
    whole = find_records(as_bytes(data), Dialect(), 2, longest=longest)
    starts, verdicts = [], []
    for part in resolve(scans(data, Dialect(), block), longest)[0]:
        stop = min(part.stop, part.start + longest + 2) if part.too_long else part.stop
        records = find_records(as_bytes(data[part.start : stop]), Dialect(), 2, longest=longest)
        starts += (records.starts + part.start).tolist()
        verdicts += records.verdicts.tolist()
    assert starts == whole.starts.tolist()
    assert verdicts == whole.verdicts.tolist()
    assert [verdict == RECORD_TOO_LONG for verdict in verdicts] == [
        end - start > longest for start, end in zip(whole.starts, whole.ends, strict=True)
    ]


EDGE_BYTES = bytes.fromhex("00 41 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 ff")


@pytest.mark.parametrize("before", [b"", b"a" * 70, "é".encode(), "中".encode()])
@pytest.mark.parametrize("behind", [b"", b"\x80", b"a" * 70])
def test_every_short_sequence_is_utf8_where_python_says_so(before, behind):
    for length in range(4):
        for middle in product(EDGE_BYTES, repeat=length):
            data = before + bytes(middle) + behind
            assert is_utf8(as_bytes(data)) == decodes(data), data


def decodes(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(st.binary(max_size=40), st.integers(1, 20))
@settings(max_examples=300, deadline=None)
def test_utf8_counts_add_up_over_blocks_and_agree_with_python(data, block):
    raw = as_bytes(data)
    counts = [count_sequences(raw, start, stop) for start, stop in raw_blocks(0, len(data), block)]
    total = tuple(sum(side) for side in zip(*counts, strict=True)) if counts else (0, 0, 0)
    assert total == count_sequences(raw, 0, len(data))
    try:
        text = data.decode()
    except UnicodeDecodeError:
        assert total[2] > 0
        assert not is_utf8(raw)
    else:
        assert total == (sum(letter > "\x7f" for letter in text), sum(letter > "\u07ff" for letter in text), 0)
        assert is_utf8(raw)


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\r\n", b"\n\n\r\r\n", b"\r"])
def test_blank_input_holds_no_record(data):
    assert find_records(as_bytes(data), Dialect(), 3, longest=LONG).starts.size == 0


def test_unterminated_quote_at_the_end_is_a_record_of_its_own_kind():
    records, _ = read(b'a,b\n"c,d\nmore', Dialect(), 2)
    assert records.verdicts.tolist() == [SOUND, UNTERMINATED_QUOTE]
    records, _ = read(b'a,b\n"c"d,e\n', Dialect(), 2)
    assert records.verdicts.tolist() == [SOUND, BAD_QUOTING]


def test_kernels_compile_where_no_cache_can_be_written(monkeypatch):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])

    def double(value):
        return value * 2

    assert kernel(double)(21) == 42
