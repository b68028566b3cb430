"""Recording all that the page shows: each command is one that its program takes."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import record
from benchmarks.suites import MODULES


def test_every_suite_is_recorded_and_the_rest_too() -> None:
    assert set(record.commands()) == {*MODULES, "scaling-plan", "graph", "soak"}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(record, "RUNS", tmp_path)
    return tmp_path


def test_a_record_takes_the_place_of_the_one_before(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (runs / "plan.json").write_text("old")

    def pretend(words: list[str], **_: object) -> None:
        assert words[:3] == [sys.executable, "-m", "benchmarks.x"]
        Path(words[-1]).write_text("new")

    monkeypatch.setattr(subprocess, "run", pretend)
    assert record.record("plan", ["benchmarks.x"], runs / "store")
    assert [path.read_text() for path in runs.iterdir()] == ["new"]


def test_a_measurement_that_fails_leaves_the_record_of_before(runs: Path) -> None:
    (runs / "sorting.json").write_text("old")
    assert not record.record("sorting", ["textmill", "bench", "sorting", "--json"], runs / "store")
    assert [path.read_text() for path in runs.iterdir()] == ["old"]
