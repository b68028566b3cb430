import io
import json
import os
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import click
import pandas as pd
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from oracles_small_store import LEDGER, ROWS, small_store
from rich.cells import cell_len

from cluster.errors import StalledError
from pipeline.errors import DataError, JobFileError
from storage.errors import DatasetNotFoundError, DiskFullError, StoreNotFoundError
from textmill.cli import failures, names, output
from textmill.cli.main import VERBS, cli
from textmill.cli.verb import Verb


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("cli") / "store").layout.root


@pytest.fixture
def run(folder):
    def invoke(line, **options):
        return CliRunner().invoke(cli, shlex.split(line), env={"TEXTMILL_STORE": str(folder)}, **options)

    return invoke


ALL_VERBS = [verb for verbs in VERBS.values() for verb in verbs]


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_every_verb_explains_itself(run, verb):
    shown = run(f"{verb} --help")
    assert shown.exit_code == 0, shown.output
    assert "Examples:" in shown.output
    assert "--store" in shown.output
    assert "--json" in shown.output


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_examples_are_lines_that_the_command_line_understands(verb):
    command = cli.get_command(click.Context(cli), verb)
    assert isinstance(command, Verb)
    assert command.examples
    for line, meaning in command.examples:
        assert meaning
        if line.startswith("eval"):
            line = line.split("$(")[1].split(")")[0]
        words = shlex.split(line, comments=True)
        words = words[: next((at for at, word in enumerate(words) if word in {">", "<", "|"}), len(words))]
        after = 1 + len(verb.split())
        assert words[:after] == ["textmill", *verb.split()]
        with command.make_context(verb, words[after:], resilient_parsing=False):
            pass


def test_the_help_names_every_verb_with_its_own_first_words(run):
    unfolded = " ".join(run("--help").output.split())
    for verbs in VERBS.values():
        for verb, (_, line) in verbs.items():
            assert line in unfolded, verb
            own = cli.get_command(click.Context(cli), verb).help
            assert own.split()[:3] == line.split()[:3], verb


