"""`textmill profile`: terminal, JSON and page say the same; workers and the API give the same bytes."""

import json
import re

import pyarrow as pa
import pytest
from click.testing import CliRunner

import textmill
from storage.fingerprint import fingerprint_of
from storage.parquet import write_part
from storage.store import Store
from storage.versions import CommitRequest
from textmill.cli.main import cli

EVIL = "<script>alert(1)</script>"


def commit(store, labels, run):
    texts = [f"{EVIL} order {number} 包裹还没到" if number % 2 else "parcel late" for number in range(len(labels))]
    table = pa.table({"text": texts, "label": labels, "_source": ["a.csv"] * len(labels)})
    part = write_part(table, store.staging(run) / "part.parquet")
    mark = fingerprint_of(table, ["text", "label"])
    request = {"dataset": "tickets", "mode": "replace", "parts": (part,), "schema": table.schema}
    store.commit(CommitRequest(**request, fingerprint=mark, run=run))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("profile")
    store = Store.open(path / "store", create=True)
    commit(store, ["bill"] * 300 + ["slow"] * 100, "one")
    commit(store, ["bill"] * 100 + ["slow"] * 300, "two")
    return path


def run(folder, *words):
    done = CliRunner().invoke(cli, ["profile", *words, "--store", str(folder / "store")])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_json_api_and_workers_agree(folder):
    line = run(folder, "tickets", "--json")
    facts = json.loads(line)
    assert [one["column"] for one in facts["columns"]] == ["text", "label"]
    assert facts["rows"] == 400
    first, second = facts["versions"]
    assert (first["labels"], second["labels"]) == ({"slow": 300, "bill": 100}, {"bill": 300, "slow": 100})
    assert first["version"] > second["version"]
    assert any(re.match('label shares, most of all "bill": 75.00%', told) for told in facts["anomalies"])
    assert textmill.profile("tickets", folder / "store") == facts
    assert run(folder, "tickets", "--json", "--workers", "1") == line


def test_earlier_versions_and_how_many(folder):
    number = json.loads(run(folder, "tickets", "--json"))["versions"][1]["version"]
    facts = json.loads(run(folder, "tickets", "--json", "--at", str(number), "--top", "1"))
    assert [one["labels"] for one in facts["versions"]] == [{"bill": 300, "slow": 100}]
    assert all(len(one["values"]["top"]) <= 1 for one in facts["columns"])
    assert len(json.loads(run(folder, "tickets", "--json", "--versions", "1"))["versions"]) == 1
    assert json.loads(run(folder, "tickets", "--json", "--label", "none"))["versions"] == []


def test_the_terminal_and_the_page_tell_it(folder):
    shown = run(folder, "tickets")
    for told in ("Columns", "Label shares", "parcel", "包裹", "25.0 %", "75.0 %", "Worth knowing", "most of all"):
        assert told in shown
    path = folder / "pages" / "tickets.html"
    assert run(folder, "tickets", "--output", str(path)).strip() == str(path)
    page = path.read_text(encoding="utf-8")
    for told in ("parcel", "包裹", "Label shares", "Worth knowing", "<svg", "Examples"):
        assert told in page
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r'(src|href)="(?!#|data:)', page)


def test_an_unknown_name_is_answered(folder):
    done = CliRunner().invoke(cli, ["profile", "tickts", "--store", str(folder / "store")])
    assert done.exit_code == 2
    assert "tickts" in done.stderr
