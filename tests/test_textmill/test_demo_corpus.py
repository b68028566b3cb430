import hashlib
import json
from collections import Counter
from dataclasses import fields

import pytest
from oracles_demo import decoded, ledger_of

from pipeline.config import load_job
from textmill.demo.corpus import write_corpus
from textmill.demo.grammar import LABELS
from textmill.demo.layout import plan_parts
from textmill.demo.noise import label_map
from textmill.demo.planted import STOCK
from textmill.demo.rates import Rates


def digests(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


SPELLINGS = {label: label for label in LABELS} | label_map()
NONE = {each.name: 0.0 for each in fields(Rates)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"), rows=12_000, seed=7)


def test_the_planted_ledger_is_what_a_plain_reading_finds(corpus):
    ledger, kept = ledger_of(corpus.files, SPELLINGS)
    assert corpus.planted.ledger() == ledger
    assert corpus.planted.kept_labels() == Counter(kept.values())
    assert json.loads((corpus.folder / "planted.json").read_text())["ledger"] == ledger


def test_every_kind_of_fault_is_planted(corpus):
    ledger = corpus.planted.ledger()
    planted = {*ledger["rejected"], *ledger["filtered"]}
    assert planted == {
        "short_row", "long_row", "bad_encoding", "bad_quoting", "cast_amount", "cast_created_at", "label_one_of",
        "empty_text", "missing_label",
    }  # fmt: skip
    assert min(corpus.planted.noise.values()) > 0
    assert min(corpus.planted.copies.values()) > 0


@pytest.mark.parametrize("seed", [0, 1, 2**40])
@pytest.mark.parametrize("parts", [1, 3, 11])
def test_the_truth_holds_for_any_seed_and_cut(tmp_path, seed, parts):
    made = write_corpus(tmp_path, rows=1500, seed=seed, parts=parts)
    assert ledger_of(made.files, SPELLINGS)[0] == made.planted.ledger()
    assert sum(made.planted.kept_labels().values()) == made.planted.kept


def test_same_arguments_same_bytes_and_another_seed_others(tmp_path, corpus):
    again = write_corpus(tmp_path / "again", rows=12_000, seed=7, workers=2)
    assert digests(again.folder) == digests(corpus.folder)
    assert again.planted == corpus.planted
    other = write_corpus(tmp_path / "other", rows=12_000, seed=8)
    assert not set(digests(other.folder).values()) & set(digests(corpus.folder / "raw").values())


def test_a_smaller_corpus_takes_the_place_of_a_larger_one(tmp_path):
    write_corpus(tmp_path, rows=100, parts=9)
    (tmp_path / "raw" / "mine.csv").write_text("left alone")
    made = write_corpus(tmp_path, rows=100, parts=2)
    assert {path.name for path in (tmp_path / "raw").iterdir()} == {"mine.csv", *(path.name for path in made.files)}


def test_encodings_dialects_and_formats_differ(corpus):
    starts = [path.read_bytes()[:2] for path in corpus.files]
    assert starts.count(b"PA") == 2
    assert starts[4] == b"\xff\xfe"
    with pytest.raises(UnicodeDecodeError):
        corpus.files[1].read_bytes().decode("utf-8")
    assert "订单" in corpus.files[1].read_bytes().decode("gb18030")
    assert "Zürich" in corpus.files[2].read_bytes().decode("cp1252")
    assert b"\r\n" in corpus.files[2].read_bytes()
    assert "“" in decoded(corpus.files[2].read_bytes())


def test_rates_decide_what_is_planted(tmp_path):
    clean = write_corpus(tmp_path / "clean", rows=3000, rates=Rates(**NONE))
    assert clean.planted.ledger() == {
        "read": 3000, "kept": 3000, "rejected": {}, "filtered": {}, "duplicates": {"exact": 0, "near": 0},
    }  # fmt: skip
    assert set(clean.planted.noise.values()) == {0}
    empty = write_corpus(tmp_path / "empty", rows=3000, rates=Rates(**NONE | {"empty_text": 1.0}))
    assert empty.planted.ledger()["filtered"] == {"empty_text": 3000}
    copies = write_corpus(tmp_path / "copies", rows=3000, rates=Rates(**NONE | {"copy": 0.9, "chinese": 0.5}))
    assert 2500 < copies.planted.duplicates < 2900
    assert ledger_of(copies.files, SPELLINGS)[0] == copies.planted.ledger()


@pytest.mark.parametrize("wrong", [{"copy": 1.1}, {"copy": -0.1}, {"copy": 0.6, "stock": 0.6}])
def test_impossible_rates_are_refused(wrong):
    with pytest.raises(ValueError, match="rate"):
        Rates(**wrong)


@pytest.mark.parametrize(("rows", "parts"), [(0, 1), (5, 6), (5, 0)])
def test_impossible_cuts_are_refused(rows, parts):
    with pytest.raises(ValueError, match="at least one row"):
        plan_parts(rows, parts)


def test_parts_cover_all_rows_once():
    layouts = plan_parts(1003, 10)
    assert [layout.start for layout in layouts] == [sum(part.rows for part in layouts[:i]) for i in range(10)]
    assert sum(layout.rows for layout in layouts) == 1003


def test_stock_texts_are_distinct_once_cleaned():
    assert len({text.lower() for text, _ in STOCK}) == len(STOCK)


def test_the_job_file_is_valid_and_finds_all_files(corpus):
    job = load_job(corpus.job)
    assert job.dataset.name == "tickets"
    found = {
        path for pattern in job.source.files for path in corpus.folder.glob(pattern[len(str(corpus.folder)) + 1 :])
    }
    assert found == set(corpus.files)


def test_a_file_is_complete_or_not_there(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("textmill.demo.write._line", fail)
    with pytest.raises(OSError, match="disk full"):
        write_corpus(tmp_path, rows=100, parts=1)
    assert list((tmp_path / "raw").iterdir()) == []