def test_the_help_starts_without_the_heavy_packages():
    heavy = {"dask", "distributed", "duckdb", "deltalake", "sklearn", "pyarrow", "numba", "pandas", "pydantic", "numpy"}
    code = (
        "import sys\nfrom textmill.cli.main import cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


def test_a_query_starts_without_what_runs_jobs_and_compiles(folder):
    heavy = {"dask", "distributed", "sklearn", "scipy", "numba", "pandas", "pydantic"}
    code = (
        "import sys\nfrom textmill.cli.main import cli\n"
        "try:\n    cli.main(['query', 'SELECT count(*) AS n FROM tickets', '--json', '--store', sys.argv[1]])\n"
        "except SystemExit:\n    pass\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines() == ['{"n": 2}', "[]"]


def test_datasets(run):
    found = json.loads(run("datasets --json").stdout)
    assert [(each["name"], each["version"], each["rows"], each["versions"]) for each in found] == [("tickets", 1, 2, 2)]
    assert "tickets" in run("datasets").stdout


def test_show(run):
    found = json.loads(run("show tickets --at 0 --json").stdout)
    assert (found["number"], found["rows"], found["run"]) == (0, 3, "run-1")
    assert found["columns"] == {"text": "string", "label": "string", "_source": "string", "_position": "int64"}
    text = run("show tickets --at v0").stdout
    for fact in ("退款 please", "line␊break ␛[31m", "null", "sha256:", "short_row", "made by run-1", "20.0 %"):
        assert fact in text, fact
    assert "\x1b" not in text


def test_versions_newest_first(run):
    assert [each["number"] for each in json.loads(run("versions tickets --json").stdout)] == [1, 0]
    lines = run("versions tickets").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["1", "0"]
    assert all(line == line.rstrip() for line in lines)


def test_diff(run):
    found = json.loads(run("diff tickets 0 1 --json").stdout)
    assert found["counts"]["rows"] == {"old": 3, "new": 2}
    assert found["columns"] == {"added": ["amount: double"]}
    assert found["labels"] == {"label complaint": {"old": 1, "new": 1}, "label inquiry": {"old": 2, "new": 1}}
    assert found["same_content"] is False
    assert json.loads(run("diff tickets 1 0 --json").stdout)["columns"] == {"removed": ["amount: double"]}
    assert json.loads(run("diff tickets 1 1 --json").stdout)["same_content"] is True
    assert "have the same content" in run("diff tickets 1 1").stdout
    text = run("diff tickets 0").stdout
    assert "Columns added: amount: double." in text
    removed = [json.loads(line) for line in run("diff tickets 0 1 --rows removed --json").stdout.splitlines()]
    assert {"text": None, "label": "inquiry", "amount": None} in removed
    assert "退款 please" in run("diff tickets 0 1 --rows added").stdout


def test_vacuum_and_verify(tmp_path):
    store = small_store(tmp_path / "store")

    def go(*words):
        return CliRunner().invoke(cli, [*words, "--store", store.uri])

    assert "as it was written" in go("verify").stdout
    assert json.loads(go("verify", "--json").stdout) == []
    (store.staging("delete-1") / "left-000000.parquet").write_bytes(b"x")
    assert go("verify", "--json").stdout.strip() == "[]"  # it may be at work
    os.utime(store.layout.staging("delete-1"), (1, 1))
    told = json.loads(go("verify", "--json").stdout)
    assert [(each["kind"], each["path"]) for each in told] == [("orphan", "_staging/delete-1")]
    planned = json.loads(go("vacuum", "tickets", "--older-than", "0", "--dry-run", "--json").stdout)
    assert (planned["versions"], planned["dry_run"]) == ([0], True)
    text = go("vacuum", "tickets", "--older-than", "0").stdout
    assert "of 1 version removed" in text
    assert "model model-1" in text
    assert go("verify").exit_code == 0
    assert not store.layout.staging("delete-1").exists()
    assert go("show", "tickets", "--at", "0").exit_code == 2
    part = store.snapshot("tickets").files[0].path
    Path(part).unlink()
    ended = go("verify")
    assert (ended.exit_code, "missing" in ended.stdout) == (1, True)


def test_show_tells_how_columns_are_stored(run):
    layout = json.loads(run("show tickets --json").stdout)["layout"]
    (label,) = [one for one in layout if one["column"] == "label"]
    assert (label["encodings"], label["compressions"]) == (["PLAIN"], ["ZSTD"])
    assert all(one["stored_bytes"] > 0 for one in layout)
    line = next(line for line in run("show tickets").stdout.splitlines() if line.startswith("label"))
    assert line.split()[-3:-1] == ["plain", "zstd"]


def test_query(run, tmp_path):
    select = "SELECT label, count(*) AS n, max(amount) AS most FROM tickets GROUP BY label ORDER BY label"
    found = [json.loads(line) for line in run(f"query '{select}' --json").stdout.splitlines()]
    assert found == [{"label": "complaint", "n": 1, "most": 1.5}, {"label": "inquiry", "n": 1, "most": None}]
    table = run(f"query '{select}'").stdout.splitlines()
    assert table[0].split() == ["label", "n", "most"]
    assert table[2].split() == ["inquiry", "1", "null"]
    older = run("query 'SELECT count(*) AS n FROM tickets' --at tickets=0 --json").stdout
    assert json.loads(older) == {"n": 3}
    assert json.loads(run("query - --json", input="SELECT 1 AS one").stdout) == {"one": 1}
    twins = run("query 'SELECT 1 AS a, 2 AS a'").stdout.splitlines()
    assert twins[1].split() == ["1", "2"]


def test_query_prints_times_that_python_has_not(run):
    select = "SELECT DATE '290000-01-01' AS far, TIMESTAMP 'infinity' AS never, DATE '2020-01-02' AS day"
    found = json.loads(run(f'query "{select}" --json').stdout)
    assert found["day"] == "2020-01-02"
    assert all(isinstance(found[name], str) for name in ("far", "never"))
    assert len(run(f'query "{select}"').stdout.splitlines()) == 2


def test_query_pages_fit_together(run):
    line = "query 'SELECT i FROM range(250) t(i)'"
    first = run(line)
    assert len(first.stdout.splitlines()) == 101
    cursor = first.stderr.split("--cursor ")[1].strip()
    second = run(f"{line} --cursor {cursor} --limit 120 --json")
    assert [json.loads(row)["i"] for row in second.stdout.splitlines()] == list(range(100, 220))
    last = run(f"{line} --cursor {second.stderr.split('--cursor ')[1].strip()}")
    assert (len(last.stdout.splitlines()), last.stderr) == (31, "")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "arrow"])
