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
from storage.edits.columns import ColumnChanges
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
        # A version with other column names would be whole too, but not what the rules that follow expect.
        renamed = getattr(self, "renamed", set())
        number = data.draw(st.sampled_from([n for n in range(len(self.versions)) if n not in renamed]))
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

    @precondition(lambda self: self.versions)
    @rule(given=st.dictionaries(st.integers(0, 3), st.sampled_from(["a", "c", None]), max_size=3))
    def upsert(self, given):
        rows = [(text, n) for n, text in given.items()]
        self.store.upsert("reviews", table_of(rows).to_batches(), SCHEMA, ["n"])
        if rows:
            self.versions.append([row for row in self.newest() if row[1] not in given] + rows)

    @precondition(lambda self: self.versions)
    @rule()
    def rename_a_column_and_back(self):
        for old, new in (("text", "body"), ("body", "text")):
            self.store.change_columns("reviews", ColumnChanges(rename={old: new}))
            self.versions.append(self.newest())
        # What lies between the two has the same rows under another name.
        self.renamed = {*getattr(self, "renamed", ()), len(self.versions) - 2}
        between = [tuple(row.values()) for row in rows_of(self.store, at=len(self.versions) - 2)]
        assert between == self.newest()
        assert self.store.snapshot("reviews", len(self.versions) - 2).schema.names == ["body", "n"]

    @precondition(lambda self: self.tags)
    @rule(data=st.data())
    def untag(self, data):
        tag = data.draw(st.sampled_from(sorted(self.tags)))
        self.store.untag("reviews", tag)
        del self.tags[tag]

    def draw_readable(self, data):
        return data.draw(st.sampled_from([n for n, rows in enumerate(self.versions) if rows is not None]))

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def diff(self, data):
        left, right = self.draw_readable(data), self.draw_readable(data)
        before, after = Counter(self.versions[left]), Counter(self.versions[right])
        differ = self.store.differ("reviews", left, right)
        if differ.summary().removed_columns or differ.summary().added_columns:
            return  # one of them lies between a renaming and its reversal
        for which, expected in (("added", after - before), ("removed", before - after)):
            with differ.rows(which) as result:
                assert Counter(tuple(row.values()) for row in result.read_all().to_pylist()) == expected

    @precondition(lambda self: self.versions)
    @rule(limit=st.integers(1, 3))
    def page_while_others_commit(self, limit):
        query, cursor, seen = "SELECT text, n FROM reviews ORDER BY n DESC, text", None, []
        expected = list(self.newest())
        while True:
            with self.store.sql(query, limit=limit, cursor=cursor) as page:
                seen += [tuple(row.values()) for row in page.read_all().to_pylist()]
                cursor = page.cursor
            if cursor is None:
                break
            if len(seen) == limit:
                self.commit([[("late", 9)]], "append")
        assert seen == sorted(expected, key=lambda row: (-row[1], row[0] is None, row[0] or ""))

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def copy_export_and_import(self, data):
        number, self.copies = self.draw_readable(data), getattr(self, "copies", 0) + 1
        made = self.store.copy("reviews", f"copy-{self.copies}", at=number)
        self.store.export("reviews", self.folder / f"out-{self.copies}", at=number)
        brought = self.store.import_version(self.folder / f"out-{self.copies}", name=f"import-{self.copies}")
        assert made.fingerprint == brought.fingerprint == self.store.version("reviews", number).fingerprint
        for name in (made.dataset, brought.dataset):
            assert [tuple(row.values()) for row in rows_of(self.store, name)] == self.versions[number]

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
