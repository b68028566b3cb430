import subprocess
import sys

import pytest

from pipeline.config import JobConfig
from pipeline.ingest.operations import OPERATIONS
from textmill.cli.job_reference import job_reference
from textmill.cli.main import VERBS
from textmill.cli.reference import DOCS, PAGES, cli_reference, write_pages


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_are_what_the_code_says(name):
    page = (DOCS / name).read_text(encoding="utf-8")
    assert page == PAGES[name](), f"docs/{name} is stale; run: python -m textmill.cli.reference"


def test_a_stale_page_is_written_anew_and_a_good_one_left(tmp_path):
    assert [path.name for path in write_pages(tmp_path)] == list(PAGES)
    assert write_pages(tmp_path) == []
    (tmp_path / "cli.md").write_text("old")
    assert write_pages(tmp_path) == [tmp_path / "cli.md"]
    assert (tmp_path / "cli.md").read_text(encoding="utf-8") == cli_reference()


def test_the_job_reference_names_every_key_and_operation():
    page = job_reference()
    for name, kind in OPERATIONS.items():
        assert f"### {name}\n" in page
        for key, field in kind.model_fields.items():
            assert key == "op" or f"| `{field.alias or key}` |" in page
    for key in JobConfig.model_fields:
        assert f"| `{key}` |" in page
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert all(line.count(" | ") >= 3 for line in rows)
    assert not [line for line in rows if line.endswith("|  |")], "a key without a docstring"


def test_the_cli_reference_names_every_verb():
    page = cli_reference()
    for verbs in VERBS.values():
        for verb in verbs:
            assert f"### textmill {verb}\n" in page


def test_the_module_is_a_command(tmp_path):
    words = [sys.executable, "-m", "textmill.cli.reference", str(tmp_path)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == set(PAGES)
