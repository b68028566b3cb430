"""Whatever is done to any file of a store, `verify` finds it, or every version reads as before."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from oracles_storage import rows_of, stage

from storage import errors, verify
from storage.fates import FATE_SCHEMA
from storage.parquet import sha256_of
from storage.problems import BROKEN_LOG, MISSING, ORPHAN
from storage.registry import Models
from storage.store import Store

#: What can be made again, or is no part of what lasts.
CACHES = ("_cache", "_locks", "_staging", "store.duckdb")
FATE = {"source": "f", "position": 1, "fate": "rejected", "reason": "x"}


def make_store(folder: Path, seed: int) -> Store:
    """A store with a file of every kind."""
    store = Store.open(folder, create=True)
    fates = [pa.Table.from_pylist([FATE], schema=FATE_SCHEMA)]
    for number in range(3):
        table = pa.table({"text": [f"text {number} {seed}"] * 50, "n": range(number, 50 + number)})
        mode = "append" if number == 2 else "replace"
        store.commit(stage(store, f"r{number}-{seed}", [table], fates=fates, mode=mode))
    store.tag("reviews", 1, "gold")
    store.record_run("r2", {"dataset": "reviews", "version": 2})
    staged = store.staging("m") / "m"
    (staged / "inner").mkdir(parents=True)
    (staged / "inner" / "weights.bin").write_bytes(bytes(range(seed, 40 + seed)))
    store.save_model("m1", staged, {"dataset": "reviews", "version": 1, "seed": seed})
    store.set_stage("m1", "production")
    store.vacuum("reviews", older_than_hours=0)
    store.rollback("reviews", 1)
    store.set_automatic("reviews", on=True)
    DeltaTable(str(folder / "reviews")).create_checkpoint()
    store.delete("reviews", "n = 3")
    store.copy("reviews", "trial")
    return store


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damage")
    for name, seed in (("store", 1), ("other", 2)):
        assert make_store(folder / name, seed).verify() == []
    return folder


def files_of(store: Path) -> list[Path]:
    return [
        path
        for path in sorted(store.rglob("*"))
        if path.is_file() and path.relative_to(store).parts[0] not in CACHES and "_locks" not in path.parts
    ]


def found(folder: Path) -> list[str]:
    """What is told of damage; an error of the store's own on opening it tells, too."""
    try:
        return [str(problem) for problem in Store.open(folder).verify() if problem.kind != ORPHAN]
    except errors.StoreError as error:
        return [str(error)]


def all_rows(folder: Path) -> list[list[dict]]:
    store = Store.open(folder)
    return [rows_of(store, name, at) for name, at in (("reviews", 1), ("reviews", 3), ("reviews", 4), ("trial", 0))]


