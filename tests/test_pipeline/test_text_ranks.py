import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text.ranks import count_members, is_member, rank, ranks_of
from storage.compiled import kernel


@kernel
def looked_up(ranks, numbers, members, places):
    for item in range(len(numbers)):
        members[item] = is_member(ranks, numbers[item])
        places[item] = rank(ranks, numbers[item])


@given(st.integers(1, 300).flatmap(lambda width: st.tuples(st.just(width), st.sets(st.integers(0, width - 1)))))
@settings(deadline=None)  # the first example compiles
def test_a_set_is_known_by_its_ranks(given_set):
    width, chosen = given_set
    members = np.array(sorted(chosen), np.int32)
    numbers = np.arange(width, dtype=np.uint64)
    found, places = np.zeros(width, np.uint64), np.zeros(width, np.uint64)
    ranks = ranks_of(members, width)
    looked_up(ranks, numbers, found, places)
    np.testing.assert_array_equal(found, np.isin(numbers, members))
    np.testing.assert_array_equal(places, np.searchsorted(members, numbers))
    assert count_members(ranks, numbers.astype(np.int32)) == len(chosen)
