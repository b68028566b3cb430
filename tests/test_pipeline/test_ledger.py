"""The ledger adds up, merges in any order, and refuses to lose a row."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import LedgerError
from pipeline.ledger import Ledger, merged

counts = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 99), max_size=3)
ledgers = st.builds(
    Ledger, read=st.integers(0, 999), kept=st.integers(0, 999), rejected=counts, filtered=counts, duplicates=counts
)


@given(ledgers, ledgers, ledgers)
def test_merging_is_associative_and_commutative(a, b, c):
    assert a.merge(b).merge(c).to_dict() == a.merge(b.merge(c)).to_dict()
    assert a.merge(b).to_dict() == b.merge(a).to_dict()


@given(ledgers)
def test_the_empty_ledger_changes_no_count(ledger):
    with_empty = Ledger().merge(ledger)
    assert with_empty.read == ledger.read
    assert with_empty.accounted == ledger.accounted
    assert {k: v for k, v in with_empty.duplicates.items() if v} == {k: v for k, v in ledger.duplicates.items() if v}


def test_balance_holds_or_says_what_is_missing():
    Ledger(read=5, kept=1, rejected={"x": 1}, filtered={"y": 1}, duplicates={"exact": 2}).require_balance()
    with pytest.raises(LedgerError, match="3 records read, 2 accounted"):
        Ledger(read=3, kept=2).require_balance()


def test_no_ledgers_are_the_empty_one():
    assert merged([]) == Ledger()


@given(ledgers)
def test_a_ledger_survives_json_and_pickling(ledger):
    assert Ledger.from_dict(ledger.to_dict()) == ledger
    assert pickle.loads(pickle.dumps(ledger)) == ledger
