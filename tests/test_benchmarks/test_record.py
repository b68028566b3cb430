"""Recording all that the page shows: each command is one that its program takes, and each record has its place."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import record
from benchmarks.sections import KINDS, kind_of
from benchmarks.suites import MODULES


def test_every_suite_is_recorded_and_the_rest_too() -> None:
    others = set(record.commands()) - set(MODULES)
    assert set(record.commands()) >= set(MODULES)
    assert {kind_of(name) for name in others} == set(KINDS)


def test_a_record_takes_the_place_of_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plan.json").write_text("old")

    def pretend(words: list[str], **_: object) -> None:
        assert words[:3] == [sys.executable, "-m", "benchmarks.x"]
        Path(words[-1]).write_text("new")

    monkeypatch.setattr(subprocess, "run", pretend)
    assert record.record("plan", ["benchmarks.x"], tmp_path, tmp_path / "store")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


def test_a_measurement_that_fails_leaves_the_record_of_before(tmp_path: Path) -> None:
    (tmp_path / "sorting.json").write_text("old")
    assert not record.record("sorting", ["textmill", "bench", "sorting"], tmp_path, tmp_path / "store")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_an_option_takes_the_place_of_the_one_before() -> None:
    words = ["x", "--sizes", "1GB", "10GB", "--near", "--stage", "train"]
    assert record.with_options(words, []) == words
    assert record.with_options(words, ["--sizes", "2MB"]) == ["x", "--near", "--stage", "train", "--sizes", "2MB"]


def test_words_after_two_dashes_go_to_the_command_and_the_page_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--only", "kills", "--docs", str(tmp_path / "docs"), "--store", str(tmp_path / "store")]
    assert record.main([*words, "--", "--rounds", "2", "--seed", "3"]) == 0
    page = (tmp_path / "docs" / "benchmarks.md").read_text()
    assert "    python -m benchmarks.kills --rounds 2 --seed 3\n" in page
    assert "| FALLS SHORT | kills |  | kills after each of which the store was whole | at least 200 | 2 | 4 |" in page
    assert str(tmp_path / "docs" / "benchmarks.md") in capsys.readouterr().out
