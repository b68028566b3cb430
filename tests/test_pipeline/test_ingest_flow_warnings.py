"""What a run says about its labels before it commits."""

import csv
import random

import pytest

from pipeline.config import parse_job
from pipeline.execute import run_here
from pipeline.ingest.flow import ingest
from storage.store import Store


def write_csv(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return str(path)


def run(folder, rows, run_id="first", **tables):
    """What was ingested, and what was said."""
    file = write_csv(folder / f"{run_id}.csv", rows)
    source = {"files": [file], "block": 300}
    job = parse_job(
        {"name": "job", "store": str(folder / "store"), "source": source, "dataset": {"name": "d"}, **tables}
    )
    heard = []
    store = Store.open(folder / "store", create=True)
    return ingest(job, store, run_id, run_here, note=heard.append), heard


def random_rows(count, seed=3):
    random_ = random.Random(seed)
    words = [f"word{i}" for i in range(100)]
    return [(" ".join(random_.choices(words, k=9)), random_.choice(["a", "b", "c"])) for _ in range(count)]


def test_a_leak_is_told_with_the_word_and_the_label(tmp_path):
    rows = [(f"{text} [CASE]" if label == "b" else text, label) for text, label in random_rows(300)]
    ingested, heard = run(tmp_path, rows)
    (warning,) = ingested.warnings
    assert warning.startswith('label leak: "case" alone tells the label "b": 100.0% of the texts')
    assert heard[-1] == warning


@pytest.mark.parametrize("exact", [None, ["text", "label"]])
def test_equal_texts_with_different_labels_are_told_without_deduplication(tmp_path, exact):
    rows = [*random_rows(30), ("twice said", "x"), ("other", "x"), ("twice said", "y")]
    ingested, _ = run(tmp_path, rows, **({"dedupe": {"exact": exact}} if exact else {}))
    (warning,) = ingested.warnings
    assert warning.startswith(
        'equal texts have different labels: 1 among a sample of 33 labelled texts: "twice said" is "x" and "y".'
    )


def test_repeats_with_other_labels_are_counted_exactly_with_places(tmp_path):
    rows = [("same", "x"), *random_rows(30), ("same", "x"), ("Same", "y"), ("sàme", "z"), ("same", "z")]
    ingested, _ = run(tmp_path, rows, dedupe={"exact": ["text"], "normalize": ["lowercase"]})
    assert ingested.ledger.duplicates["exact"] == 3
    (warning,) = ingested.warnings
    assert warning.startswith(
        "2 rows left out for repeating an earlier row's text had another label, and that of the earlier row was kept: "
    )
    assert '"Same" is "x" in first.csv at 12 and "y" in first.csv at ' in warning
    assert '"same" is "x" in first.csv at 12 and "z" in first.csv at ' in warning


def test_repeats_of_stored_rows_with_other_labels_are_told_too(tmp_path):
    run(tmp_path, [("same", "x"), ("other", "y")])
    settings = {"dedupe": {"exact": ["text"]}, "dataset": {"name": "d", "mode": "append"}}
    ingested, _ = run(tmp_path, [("new", "x"), ("same", "y")], "second", **settings)
    (warning,) = ingested.warnings
    assert '"same" is "x" in first.csv at 12 and "y" in second.csv at 19' in warning


def test_agreeing_labels_and_no_labels_give_no_warning(tmp_path):
    rows = random_rows(50)
    ingested, _ = run(tmp_path, [*rows, *rows], dedupe={"exact": ["text"]})
    assert ingested.warnings == ()
    assert ingested.ledger.duplicates["exact"] == 50
    unlabelled, _ = run(tmp_path, [(text, "") for text, _ in rows], "second")
    assert unlabelled.warnings == ()
