"""Dask's report of a run and its dashboard, drawn by a real scheduler in a process of its own."""

import urllib.request
from pathlib import Path

import psutil
import pytest

from cluster import packages
from cluster.driver import run_job
from cluster.jobs import Jobs
from cluster.progress import Silence
from pipeline.config import parse_job
from pipeline.errors import JobFileError
from storage.store import Store

pytestmark = pytest.mark.xdist_group("cluster")


def job_of(place, **cluster):
    (place / "a.csv").write_text("text\nhello\nworld\n")
    return parse_job(
        {
            "name": "x",
            "store": str(place / "store"),
            "source": {"files": ["a.csv"], "root": str(place)},
            "dataset": {"name": "x"},
            "cluster": {"workers": 1, **cluster},
        }
    )


class Visitor(Silence):
    """Opens the dashboard while the run goes on."""

    def __init__(self):
        self.page, self.listening = "", set()

    def note(self, message):
        if message.startswith("dashboard: http"):
            with urllib.request.urlopen(message.removeprefix("dashboard: "), timeout=60) as answer:
                self.page = answer.read().decode()
            for process in psutil.Process().children(recursive=True):
                connections = process.net_connections(kind="tcp")
                self.listening |= {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}


def test_a_run_can_be_watched_and_leaves_a_report(tmp_path):
    visitor = Visitor()
    result = run_job(job_of(tmp_path, dashboard=True, performance_report=True), listener=visitor)
    assert "Bokeh" in visitor.page
    assert visitor.listening == {"127.0.0.1"}
    status = Jobs(Store.open(tmp_path / "store")).find(result.job).status()
    page = Path(status.performance).read_text()
    assert "Dask Performance Report" in page
    assert "stage_partition" in page
    assert "cdn.bokeh.org" not in page


def test_what_cannot_be_drawn_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    with pytest.raises(JobFileError, match=r"dashboard: it needs another package; pip install 'textmill\[dashboard\]'"):
        run_job(job_of(tmp_path, dashboard=True))
    assert not (tmp_path / "store").exists()
