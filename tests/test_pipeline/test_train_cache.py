"""Which parts of the cache go."""

import os

from hypothesis import given
from hypothesis import strategies as st

from pipeline.train.cache import CachedPart, drop_unfinished, mark_used, plan_pruning, prune

PARTS = st.lists(
    st.builds(
        CachedPart, name=st.text("abc", min_size=1, max_size=4), bytes=st.integers(0, 50), used_at=st.floats(0, 9)
    ),
    max_size=8,
    unique_by=lambda part: part.name,
)


@given(PARTS, st.integers(0, 150), st.floats(0, 9))
def test_drops_the_least_recently_used_and_no_more_than_needed(parts, kept, quiet):
    dropped = plan_pruning(parts, kept, quiet)
    by_name = {part.name: part for part in parts}
    gone, stay = [by_name[name] for name in dropped], [part for part in parts if part.name not in dropped]
    assert all(part.used_at <= quiet for part in gone)
    assert all(one.used_at <= other.used_at for one in gone for other in stay)
    fits = sum(part.bytes for part in stay) <= kept
    assert fits or all(part.used_at > quiet for part in stay)
    if gone:
        assert sum(part.bytes for part in [*stay, gone[-1]]) > kept


def test_prunes_folders_and_spares_those_in_use(tmp_path):
    for number, name in enumerate(("old", "older", "new")):
        mark_used(tmp_path / name)
        (tmp_path / name / "block").write_bytes(bytes(100))
        if name != "new":
            os.utime(tmp_path / name / "used", (1000 - number, 1000 - number))
    assert prune(tmp_path, 250) == ["older"]
    assert prune(tmp_path, 0) == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert prune(tmp_path / "nothing", 0) == []


def test_only_what_was_left_half_written_is_dropped(tmp_path):
    part = tmp_path / "key" / "hashed"
    whole = [part / "00000001", tmp_path / "key" / "buckets.npy", tmp_path / "key" / "used"]
    torn = [
        part / "00000002.1234abcd.part",
        tmp_path / "key" / "buckets.1234abcd.part.npy",
        tmp_path / "key" / "model-0123456789abcdef",
        tmp_path / "key" / "point-0123456789abcdef.npy",
    ]
    for path in (whole[0], torn[0], torn[2]):
        path.mkdir(parents=True)
        (path / "values.npy").write_bytes(b"x")
    for path in (*whole[1:], torn[1], torn[3]):
        path.write_bytes(b"x")
    assert drop_unfinished(tmp_path, 0.0) == []
    assert sorted(drop_unfinished(tmp_path, 2e10)) == sorted(str(path.relative_to(tmp_path)) for path in torn)
    assert all(path.exists() for path in whole)
    assert not any(path.exists() for path in torn)
    assert drop_unfinished(tmp_path / "nothing", 2e10) == []
