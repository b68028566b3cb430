"""The verbs that change a dataset, as a person calls them."""

import json

import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from oracles_small_store import small_store
from oracles_storage import rows_of

from storage.store import Store
from textmill.cli.main import cli


@pytest.fixture
def folder(tmp_path):
    small_store(tmp_path / "store")
    return tmp_path


@pytest.fixture
def run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return lambda *words: CliRunner().invoke(cli, list(words))


def opened(folder):
    return Store.open(folder / "store")


def texts(folder):
    return [row["text"] for row in rows_of(opened(folder), "tickets")]


def test_rows_are_taken_out(run, folder):
    dry = run("delete", "tickets", "--where", "label = 'complaint'", "--dry-run", "--json")
    assert json.loads(dry.stdout) == {"rows": 1, "files": 1}
    assert len(texts(folder)) == 2
    done = run("delete", "tickets", "--where", "label = 'complaint'", "--fates", "record LIKE 'only%'")
    assert "tickets version 2: 1 row taken out and 1 of its fates, 1 row left" in done.stdout
    assert "vacuum tickets --older-than 0" in done.stderr
    assert opened(folder).version("tickets").changes["deleted_fates"] == 1
    assert "nothing was changed" in run("delete", "tickets", "--where", "false").stdout
    assert run("delete", "tickets", "--where", "nope = 1").exit_code == 2


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_rows_are_put_in_by_key(run, folder, suffix):
    path = folder / f"more{suffix}"
    rows = [("退款 please", "inquiry"), ("new", "")]
    if suffix == ".csv":
        path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    elif suffix == ".jsonl":
        lines = [json.dumps({"text": text, "label": label or None}) for text, label in rows]
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        table = pa.table({"text": [text for text, _ in rows], "label": [label or None for _, label in rows]})
        pa.parquet.write_table(table, path)
    done = run("upsert", "tickets", path.name, "--key", "text")
    assert "1 row exchanged, 1 added, 3 in all" in done.output
    found = {row["text"]: row["label"] for row in rows_of(opened(folder), "tickets")}
    assert (found["退款 please"], found["new"]) == ("inquiry", None)


def test_what_cannot_be_put_in_is_told(run, folder):
    (folder / "bad.csv").write_text("text,amount\nx,much\n")
    assert "cannot be read" in run("upsert", "tickets", "bad.csv", "--key", "text").output
    assert "there is no file" in run("upsert", "tickets", "nope.csv", "--key", "text").output
    assert "known suffixes" in run("upsert", "tickets", "x.doc", "--key", "text").output
    assert opened(folder).version("tickets").number == 1


def test_columns_and_copies(run, folder):
    changed = run("columns", "tickets", "--rename", "text=body", "--add", "n=int", "--drop", "amount")
    assert changed.stdout == "tickets version 2: add n: int64, rename text to body, drop amount\n"
    assert run("columns", "tickets").exit_code == 2
    assert run("columns", "tickets", "--add", "n").exit_code == 2
    copied = run("copy", "tickets", "trial", "--at", "1", "--json")
    assert json.loads(copied.stdout)["copied_from"] == "tickets"
    assert run("copy", "tickets", "trial").exit_code == 2
    assert "amount" in opened(folder).snapshot("trial").schema.names


def test_compaction_is_asked_for_advised_or_automatic(run, folder):
    assert "are as wanted" in run("compact", "tickets").stdout
    assert "version 2: 1 file became 2" in run("compact", "tickets", "--partition", "label").stdout
    assert "does not pay" in run("compact", "tickets", "--advice").stdout
    assert json.loads(run("compact", "tickets", "--advice", "--json").stdout)["pays"] is False
    assert run("compact", "tickets", "--automatic", "on").exit_code == 0
    assert opened(folder).is_automatic("tickets")
    assert run("compact", "tickets", "--target", "huge").exit_code == 2


def test_changed_rows_are_shown_by_key(run, folder):
    (folder / "new.csv").write_text("text,label\n退款 please,inquiry\n", encoding="utf-8")
    run("upsert", "tickets", "new.csv", "--key", "text")
    shown = run("diff", "tickets", "1", "2", "--rows", "changed", "--key", "text", "--json")
    assert shown.exit_code == 0, shown.output
    row = json.loads(shown.stdout)
    assert (row["text"], row["label (was)"], row["label"]) == ("退款 please", "complaint", "inquiry")
    assert run("diff", "tickets", "1", "2", "--rows", "changed").exit_code == 2


def test_a_query_is_explained(run):
    run("compact", "tickets", "--partition", "label")
    query = "SELECT text FROM tickets WHERE label = 'inquiry'"
    shown = run("query", query, "--explain").stdout
    assert "tickets version 2: 1 of 2 files" in shown
    assert "filter (label = 'inquiry')" in shown
    told = json.loads(run("query", query, "--explain", "--json").stdout)
    assert (told["reads"]["tickets"]["files"], told["reads"]["tickets"]["columns"]) == (1, ["label"])


def test_versions_are_carried_and_followed(run, folder):
    assert "tickets version 1 is in out" in run("export", "tickets", "--output", "out", "--models").stdout
    assert run("export", "tickets", "--output", "out").exit_code == 2
    assert "is in tickets-export" in run("export", "tickets").stdout
    done = run("import", "out", "--store", "elsewhere", "--name", "trial", "--json")
    assert json.loads(done.stdout)["copied_from"] == "tickets@1"
    assert run("import", "nowhere").exit_code == 2
    told = json.loads(run("lineage", "model-1", "--json").stdout)
    assert (told["dataset"], told["version"], told["sources"]) == ("tickets", 1, {"a.csv": 2})
    reached = json.loads(run("lineage", "a.csv", "--json").stdout)["reached"]
    assert [(each["version"], each["rows"], each["models"]) for each in reached] == [(1, 2, ["model-1"]), (0, 2, [])]
    assert "b.csv" in run("lineage", "tickets", "--at", "0").stdout
    assert "is no dataset, model or source file" in run("lineage", "nope").output
