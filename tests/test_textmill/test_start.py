"""A model that learns on from an earlier one, as a job file says it."""

import csv
import json

import pytest
from click.testing import CliRunner

import textmill
from textmill.cli.main import cli

JOB = """
name = "tickets"
store = "store"
[source]
files = ["FILES"]
[dataset]
name = "tickets"
mode = "append"
[features]
bits = 14
[train]
epochs = 2
[cluster]
processes = false
"""
WORDS = {"bill": ["invoice", "paid", "refund"], "slow": ["late", "waiting", "queue"]}


def write(path, rows, first):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(first, first + rows):
            label = "bill" if number % 3 else "slow"
            writer.writerow([f"{WORDS[label][number % 3]} number{number} again", label])


@pytest.fixture
def go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*words):
        return CliRunner().invoke(cli, [*map(str, words)])

    return invoke


def test_new_files_are_learned_and_nothing_else_and_the_bytes_come_out_again(go, tmp_path):
    for number in range(2):
        write(tmp_path / f"day{number}.csv", 300, 300 * number)
        (tmp_path / f"day{number}.toml").write_text(JOB.replace("FILES", f"day{number}.csv"))
    first = json.loads(go("run", "day0.toml", "--workers", 1, "--json").stdout)["model"]["id"]
    assert go("model", first, "--stage", "production").exit_code == 0
    told = json.loads(
        go("run", "day1.toml", "--set", "train.start=tickets@production", "--workers", 2, "--json").stdout
    )
    assert 0 < told["metrics"]["train_rows"] < 300
    lineage = textmill.load_model(told["model"]["id"], "store").lineage
    assert (lineage["start"]["model"], lineage["start"]["version"]) == (first, 0)
    assert lineage["version"] == 1
    again = go("reproduce", told["model"]["id"], "--workers", 1)
    assert again.exit_code == 0, again.output
    assert first in go("lineage", told["model"]["id"]).stdout
    assert json.loads(go("lineage", told["model"]["id"], "--json").stdout)["started_from"] == first


def test_a_start_that_cannot_be_leaves_the_versions_as_they_were(go, tmp_path):
    write(tmp_path / "day0.csv", 200, 0)
    (tmp_path / "day0.toml").write_text(JOB.replace("FILES", "day0.csv"))
    model = json.loads(go("run", "day0.toml", "--workers", 1, "--json").stdout)["model"]["id"]
    for change, expected, status in (
        (("train.start=nobody",), "model 'nobody'", 2),
        ((f"train.start={model}", "features.bits=15"), "another [features] bits", 1),
    ):
        changes = [word for one in change for word in ("--set", one)]
        ended = go("run", "day0.toml", *changes, "--workers", 1)
        assert (ended.exit_code, expected in ended.stderr) == (status, True), ended.output
    assert [version.number for version in textmill.open_store("store").versions("tickets")] == [0]