def harms(path: Path, store: Path, other: Path) -> Iterator[tuple[str, bytes | None]]:
    """What may happen to a file: how it is called, and what it holds afterwards (None: it is gone)."""
    content = path.read_bytes()
    yield "gone", None
    yield "empty", b""
    yield "cut short", content[: len(content) // 2]
    for at in (0, len(content) // 3, 2 * len(content) // 3, len(content) - 1):
        flipped = bytearray(content)
        flipped[at] ^= 1
        yield f"a bit at {at}", bytes(flipped)
    if (twin := other / path.relative_to(store)).is_file():
        yield "from another store", twin.read_bytes()
    for neighbour in path.parent.iterdir():
        if neighbour.is_file() and neighbour.suffix == path.suffix and neighbour != path:
            yield f"as {neighbour.name}", neighbour.read_bytes()


def test_every_damage_of_every_file_is_found_or_harmless(stores, tmp_path):
    sound, folder = stores / "store", tmp_path / "store"
    shutil.copytree(sound, folder)
    before, harmless = all_rows(folder), set()
    files = files_of(folder)
    assert len(files) > 30
    for path in files:
        content = path.read_bytes()
        for how, harmed in harms(path, folder, stores / "other"):
            if harmed == content:
                continue
            path.unlink()
            if harmed is not None:
                path.write_bytes(harmed)
            if not found(folder):
                assert all_rows(folder) == before, (path, how)
                harmless.add((path.relative_to(folder).as_posix(), how))
            path.write_bytes(content)
    assert found(folder) == []
    # Hints of Delta's, what a checkpoint says of no row, a note that the next commit writes anew, and a wish.
    for path, how in harmless:
        hint = path.endswith(("/_last_checkpoint", ".checkpoint.parquet"))
        assert hint or (how == "gone" and path.endswith(("/newest.json", "/automatic.json"))), (path, how)


def test_every_file_that_does_not_belong_is_found(stores, tmp_path):
    folder = tmp_path / "store"
    shutil.copytree(stores / "store", folder)
    for path in files_of(folder):
        stranger = path.with_name(f"stranger{path.suffix}")
        stranger.write_bytes(path.read_bytes())
        assert any("stranger" in told for told in found(folder)), stranger
        stranger.unlink()


def exchange(left: Path, right: Path) -> None:
    aside = left.with_name("aside")
    left.rename(aside)
    right.rename(left)
    aside.rename(right)


def test_two_files_that_were_exchanged_are_found(stores, tmp_path):
    folder = tmp_path / "store"
    shutil.copytree(stores / "store", folder)
    files = files_of(folder)
    for left, right in pairwise(files):
        if left.suffix != right.suffix or left.read_bytes() == right.read_bytes():
            continue
        exchange(left, right)
        assert found(folder), (left, right)
        exchange(left, right)
    assert found(folder) == []


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path / "store", 1)


def newest(store: Store, name: str = "reviews") -> Path:
    return max((Path(store.uri) / name / "_delta_log").glob("*.json"))


def test_a_fingerprint_that_was_altered_is_found(store):
    for entry in sorted((Path(store.uri) / "reviews" / "_delta_log").glob("*.json")):
        content = entry.read_text()
        digest = store.version("reviews", int(entry.stem)).fingerprint
        assert digest in content
        entry.write_text(content.replace(digest, digest[:-1] + ("0" if digest[-1] != "0" else "1")))
        (problem,) = store.verify()
        assert (problem.kind, problem.versions) == (BROKEN_LOG, (int(entry.stem),))
        entry.write_text(content)


def test_a_newest_entry_that_vanished_is_found(store):
    entry = newest(store)
    entry.unlink()
    assert (BROKEN_LOG, (int(entry.stem),)) in [(problem.kind, problem.versions) for problem in store.verify()]


def test_versions_that_records_name_and_no_log_has_are_found(store):
    shutil.rmtree(Path(store.uri) / "reviews")
    told = " ".join(str(problem) for problem in store.verify())
    for whose in ("tag gold", "model m1", "run r2"):
        assert whose in told


def test_a_model_that_vanished_is_found_where_a_record_says_that_it_was_there(store):
    # The record of one comes before its folder: a run that ended in between left no model.
    table = Models(store.layout).table
    table.append([{**table.last("model")["m1"], "model": "never"}])
    staged = store.staging("m") / "m"
    staged.mkdir(parents=True)
    (staged / "weights.bin").write_bytes(b"w")
    store.save_model("m2", staged, {"dataset": "reviews", "version": 1})
    store.record_run("r3", {"dataset": "reviews", "version": 2, "model": {"id": "m2"}})
    store.record_run("r4", {"dataset": "reviews", "version": 2, "model": {"id": "of another store"}})
    assert store.verify() == []
    for model in ("m1", "m2"):
        shutil.rmtree(Path(store.uri) / "_models" / model)
    found = {problem.dataset: problem for problem in store.verify()}
    assert {model: problem.kind for model, problem in found.items()} == {"m1": MISSING, "m2": MISSING}
    assert "which a stage names" in found["m1"].detail
    assert "which run r3 names" in found["m2"].detail
    assert "run its job again" in found["m2"].cure


def test_only_what_has_a_problem_is_read_again(store, monkeypatch):
    [damaged, *_] = parts = sorted(Path(store.uri).glob("reviews/*.parquet"))
    assert len(parts) > 1
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    read = Counter()
    monkeypatch.setattr(verify, "sha256_of", lambda path: read.update([str(path)]) or sha256_of(path))
    assert [problem.path for problem in store.verify()] == [f"reviews/{damaged.name}"]
    assert [name for name, times in read.items() if times > 1] == [str(damaged)]


def test_a_log_that_vanished_is_no_orphan(store):
    shutil.rmtree(Path(store.uri) / "trial" / "_delta_log")
    assert any(problem.kind == BROKEN_LOG and problem.dataset == "trial" for problem in store.verify())


def test_a_note_that_is_late_is_no_damage(store):
    note = Path(store.uri) / "reviews" / "_textmill" / "newest.json"
    early = note.read_bytes()
    store.rollback("reviews", 1)
    assert note.read_bytes() != early
    note.write_bytes(early)  # as if its writer had died between the entry and the note
    assert store.verify() == []
    note.unlink()
    assert store.verify() == []
    store.rollback("reviews", 3)
    assert json.loads(note.read_bytes())["number"] == store.version("reviews").number


def test_a_commit_stands_where_its_note_cannot_be_written(store, caplog):
    note = Path(store.uri) / "reviews" / "_textmill" / "newest.json"
    note.unlink()
    note.mkdir()
    before = store.version("reviews").number
    assert store.rollback("reviews", 1).number == before + 1
    assert "its note is not" in caplog.text


def test_entries_of_other_programs_break_no_chain(store):
    DeltaTable(str(Path(store.uri) / "reviews")).delete("n = 5")
    assert store.verify() == []
    store.rollback("reviews", 1)
    assert store.verify() == []
