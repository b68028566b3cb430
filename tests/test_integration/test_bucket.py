"""A whole job from the command line with its store in a bucket, on a real S3 server."""

import csv

import pytest
from command_line import textmill
from s3_server import make_bucket, s3_server

from cluster.driver import run_job
from pipeline.config import load_job

#: Longer than a busy machine takes.
LONG_S = 600

JOB = """
name = "notes"
store = "{store}"
[source]
files = ["notes.csv"]
columns = {{ text = "text", label = "label" }}
[dataset]
name = "notes"
mode = "append"
[dedupe]
exact = ["text"]
[features]
bits = 12
[train]
split = {{ test = 0.2, seed = 1 }}
[cluster]
workers = 1
"""


@pytest.fixture(scope="module")
def server():
    with s3_server() as variables:
        yield variables


def write_notes(path, first, count):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for n in range(first, first + count):
            label = ("praise", "blame")[n % 2]
            writer.writerow([f"{('lovely', 'awful')[n % 2]} thing number {n}", label])


@pytest.mark.timeout(1800)
def test_a_job_runs_into_a_bucket_and_gives_the_model_of_a_folder(server, tmp_path):
    variables = {**server, "TEXTMILL_WORK": str(tmp_path / "work")}
    uri = f"{make_bucket(server, 'corpora')}/team/store"
    job = tmp_path / "job.toml"
    job.write_text(JOB.format(store=uri))
    for first in (0, 60):
        # The second run meets ten rows of the first again, which lie in the bucket by then.
        write_notes(tmp_path / "notes.csv", first, 70)
        answer = textmill("run", "job.toml", "--json", folder=tmp_path, env=variables, timeout=LONG_S)
        assert answer.status == 0, answer.err
        here = run_job(load_job(job, [f"store={tmp_path / 'here'}", "cluster.processes=false"]))
    told = answer.json
    assert told["ledger"] == here.to_dict()["ledger"]
    assert told["ledger"]["duplicates"]["exact"] == 10
    assert told["dataset"]["fingerprint"] == here.dataset.fingerprint
    assert told["model"]["sha256"] == here.model.sha256
    model = told["model"]["id"]

    def ask(*arguments):
        answer = textmill(*arguments, "--store", uri, folder=tmp_path, env=variables, timeout=LONG_S)
        assert answer.status == 0, answer.err
        return answer

    assert "130" in ask("query", "SELECT count(*) AS n FROM notes", "--json").out
    assert here.model.sha256 in ask("reproduce", model, "--json").out
    assert ask("verify", "--json").json == []
    assert not (tmp_path / "s3:").exists()
    # Nothing that must last lies on this machine alone.
    moved = {**variables, "TEXTMILL_WORK": str(tmp_path / "another machine")}
    found = textmill("models", "--store", uri, "--json", folder=tmp_path, env=moved, timeout=LONG_S)
    assert model in found.out
