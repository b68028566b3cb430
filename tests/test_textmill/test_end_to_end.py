"""The command line as a person meets it: real processes, real exit statuses."""

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest

import textmill

TEXTMILL = [sys.executable, "-m", "textmill.cli.main"]
# One worker runs them all: they share the demo, and each takes the machine for itself.
pytestmark = pytest.mark.xdist_group("end_to_end")
ENVIRONMENT = {**os.environ, "PYTHONWARNINGS": "error::DeprecationWarning:textmill"}


def run(*words, cwd, status=0):
    ended = subprocess.run(
        [*TEXTMILL, *map(str, words)], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=240
    )
    assert ended.returncode == status, ended.stderr
    return ended


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(place):
    """A demo that was run: its folder and what it printed as JSON."""
    ended = run("demo", "--rows", 6000, "--workers", 1, "--json", cwd=place)
    assert ended.stderr == ""
    return json.loads(ended.stdout)


def test_the_demo_finds_exactly_what_was_planted(demo):
    assert demo["state"] == "succeeded"
    assert demo["ledger"] == demo["planted"]
    assert demo["ledger"]["read"] == 6000
    assert 0.85 < demo["metrics"]["accuracy"] < 0.99


def test_the_json_has_the_promised_shape(demo):
    assert {"job", "state", "dataset", "ledger", "model", "metrics", "seconds", "peak_memory_bytes"} <= set(demo)
    assert {"name", "version", "fingerprint"} <= set(demo["dataset"])
    assert {"id", "sha256"} <= set(demo["model"])
    assert {"accuracy", "macro_f1", "log_loss", "test_rows"} <= set(demo["metrics"])
    assert {"ingest", "features", "train", "total"} <= set(demo["seconds"])
    assert demo["peak_memory_bytes"] > 0


def test_the_store_remembers_the_run(demo, place):
    store = textmill.open_store(demo["store"])
    record = store.run(demo["job"])
    assert (record["ledger"], record["dataset"]) == (demo["ledger"], demo["dataset"])
    with open(demo["page"], encoding="utf-8") as page:
        assert demo["dataset"]["fingerprint"] in page.read()
    assert store.snapshot("tickets").version.rows == demo["ledger"]["kept"]
    told = run("query", "SELECT count(*) AS n FROM tickets", "--store", demo["store"], "--json", cwd=place)
    assert json.loads(told.stdout) == {"n": demo["ledger"]["kept"]}


def test_running_again_from_elsewhere_in_python_gives_the_same_rows_and_the_same_model(
    demo, place, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    job = textmill.load_job(place / "textmill-demo" / "job.toml", ["cluster.processes=false"])
    result = textmill.run(job, store=tmp_path / "other", workers=2)
    assert result.dataset.fingerprint == demo["dataset"]["fingerprint"]
    assert result.model.sha256 == demo["model"]["sha256"]
    assert result.ledger.to_dict() == demo["ledger"]
    assert textmill.write_report(result, tmp_path / "page.html").is_file()
    model = textmill.load_model(result.model.id, tmp_path / "other")
    assert set(model.predict(["Where is my parcel?", "我要退钱"])) <= set(model.labels)


QUIET = """
import sys
import textmill
from textmill.demo.corpus import write_corpus

if __name__ == "__main__":
    job = write_corpus(sys.argv[1], rows=300, parts=2).job
    for processes in ("true", "false"):
        print(textmill.run(job, overrides=[f"cluster.processes={processes}"], workers=1).state)
"""


def test_a_run_from_python_says_nothing_by_itself(tmp_path):
    (tmp_path / "quiet.py").write_text(QUIET)
    words = [sys.executable, "quiet.py", tmp_path / "corpus"]
    ended = subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=240)
    assert (ended.stderr, ended.stdout) == ("", "succeeded\nsucceeded\n")


def test_commands_proposed_by_the_report_work_when_pasted(demo, place):
    text = run("report", demo["job"], "--text", "--store", "textmill-demo/store", cwd=place).stdout
    commands = [line.strip() for line in text.splitlines() if line.startswith("  textmill ")]
    pasted = [line for line in commands if line.split()[1] in ("show", "query", "fates", "model")]
    assert len(pasted) == 4
    for line in pasted:
        shell = f'textmill() {{ {" ".join(TEXTMILL)} "$@"; }}; {line}'
        ended = subprocess.run(["bash", "-c", shell], cwd=place, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stderr) == (0, ""), line
        assert ended.stdout


def test_predict_in_parallel_processes(demo, place):
    raw = "textmill-demo/raw/tickets-*.csv"
    ended = run(
        "predict", demo["model"]["id"], raw, "-o", "scored.parquet", "--store", "textmill-demo/store", "--workers", 1,
        "--json", cwd=place,
    )  # fmt: skip
    ledger = json.loads(ended.stdout)["ledger"]
    structural = {name: demo["ledger"]["rejected"][name] for name in ledger["rejected"]}
    assert ledger["rejected"] == structural
    assert ledger["kept"] + sum(structural.values()) == ledger["read"] == 4500
    assert sorted(path.name for path in place.iterdir()) == ["scored.parquet", "textmill-demo"]


def test_a_wrong_job_file_is_status_2_and_lists_every_problem(tmp_path):
    (tmp_path / "job.toml").write_text(
        'name = "x"\n[source]\nfiles = ["*.csv"]\nblok = "1MB"\n[dataset]\nname = "x"\nmode = "apend"\n'
    )
    ended = run("run", "job.toml", "--json", cwd=tmp_path, status=2)
    for problem in ("blok", "block", "apend", "append"):
        assert problem in ended.stderr
    assert "Traceback" not in ended.stderr
    told = json.loads(ended.stdout)
    assert (told["state"], len(told["problems"])) == ("failed", 2)
    assert not (tmp_path / "store").exists()


def test_missing_input_leaves_nothing_behind(tmp_path):
    (tmp_path / "job.toml").write_text('name = "x"\n[source]\nfiles = ["*.csv"]\n[dataset]\nname = "x"\n')
    ended = run("run", "job.toml", "--workers", 1, cwd=tmp_path, status=1)
    assert "*.csv" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_run_is_status_3_and_leaves_no_process(tmp_path, number):
    textmill.write_corpus(tmp_path, rows=2000)
    process = subprocess.Popen(
        [*TEXTMILL, "run", "job.toml", "--workers", "1"], cwd=tmp_path, env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        for line in process.stderr:
            if line.startswith("clean:"):
                break
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 3, err
        assert "Cancelled" in err
        assert "Traceback" not in err
        assert out == ""
        gone, alive = psutil.wait_procs(children, timeout=30)
        assert not alive
        assert gone
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