def test_query_writes_files_that_others_read(run, tmp_path, suffix):
    path = tmp_path / f"rows.{suffix}"
    ended = run(f"query 'SELECT text, label, amount FROM tickets ORDER BY label' --output {path}")
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "", f"2 rows in {path}\n")
    read = {
        "csv": pd.read_csv, "parquet": pd.read_parquet, "arrow": pd.read_feather,
        "jsonl": lambda where: pd.read_json(where, lines=True),
    }[suffix]  # fmt: skip
    frame = read(path)
    assert frame["text"].tolist() == [row["text"] for row in ROWS[:2]]
    assert frame["amount"].tolist()[0] == 1.5
    assert frame["amount"].isna().tolist() == [False, True]


def test_a_file_that_cannot_hold_the_rows_is_not_left_behind(run, tmp_path):
    path = tmp_path / "rows.csv"
    ended = run(f"query 'SELECT [1, 2] AS a' --output {path}")
    assert ended.exit_code == 1
    assert "Cast the column" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_tag_and_rollback(tmp_path):
    store = small_store(tmp_path / "store")

    def go(*words):
        return CliRunner().invoke(cli, [*words, "--store", store.uri])

    assert "tagged good" in go("tag", "tickets", "0", "good").stdout
    taken = go("tag", "tickets", "1", "good")
    assert taken.exit_code == 2
    assert go("tag", "tickets", "1", "good", "--move").exit_code == 0
    assert store.tags("tickets") == {"good": 1}
    taken = go("tag", "tickets", "0", "good", "--drop")
    assert (taken.exit_code, "names version 1, not 0" in taken.stderr) == (2, True)
    assert "version 1 has no tag" in go("tag", "tickets", "1", "good", "--drop").stdout
    assert store.tags("tickets") == {}
    made = go("rollback", "tickets", "0", "-m", "back again", "--json")
    found = json.loads(made.stdout)
    assert (found["number"], found["rows"], found["message"]) == (2, 3, "back again")
    assert store.version("tickets").fingerprint == store.version("tickets", 0).fingerprint


def test_fates(run):
    found = [json.loads(line) for line in run("fates tickets --json").stdout.splitlines()]
    assert [(each["source"], each["position"], each["reason"]) for each in found] == [
        ("a.csv", 80, "short_row"), ("a.csv", 99, "exact"),
    ]  # fmt: skip
    assert len(run("fates tickets --json --limit 1").stdout.splitlines()) == 1
    text = run("fates tickets").stdout
    assert "only one field" in text
    assert "a.csv 11" in text
    only = run("fates tickets --reason exact").stdout
    assert "only one field" not in only
    none = run("fates tickets --reason nothing")
    assert none.stdout == ""
    assert "exact, short_row" in none.stderr


def test_jobs_and_report(run, folder, tmp_path):
    assert [each["run"] for each in json.loads(run("jobs --json").stdout)] == ["run-2", "run-1"]
    assert "0.912" in run("jobs").stdout
    place = run("report").stdout.strip()
    assert place == str(folder / "_reports" / "run-2.html")
    page = tmp_path / "page.html"
    assert run(f"report run-1 --output {page}").exit_code == 0
    assert page.read_text().startswith("<!doctype html>")
    assert "What became of it" in run("report run-1 --text").stdout
    assert json.loads(run("report run-1 --json").stdout)["job"] == "run-1"


def test_models(run, folder):
    assert [each["id"] for each in json.loads(run("models --json").stdout)] == ["model-1"]
    assert "tickets version 1" in run("models").stdout
    found = json.loads(run("model model-1 --json").stdout)
    assert found["path"].startswith(str(folder))
    text = run("model mod").stdout
    for fact in ("model-1", "0.900", "epochs", "numpy"):
        assert fact in text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("datasts", "Did you mean 'datasets'?"),
        ("show nothing", "no such dataset"),
        ("show tickets --at 9", "9"),
        ("show", "Missing argument"),
        ("datasets --store /nowhere/at/all", "no textmill store"),
        ("model nothing", "nothing"),
        ("report nothing", "nothing"),
        ("fates tickets --limit -1", "--limit"),
        ("query 'SELECT 1' --output x.xlsx", ".parquet"),
        ("query 'SELECT 1' --at tickets", "tickets=3"),
        ("completion csh", "bash"),
        ("run missing.toml", "missing.toml"),
    ],
)
def test_wrong_use_is_status_2_with_one_message_on_stderr(run, line, told):
    ended = run(line)
    assert ended.exit_code == 2, ended.output
    assert told in ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (JobFileError(("a: b",)), 2),
        (StoreNotFoundError("s", "p", "c"), 2),
        (DatasetNotFoundError("s", "p", "c"), 2),
        (click.UsageError("no"), 2),
        (DataError("p", "c"), 1),
        (StalledError("scan", 1.0, 2), 1),
        (DiskFullError("s", "p", "c"), 1),
        (PermissionError(13, "denied"), 1),
        (TypeError("a defect"), 1),
        (click.Abort(), 3),
        (KeyboardInterrupt(), 3),
    ],
)
def test_status_and_message_of_each_failure(error, status):
    assert failures.status_of(error) == status
    assert failures.message_of(error)


