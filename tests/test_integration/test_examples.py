"""The example jobs: all are valid, and the one on generated data runs as its first lines say."""

import pytest
from command_line import textmill
from shared_data import ROOT

from pipeline.config import load_job

EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_a_valid_job(path, monkeypatch):
    monkeypatch.setenv("TEXTMILL_DATA", "/corpora")
    job = load_job(path)
    assert all(file.startswith("/corpora/") for file in job.source.files)


def test_the_example_on_generated_data_runs_as_it_says(tmp_path):
    made = textmill("demo", "--only-data", "--dir", "tickets", "--rows", "3000", "--json", folder=tmp_path)
    assert made.status == 0, made.err
    answer = textmill(
        "run", ROOT / "examples" / "tickets.toml", "--json", "--set", f"store={tmp_path / 'store'}",
        folder=tmp_path, env={"TEXTMILL_DATA": str(tmp_path / "tickets")},
    )  # fmt: skip
    assert answer.status == 0, answer.err
    assert answer.json["ledger"] == made.json["planted"]["ledger"]
    assert answer.json["metrics"]["accuracy"] > 0.7
