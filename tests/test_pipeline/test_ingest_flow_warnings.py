"""What a run says about its labels before it commits."""

import csv
import random

import pyarrow as pa
import pytest

from pipeline.config import parse_job
from pipeline.execute import run_here
from pipeline.ingest.flow import ingest
from storage.edits.columns import ColumnChanges
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


def test_rows_are_compared_with_versions_whose_columns_changed(tmp_path):
    run(tmp_path, [("same", "x"), ("other", "y")])
    settings = {"dedupe": {"exact": ["text"]}, "dataset": {"name": "d", "mode": "append"}}
    store = Store.open(tmp_path / "store")
    # Files from before lack what is added.
    store.change_columns("d", ColumnChanges(add={"score": pa.float64()}))
    ingested, _ = run(tmp_path, [("new", "x"), ("same", "x")], "second", **settings)
    assert ingested.ledger.duplicates["exact"] == 1
    store.change_columns("d", ColumnChanges(drop=["label"]))
    ingested, _ = run(tmp_path, [("newer", "x"), ("same", "y")], "third", **settings)
    assert ingested.ledger.duplicates["exact"] == 1
    # What was once called text is another column now: nothing stored has the key.
    store.change_columns("d", ColumnChanges(rename={"text": "body"}))
    ingested, _ = run(tmp_path, [("newest", "x"), ("same", "x")], "fourth", **settings)
    assert (ingested.ledger.kept, ingested.ledger.duplicates.get("exact", 0)) == (2, 0)
    near = {**settings, "dedupe": {"near": {"threshold": 0.8}}}
    ingested, _ = run(tmp_path, [("one more text of some words", "x")], "fifth", **near)
    assert ingested.ledger.kept == 1
    with store.sql("SELECT count(*) AS n, count(body) AS old, count(text) AS new FROM d") as result:
        assert result.read_all().to_pylist() == [{"n": 7, "old": 4, "new": 3}]


def test_agreeing_labels_and_no_labels_give_no_warning(tmp_path):
    rows = random_rows(50)
    ingested, _ = run(tmp_path, [*rows, *rows], dedupe={"exact": ["text"]})
    assert ingested.warnings == ()
    assert ingested.ledger.duplicates["exact"] == 50
    unlabelled, _ = run(tmp_path, [(text, "") for text, _ in rows], "second")
    assert unlabelled.warnings == ()
