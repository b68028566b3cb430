"""Any sequence of operations leaves the store as a dict would have it."""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from oracles_storage import rows_of, stage

from storage.arranging.plan import Arrangement
from storage.errors import TagError, VersionNotFoundError, VersionVacuumedError
from storage.fingerprint import fingerprint_of
from storage.store import Store

ROWS = st.lists(st.tuples(st.one_of(st.none(), st.sampled_from(["", "a", "b", "订"])), st.integers(0, 2)), max_size=5)
SCHEMA = pa.schema([("text", pa.string()), ("n", pa.int64())])


def table_of(rows):
    return pa.Table.from_pylist([{"text": text, "n": n} for text, n in rows], schema=SCHEMA)


class StoreMachine(RuleBasedStateMachine):
    """A dataset of the store beside a list of versions, each a list of rows (None once it is gone)."""

    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp(prefix="textmill-state-"))
        self.store = Store.open(self.folder / "store", create=True)
        self.versions, self.tags, self.runs = [], {}, 0

    def teardown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def newest(self):
        return self.versions[-1] if self.versions else []

    def commit(self, parts, mode):
        self.runs += 1
        request = stage(self.store, f"run-{self.runs}", [table_of(rows) for rows in parts], mode=mode)
        rows = [row for part in parts for row in part]
        self.versions.append(rows if mode == "replace" else self.newest() + rows)
        self.request = request
        version = self.store.commit(request)
        assert version.number == len(self.versions) - 1

    @rule(parts=st.lists(ROWS, min_size=1, max_size=3))
    def replace(self, parts):
        self.commit(parts, "replace")

    @rule(parts=st.lists(ROWS, min_size=1, max_size=3))
    def append(self, parts):
        self.commit(parts, "append")

    @precondition(lambda self: self.runs)
    @rule()
    def commit_the_same_run_again(self):
        before = len(self.versions)
        self.store.commit(self.request)
        assert len(self.store.versions("reviews")) == before

    @precondition(lambda self: self.versions)
    @rule(data=st.data(), tag=st.sampled_from(["gold", "silver"]), move=st.booleans())
    def tag(self, data, tag, move):
        number = data.draw(st.integers(0, len(self.versions) - 1))
        if self.versions[number] is None:
            with pytest.raises(VersionVacuumedError):
                self.store.tag("reviews", number, tag, move=move)
        elif self.tags.get(tag, number) != number and not move:
            with pytest.raises(TagError):
                self.store.tag("reviews", number, tag)
        else:
            self.store.tag("reviews", number, tag, move=move)
            self.tags[tag] = number

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def rollback(self, data):
        number = data.draw(st.integers(0, len(self.versions) - 1))
        if self.versions[number] is None:
            with pytest.raises(VersionVacuumedError):
                self.store.rollback("reviews", number)
        else:
            self.store.rollback("reviews", number)
            if number < len(self.versions) - 1:
                self.versions.append(self.versions[number])

    @precondition(lambda self: self.versions)
    @rule()
    def vacuum(self):
        kept = {len(self.versions) - 1, *self.tags.values()}
        gone = [n for n, rows in enumerate(self.versions) if rows is not None and n not in kept]
        assert self.store.vacuum("reviews", older_than_hours=0).versions == tuple(gone)
        for number in gone:
            self.versions[number] = None

    @precondition(lambda self: self.versions)
    @rule(number=st.integers(0, 2))
    def delete(self, number):
        rows = [row for row in self.newest() if row[1] != number]
        self.store.delete("reviews", f"n = {number}")
        if rows != self.newest():
            self.versions.append(rows)

    @precondition(lambda self: self.versions)
    @rule(sort=st.booleans())
    def compact(self, sort):
        before = self.store.version("reviews").number
        version = self.store.compact("reviews", Arrangement(sort=("n",) if sort else ()))
        if version.number != before:
            self.versions.append(sorted(self.newest(), key=lambda row: row[1]) if sort else self.newest())

    @rule()
    def move(self):
        Path(self.store.uri).rename(self.folder / "moved")
        (self.folder / "moved").rename(self.folder / "store")
        self.store = Store.open(self.folder / "store")

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def read(self, data):
        number = data.draw(st.integers(0, len(self.versions)))
        if number == len(self.versions):
            with pytest.raises(VersionNotFoundError):
                self.store.snapshot("reviews", number)
        elif self.versions[number] is None:
            with pytest.raises(VersionVacuumedError):
                self.store.snapshot("reviews", number)
        else:
            assert self.rows(number) == self.versions[number]

    def rows(self, at):
        return [tuple(row.values()) for row in rows_of(self.store, at=at)]

    @invariant()
    def the_newest_version_is_whole(self):
        if not getattr(self, "versions", None):
            return
        rows, version = self.newest(), self.store.version("reviews")
        assert self.rows(None) == rows
        assert version.rows == len(rows)
        assert version.fingerprint == fingerprint_of(table_of(rows), ["text", "n"]).digest(SCHEMA)
        assert self.store.tags("reviews") == self.tags
        for tag, number in self.tags.items():
            assert self.rows(tag) == self.versions[number]

    @precondition(lambda self: self.versions)
    @rule()
    def verify_and_query(self):
        assert self.store.verify() == []
        with self.store.sql("SELECT text, n FROM reviews") as result:
            counted = Counter(tuple(row.values()) for row in result.read_all().to_pylist())
        assert counted == Counter(self.newest())


StoreMachine.TestCase.settings = settings(
    max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestStoreMachine = StoreMachine.TestCase
