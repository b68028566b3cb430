"""Jobs as `status`, `jobs`, `top` and `metrics` show them, from journals and signs of life alone."""

import json
import threading
import urllib.request

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from cluster.heartbeat import write_heartbeat
from cluster.job import Kind
from cluster.jobs import Jobs
from cluster.lease import claim
from storage.store import Store
from textmill.cli import metrics
from textmill.cli.main import cli
from textmill.cli.top import at_work, statuses

BEAT = {
    "stage": "clean",
    "tasks": 8,
    "done": 2,
    "done_rows": 3000,
    "done_bytes": 6_000_000,
    "stage_seconds": 3.0,
    "workers": 2,
    "memory_bytes": 1_000_000_000,
    "peak_memory_bytes": 2_000_000_000,
    "dashboard": "http://127.0.0.1:8787/status",
}


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store", create=True)


@pytest.fixture
def run(store):
    def invoke(*words):
        done = CliRunner().invoke(cli, [*words, "--store", store.uri])
        assert done.exit_code == 0, done.output
        return done.stdout

    return invoke


def job(store, run, state):
    """A job in the state that a real one would be in after these events."""
    folder = Jobs(store).folder(run)
    folder.journal.append(Kind.SUBMITTED, name="reviews")
    if state == "queued":
        return folder
    token = claim(folder.path).token
    for kind in (Kind.CLAIMED, Kind.STARTED, Kind.OPENED):
        folder.journal.append(kind, token)
    for stage, seconds in (("look", 1.0), ("scan", 2.0), ("look", 0.5)):
        folder.journal.append(Kind.STAGE, token, stage=stage, seconds=seconds)
    if state == "running":
        write_heartbeat(folder.path, token, BEAT)
    else:
        folder.journal.append(Kind(state), token, error="no room")
    return folder


def test_a_stage_that_comes_again_is_one_stage(store, run):
    folder = job(store, "run-1", "running")
    assert folder.status().stages == (
        {"stage": "look", "seconds": 1.5, "times": 2},
        {"stage": "scan", "seconds": 2.0, "times": 1},
    )
    shown = run("status", "run-1")
    assert "1.5 s, 2 times" in shown
    assert "2 of 8 blocks, 1,000 rows/s, 2.0 MB/s, about 9.0 s left" in shown
    assert "http://127.0.0.1:8787/status" in shown
    assert "clean 2/8" in run("jobs")


def test_top_shows_those_at_work_before_those_that_ended(store, run):
    for name, state in (("a", "failed"), ("b", "running"), ("c", "queued")):
        job(store, name, state)
    lines = run("top", "--once").splitlines()
    assert lines[0].endswith("2 jobs at work, 1.0 GB")
    assert [line.split()[:2] for line in lines[2:5]] == [["c", "queued"], ["b", "running"], ["a", "failed"]]
    assert "clean" in lines[3]
    assert "2/8" in lines[3]
    assert "1.0 GB of 2.0 GB" in lines[3]
    assert lines[5] == "b: http://127.0.0.1:8787/status"
    [told] = [one for one in json.loads(run("top", "--once", "--json")) if one["job"] == "b"]
    assert (told["progress"]["workers"], told["left_s"]) == (2, 9.0)


def test_top_shows_few_that_ended_and_ends_with_the_last_at_work(store, run):
    for number in range(9):
        job(store, f"run-{number}", "failed")
    seen = statuses(Jobs(store), [])
    assert [status.job for status in seen] == [f"run-{number}" for number in (8, 7, 6, 5, 4)]
    assert not at_work(seen)
    assert len(run("top", "--json").splitlines()) == 1
    assert [one["job"] for one in json.loads(run("top", "run-2", "--json"))] == ["run-2"]


def families(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_tell_of_jobs_at_work_and_of_runs(store, run, tmp_path):
    job(store, "a", "running")
    job(store, "b", "queued")
    for number in (1, 2):
        store.record_run(
            f"run-{number}",
            {
                "name": 'odd "name"\\',
                "started_at": f"2026-01-0{number}T00:00:00+00:00",
                "ledger": {"read": 10, "kept": 7, "rejected": {"short_row": number}, "filtered": {}, "duplicates": {}},
                "seconds": {"total": 2.5},
                "metrics": {"accuracy": 0.5 + number / 10},
                "peak_memory_bytes": 1000 * number,
                "dataset": {"name": "d", "version": number},
            },
        )
    found = families(run("metrics"))
    name, running = ("name", 'odd "name"\\'), (("job", "a"), ("name", "reviews"))
    assert found["textmill_jobs", ("state", "running")] == 1
    assert found["textmill_jobs", ("state", "queued")] == 1
    assert found["textmill_jobs", ("state", "lost")] == 0
    assert found["textmill_job_stage_blocks_done", *running, ("stage", "clean")] == 2
    assert found["textmill_job_stage_left_seconds", *running, ("stage", "clean")] == 9
    assert 0 <= found["textmill_job_heartbeat_age_seconds", *running, ("stage", "clean")] < 60
    assert found["textmill_runs_total", name] == 2
    assert found["textmill_run_seconds_total", name] == 5
    assert found["textmill_rows_total", ("fate", "kept"), name, ("reason", "")] == 14
    assert found["textmill_rows_total", ("fate", "rejected"), name, ("reason", "short_row")] == 3
    assert found["textmill_last_run_version", ("dataset", "d"), name] == 2
    assert found["textmill_last_run_quality", ("measure", "accuracy"), name] == 0.7
    run("metrics", "--output", str(tmp_path / "textmill.prom"))
    assert set(families((tmp_path / "textmill.prom").read_text())) == set(found)


def test_metrics_are_served_on_the_loopback_address_alone(store, run, monkeypatch):
    served = {}

    def start(*given, **named):
        served["server"], thread = metrics_start(*given, **named)
        served["up"] = thread
        return served["server"], threading.Thread(target=look)

    def look():
        address, port = served["server"].server_address[:2]
        served["host"] = address
        with urllib.request.urlopen(f"http://{address}:{port}/metrics", timeout=10) as answer:
            served["text"] = answer.read().decode()

    metrics_start = metrics.start_http_server
    job(store, "a", "running")

    def started(*given, **named):
        server, thread = start(*given, **named)
        thread.start()
        return server, thread

    monkeypatch.setattr(metrics, "start_http_server", started)
    assert run("metrics", "--listen", "0").startswith("http://127.0.0.1:")
    served["up"].join(10)
    assert not served["up"].is_alive()
    assert served["host"] == "127.0.0.1"
    assert families(served["text"])["textmill_jobs", ("state", "running")] == 1


def test_metrics_without_their_package_say_what_to_install(store, monkeypatch):
    monkeypatch.setattr(metrics, "_MISSING", ModuleNotFoundError("No module named 'prometheus_client'"))
    refused = CliRunner().invoke(cli, ["metrics", "--store", store.uri])
    assert refused.exit_code == 2
    assert "pip install 'textmill[metrics]'" in refused.stderr
