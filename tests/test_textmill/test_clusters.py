"""The verbs on clusters: the list, the look before a job, the keys."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from services import dask_cluster

from cluster.checks import Check, checked
from cluster.profiles.settings import KINDS
from cluster.profiles.sources import Named
from cluster.tls import TlsFolder, init_tls
from pipeline.config import parse_job
from textmill.cli.main import cli

pytestmark = pytest.mark.xdist_group("remote")

TWO = """
[clusters.boxes]
kind = "ssh"
about = "under the desk"
hosts = ["a", "b", "c", "d"]
memory = "2GB"
environment = { DATA_TOKEN = "${MY_DATA_TOKEN}" }
[clusters.hpc]
kind = "slurm"
adaptive = { minimum = 1, maximum = 40 }
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("TEXTMILL_CONFIG", raising=False)
    return tmp_path


def run(*words, status=0):
    ended = CliRunner().invoke(cli, [str(word) for word in words])
    assert ended.exit_code == status, ended.output
    return ended


def test_the_list_shows_what_can_be_seen_from_here(place):
    assert "Add more: a [clusters.NAME] table" in run("clusters").stderr
    (place / "textmill.toml").write_text(TWO)
    lines = run("clusters").stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["boxes", "ssh"], ["hpc", "slurm"], ["local", "local"]]
    assert "a, b, c …" in lines[1]
    assert "under the desk" in lines[1]
    assert "1 to 40" in lines[2]
    facts = json.loads(run("clusters", "--json").stdout)
    assert facts["boxes"]["environment"] == ["DATA_TOKEN"]
    assert facts["boxes"]["hosts"] == ["a", "b", "c", "d"]
    assert facts["local"]["origin"] == "built in"


def test_problems_in_profiles_are_wrong_use_and_told_at_once(place):
    (place / "textmill.toml").write_text('[clusters.a]\nkind = "slrm"\n[clusters.b]\nkind = "ssh"\n')
    told = run("clusters", status=2).stderr
    assert 'Did you mean "slurm"?' in told
    assert "clusters.b.hosts: this key is required" in told
    (place / "textmill.toml").write_text(TWO)
    assert 'Did you mean "boxes"?' in run("cluster", "check", "boxs", status=2).stderr
    assert "MY_DATA_TOKEN" in run("cluster", "check", "boxes", status=2).stderr
    assert "Did you mean 'cluster check'?" in run("cluster", "chek", status=2).stderr


def test_keys_are_made_once(place):
    made = json.loads(run("cluster", "init-tls", "--json", "--days", 30).stdout)
    folder = place / "config/textmill/tls"
    assert made["folder"] == str(folder)
    assert stat.S_IMODE((folder / "ca-key.pem").stat().st_mode) == 0o600
    before = (folder / "ca.pem").read_bytes()
    assert "--force writes new ones" in run("cluster", "init-tls", status=1).stderr
    assert (folder / "ca.pem").read_bytes() == before
    run("cluster", "init-tls", "--force")
    assert (folder / "ca.pem").read_bytes() != before
    run("cluster", "init-tls", "--dir", place / "keys", "--host", "node1")
    TlsFolder(path=place / "keys").require()


def test_what_a_batch_system_would_get_is_shown_and_nothing_is_handed_in(place):
    (place / "textmill.toml").write_text(TWO)
    job = place / "job.toml"
    job.write_text('name = "x"\n[source]\nfiles = ["a.csv"]\n[dataset]\nname = "x"\n')
    script = run("submit", job, "--profile", "hpc", "--dry-run").stdout
    assert script.startswith("#!/bin/bash\n#SBATCH --job-name=textmill-ID\n")
    assert "-m cluster.detached" in script
    assert not (place / "store").exists()
    assert "nothing is handed over" in run("submit", job, "--dry-run", status=2).stderr


def found(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def look(kind, folder, job=None, **settings):
    named = Named(name="lab", profile=KINDS[kind].model_validate({"kind": kind, **settings}), origin="lab.toml")
    return found(list(checked(named, folder / "store", job, folder / "scratch")))


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return init_tls(tmp_path_factory.mktemp("keys") / "tls", days=5)


@pytest.fixture(scope="module")
def lab(keys, tmp_path_factory):
    with dask_cluster(tmp_path_factory.mktemp("lab"), tls=keys.path) as address:
        yield address


def test_a_cluster_is_looked_over(lab, keys, tmp_path):
    settings = {"address": lab, "tls": str(keys.path)}
    checks = look("address", tmp_path, **settings)
    assert list(checks) == [
        "settings", "reachable", "versions", "clocks", "store", "memory", "ports", "tls",
    ]  # fmt: skip
    # These keys expire in five days.
    assert [name for name, check in checks.items() if not check.ok] == ["tls"]
    assert "init-tls --force" in checks["tls"].cure
    assert "written and read by all 1 workers" in checks["store"].told
    assert list((tmp_path / "store").iterdir()) == []
    # Dask workers of 2 GB, and blocks of which even one would not fit.
    tables = {"name": "x", "source": {"files": ["a.csv"], "block": "900MB"}, "dataset": {"name": "x"}}
    memory = look("address", tmp_path, parse_job(tables), **settings)["memory"]
    assert not memory.ok
    assert "2.0 GB for the smallest worker" in memory.told
    assert "[source] block smaller" in memory.cure


def test_a_store_that_workers_do_not_see_is_told(lab, keys, tmp_path, monkeypatch):
    """The workers here can write anywhere: a probe that answers from another folder takes their place."""
    monkeypatch.setattr("cluster.probes.write_and_read", elsewhere())
    checks = look("address", tmp_path, address=lab, tls=str(keys.path))
    assert not checks["store"].ok
    assert "what it wrote cannot be seen here" in checks["store"].told
    assert "mount" in checks["store"].cure
    (tmp_path / "store").rmdir()
    (tmp_path / "store").write_text("a file")
    assert "cannot be written from here" in look("address", tmp_path, address=lab, tls=str(keys.path))["store"].told


def elsewhere():
    def write_and_read(folder, note, expected):
        return {"name": "nothing", "said": "nothing"}

    return write_and_read


def test_a_cluster_that_cannot_be_had_ends_the_look(tmp_path):
    checks = look("address", tmp_path, address="tcp://127.0.0.1:1")
    assert list(checks) == ["settings", "reachable"]
    assert not checks["reachable"].ok
    checks = look("address", tmp_path, address="tcp://10.9.8.7:8786")
    assert list(checks) == ["settings"]
    assert "insecure" in checks["settings"].told


def test_the_verb_says_what_is_wrong_with_its_exit_status(place, lab, keys):
    (place / "textmill.toml").write_text(
        f'[clusters.lab]\nkind = "address"\naddress = "{lab}"\ntls = "{keys.path}"\n'
        '[clusters.gone]\nkind = "address"\naddress = "tcp://127.0.0.1:1"\n'
    )
    told = run("cluster", "check", "gone", status=1).stdout
    assert "reachable  FAILED" in told
    assert "cure" in told
    facts = json.loads(run("cluster", "check", "lab", "--json", status=1).stdout)
    assert {one["name"]: one["ok"] for one in facts} == {
        "settings": True, "reachable": True, "versions": True, "clocks": True, "store": True, "memory": True,
        "ports": True, "tls": False,
    }  # fmt: skip
    assert list((Path(place) / "store/_staging").iterdir()) == []