def test_notes_are_told_and_defects_named():
    error = DataError("only one class", "Add another")
    error.add_note("The dataset was committed before this.")
    assert failures.message_of(error) == "only one class. Add another\nThe dataset was committed before this."
    assert "defect" in failures.message_of(TypeError("x"))


def failing(error):
    @click.command()
    def verb():
        raise error

    return verb


@pytest.mark.parametrize("debug", [True, False])
def test_a_traceback_comes_only_when_asked_for(run, monkeypatch, debug):
    monkeypatch.setattr("textmill.cli.datasets.datasets", failing(TypeError("oops")))
    ended = run("--debug datasets" if debug else "datasets")
    assert ended.exit_code == 1
    assert ("Traceback" in ended.stderr) == debug
    assert "oops" in ended.stderr


def test_an_interrupt_is_status_3(run, monkeypatch):
    monkeypatch.setattr("textmill.cli.datasets.datasets", failing(KeyboardInterrupt()))
    ended = run("datasets")
    assert ended.exit_code == 3
    assert "cancelled" in ended.stderr
    assert ended.stdout.strip() == ""


def test_a_reader_that_leaves_is_no_failure(folder):
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "textmill.cli.main", "fates", "tickets", "--json", "--store", str(folder)]
    ended = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, timeout=60)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(run, shell):
    assert "_TEXTMILL_COMPLETE" in run(f"completion {shell}").stdout


def completed(folder, line, incomplete=""):
    found = ShellComplete(cli, {}, "textmill", "_TEXTMILL_COMPLETE").get_completions(
        [*shlex.split(line), "--store", str(folder)], incomplete
    )
    return [item.value for item in found]


def test_names_are_completed(folder, tmp_path):
    assert ShellComplete(cli, {}, "textmill", "X").get_completions([], "data")[0].value == "datasets"
    assert completed(folder, "show") == ["tickets"]
    assert completed(folder, "show", "x") == []
    assert completed(folder, "model", "mo") == ["model-1"]
    assert completed(folder, "report") == ["run-2", "run-1"]
    assert completed(folder, "tag tickets") == ["1", "0"]
    assert completed(tmp_path, "show") == []


@pytest.mark.parametrize(
    ("text", "version"), [("3", 3), ("v3", 3), ("approved", "approved"), ("2026-01-01", "2026-01-01")]
)
def test_versions_are_numbers_tags_or_times(text, version):
    assert names.VERSION.convert(text, None, None) == version
    assert names.PIN.convert(f"tickets={text}", None, None) == ("tickets", version)


def test_values_in_json_and_cells():
    value = {
        "amount": Decimal("1.50"), "at": datetime(2026, 1, 1, tzinfo=UTC), "bytes": b"\x00\xff", "nan": float("nan"),
        "nested": [{"inf": float("-inf")}], "text": "退款",
    }  # fmt: skip
    assert json.loads(output.json_line(value)) == {
        "amount": "1.50", "at": "2026-01-01T00:00:00+00:00", "bytes": "AP8=", "nan": None, "nested": [{"inf": None}],
        "text": "退款",
    }  # fmt: skip
    assert "退款" in output.json_line(value)
    assert len(output.cell("x" * 500, cut=True)) == 120
    assert len(output.cell("x" * 500, cut=False)) == 500
    assert output.cell(None, cut=True).plain == "null"


def test_tables_keep_wide_characters_in_their_columns(capsys):
    output.print_table(("名称", ">n"), [("退款问题", 1), ("ab", 22)])
    lines = capsys.readouterr().out.splitlines()
    assert {cell_len(line) for line in lines} == {12}


def test_the_ledger_and_rows_of_the_small_store_are_what_the_tests_say(folder, run):
    found = json.loads(run("show tickets --at 0 --json").stdout)
    assert found["ledger"] == LEDGER
    assert found["rows"] == len(ROWS)
    assert io.StringIO(run("--version").stdout).read().startswith("textmill, version ")
