"""Secrets planted wherever they can stand: none is in anything that a run leaves, but in the rows themselves."""

import json
import logging
from pathlib import Path

import pytest

from cluster.driver import driving, finish, run_job
from cluster.job import Kind
from cluster.jobs import Jobs
from cluster.progress import Silence
from cluster.structured import JsonLines
from cluster.submission import Submission
from pipeline.errors import JobFileError
from storage.store import Store
from textmill.report.page import write_page

SECRET = "hunter2hunter2"
JOB = """name = "x"
store = "store"
[source]
files = ["*-${DATA_TOKEN}.csv"]
columns = { text = "body" }
[[clean]]
op = "map_values"
column = "text"
mapping = { "hunter2hunter2" = "x" }
[dataset]
name = "x"
message = "as hunter2hunter2, and as ${DATA_TOKEN}"
[cluster]
processes = false
workers = 1
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_TOKEN", SECRET)
    (tmp_path / f"a-{SECRET}.csv").write_text("body\nhello\nworld\n")
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


def submission(place, **more):
    return Submission(
        name="x",
        text=(place / "job.toml").read_text(),
        origin=str(place / "job.toml"),
        here=str(place),
        store=str(place / "store"),
        **more,
    )


def leaks(place):
    """Files with the secret, but for the rows, whose ids are the names of source files."""
    files = [path for path in (place / "store").rglob("*") if path.is_file() and path.suffix != ".parquet"]
    assert files
    return [str(path.relative_to(place)) for path in files if SECRET.encode() in path.read_bytes()]


def test_nothing_that_a_run_leaves_holds_a_secret(place):
    given = submission(place, notify=f"curl -u me:{SECRET} host")
    result = run_job(given.job(), submission=given)
    assert result.ledger.kept == 2
    write_page(result.to_dict(), place / "store" / "page.html")
    assert leaks(place) == []
    store = Store.open(place / "store")
    [version] = store.versions("x")
    assert version.message == "as ${DATA_TOKEN}, and as ${DATA_TOKEN}"
    assert SECRET not in json.dumps(store.runs())
    kept = Jobs(store).find(result.job).submission()
    assert kept.notify == "curl -u me:${DATA_TOKEN} host"
    # What lies there by name means the same to whoever takes the job up.
    assert kept.job() == given.job()


def test_nothing_that_a_failed_run_leaves_holds_a_secret(place, caplog):
    (place / f"a-{SECRET}.csv").unlink()
    store = Store.open(place / "store", create=True)
    folder = Jobs(store).folder("run-1")
    folder.journal.append(Kind.SUBMITTED, name="x")
    submission(place, overrides=(f'dataset.message="{SECRET}"',)).save(folder.path)
    with driving(folder) as control, pytest.raises(Exception, match=SECRET) as error:
        finish(folder.submission().job(), store, control, Silence(), allow_code=False)
    told = logging.LogRecord("textmill", logging.ERROR, "", 0, "failed: %s", (SECRET,), (None, error.value, None))
    told.facts = {"files": [SECRET]}
    folder.logs.mkdir()
    (folder.logs / "driver.log").write_text(JsonLines().format(told))
    assert "*-${DATA_TOKEN}.csv" in folder.status().error
    assert leaks(place) == []


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ({"text": 'files = ["s3://me:letmein@host/x.csv"]'}, "me:***@"),
        ({"overrides": ("source.files=https://host/x.csv?sig=letmein",)}, "sig=***"),
        ({"notify": "curl -H 'Authorization: Bearer letmein' host"}, "Bearer ***"),
    ],
)
def test_a_secret_that_would_be_kept_is_refused_before_anything_is_written(place, where, told):
    given = submission(place)
    job = given.job()
    given = Submission(**{**{name: getattr(given, name) for name in given.__slots__}, **where})
    with pytest.raises(JobFileError, match=r"write \$\{NAME\} instead") as refused:
        run_job(job, submission=given)
    assert told in str(refused.value)
    assert "letmein" not in str(refused.value)
    assert not Path(job.store).exists()
