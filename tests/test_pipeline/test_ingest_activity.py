"""Limits on users and items against plain Python, however events are cut into blocks and parts."""

from collections import Counter

import dask
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles_cleaning import make_frame
from pydantic import ValidationError

from pipeline.errors import JobFileError
from pipeline.execute import run_here
from pipeline.ingest import activity
from pipeline.ingest.activity import resolve_activity
from pipeline.ingest.activity_config import ActivityConfig
from pipeline.ingest.dedupe.key_table import KeyTable

_EVENT = st.tuples(st.one_of(st.none(), st.sampled_from("uvwxyz")), st.one_of(st.none(), st.integers(0, 4)))
_LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "max_user_events": st.integers(6, 9),
        "min_user_events": st.integers(2, 4),
        "min_item_events": st.integers(2, 4),
        "k_core": st.integers(2, 3),
    },
).filter(bool)


def plain(events, limits, stored=()):
    """The reason of each event that goes, by its index: counts and sets, again and again."""
    gone = {}

    def going(reason, side, outside):
        left = [e for i, e in enumerate(events) if i not in gone and None not in e]
        counts = Counter(e[side] for e in [*left, *(e for e in stored if None not in e)])
        new = [i for i, e in enumerate(events) if i not in gone and None not in e and outside(counts[e[side]])]
        gone.update(dict.fromkeys(new, reason))
        return bool(new)

    if "max_user_events" in limits:
        going("max_user_events", 0, lambda n: n > limits["max_user_events"])
    if "min_user_events" in limits:
        going("min_user_events", 0, lambda n: n < limits["min_user_events"])
    if "min_item_events" in limits:
        going("min_item_events", 1, lambda n: n < limits["min_item_events"])
    while "k_core" in limits:
        users = going("k_core", 0, lambda n: n < limits["k_core"])
        if not going("k_core", 1, lambda n: n < limits["k_core"]) and not users:
            break
    return gone


def framed(events):
    return make_frame(
        {"user": pa.array([u for u, _ in events], pa.string()), "item": pa.array([i for _, i in events], pa.int64())}
    )


def resolved(blocks, config, folder, memory_bytes, stored=()):
    """The reason of each row that goes, by its index over all blocks."""
    tables = [dask.delayed(framed(block)) for block in blocks]
    old = [dask.delayed(framed(block).drop_columns(["_fate", "_reason", "_record"])) for block in stored]
    gone = {}
    for reason, found in resolve_activity(old, tables, config, folder, run_here, memory_bytes):
        start = 0
        for number, block in enumerate(blocks):
            rows = found.of_block(number)
            assert rows.sources.null_count == len(rows.rows)
            for row in rows.rows.tolist():
                assert start + row not in gone
                gone[start + row] = reason
            start += len(block)
    return gone


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    blocks=st.lists(st.lists(_EVENT, max_size=20), max_size=4),
    stored=st.lists(st.lists(_EVENT, max_size=8), max_size=2),
    limits=_LIMITS,
    memory_bytes=st.sampled_from([10**9, 500]),
)
def test_rows_that_go_are_those_of_plain_counts(tmp_path_factory, monkeypatch, blocks, stored, limits, memory_bytes):
    monkeypatch.setattr(activity, "_RUN_EVENTS", 5)
    config = ActivityConfig(user="user", item="item", **limits)
    events, old = [e for b in blocks for e in b], [e for b in stored for e in b]
    found = resolved(blocks, config, tmp_path_factory.mktemp("activity"), memory_bytes, stored)
    assert found == plain(events, limits, old)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=80), st.integers(2, 4))
def test_every_user_and_item_of_a_core_has_enough_events_and_no_larger_set_does(tmp_path_factory, pairs, k):
    events = [(f"u{u}", i) for u, i in pairs]
    config = ActivityConfig(user="user", item="item", k_core=k)
    gone = resolved([events], config, tmp_path_factory.mktemp("core"), 10**9)
    left = [e for i, e in enumerate(events) if i not in gone]
    for side in (0, 1):
        assert all(count >= k for count in Counter(e[side] for e in left).values())
    assert gone == plain(events, {"k_core": k})


def test_a_long_chain_is_peeled_to_its_end(tmp_path):
    # Each event's loss takes the next one with it: as many rounds as there are links.
    chain = [(f"u{i}", j) for i in range(12) for j in (i, i + 1)]
    ring = [(f"r{i}", 100 + j) for i in range(4) for j in (i, (i + 1) % 4)]
    config = ActivityConfig(user="user", item="item", k_core=2)
    gone = resolved([chain, ring], config, tmp_path, 10**9)
    assert gone == dict.fromkeys(range(len(chain)), "k_core")
    scratch = [path for path in tmp_path.rglob("*") if path.is_file() and "out" not in path.name]
    assert len(scratch) <= 2  # what phases left is taken away by the next one


def test_users_alone(tmp_path):
    config = ActivityConfig(user="user", max_user_events=3, min_user_events=2)
    events = [("a", 1)] * 4 + [("b", 1)] * 2 + [("c", 1), (None, 1)]
    gone = resolved([events[:3], events[3:]], config, tmp_path, 10**9)
    assert gone == {**dict.fromkeys(range(4), "max_user_events"), 6: "min_user_events"}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "give at least one limit: max_user_events, min_user_events, min_item_events, k_core"),
        ({"k_core": 2}, "need `item`"),
        ({"min_item_events": 2}, "need `item`"),
        ({"max_user_events": 2, "min_user_events": 3}, "no user has at most 2 and at least 3 events"),
        ({"item": "i", "k_core": 1}, "greater than or equal to 2"),
    ],
)
def test_limits_that_make_no_sense(tables, message):
    with pytest.raises(ValidationError, match=message):
        ActivityConfig(user="user", **tables)


def test_columns_must_be_there():
    config = ActivityConfig(user="user", item="itm", k_core=2)
    with pytest.raises(JobFileError, match=r'\[activity\]: "itm" is not a column.*"item"'):
        config.require_fit(pa.schema([("user", pa.string()), ("item", pa.string())]))


@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30), max_size=4))
@settings(deadline=None)
def test_a_key_table_numbers_keys_as_a_dict_does(chunks):
    import numpy as np

    table, known = KeyTable(), {}
    record = np.dtype([("hi", "<u8"), ("lo", "<u8")])
    absent = np.array([(9, 9), (2, 1)], record)
    for chunk in chunks:
        numbers = table.add(np.array(chunk, record))
        assert numbers.tolist() == [known.setdefault(key, len(known)) for key in chunk]
        assert len(table) == len(known)
        assert table.find(absent).tolist() == [-1, known.get((2, 1), -1)]
