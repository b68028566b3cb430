"""One job on every kind of cluster gives the same bytes, and what batch systems do to jobs does them no harm."""

import asyncio
import getpass
import json
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from dask_gateway import BasicAuth, Gateway
from services import PATIENCE_S, awaited, dask_cluster, gateway, slurm, sshd

from cluster.batch.slurm import Slurm
from cluster.driver import run_job
from cluster.errors import JobBusyError
from cluster.jobs import Jobs
from cluster.providers.batch import worker_name
from cluster.submission import Submission
from cluster.submit import cancel, resume, submit, wait
from cluster.tls import init_tls
from pipeline.config import load_job
from storage.store import Store
from textmill.cli.main import cli
from textmill.demo.corpus import write_corpus

pytestmark = pytest.mark.xdist_group("engines")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def job_file(place):
    return write_corpus(place, rows=3000).job


@pytest.fixture(scope="module")
def batch(place):
    """A SLURM cluster, and the variables that lead to it for this process."""
    with slurm(place / "slurm") as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def profile(job_file):
    """Writes the profile ``lab`` where the job finds it."""

    def write(kind, **settings):
        facts = "\n".join(f"{key} = {json.dumps(value)}" for key, value in {"kind": kind, **settings}.items())
        (job_file.parent / "textmill.toml").write_text(f"[clusters.lab]\n{facts}\n")

    return write


def handed_in(job_file, store, *overrides):
    overrides = ("cluster.profile=lab", *overrides)
    loaded = load_job(job_file, overrides)
    submission = Submission(
        name=loaded.name, text=job_file.read_text(), origin=str(job_file), here=str(job_file.parent),
        store=str(store), overrides=overrides,
    )  # fmt: skip
    return submit(submission)


def bytes_of(store, job):
    record = Store.open(store).run(job.id)
    return record["dataset"]["fingerprint"], record["model"]["sha256"]


@pytest.fixture(scope="module")
def calm(job_file, place):
    """What the job gives on two cores of this machine."""
    loaded = load_job(job_file, ("cluster.workers=2",)).model_copy(update={"store": str(place / "calm")})
    result = run_job(loaded)
    return result.dataset.fingerprint, result.model.sha256


def succeeded(store, job, calm):
    status = wait(job, PATIENCE_S)
    assert status.state == "succeeded", status.error + (job.logs / "driver.log").read_text()[-3000:]
    assert bytes_of(store, job) == calm
    return status


def test_a_scheduler_that_others_run(job_file, calm, profile, tmp_path):
    keys = init_tls(tmp_path / "keys", days=1)
    with dask_cluster(tmp_path / "dask", tls=keys.path, workers=2) as address:
        profile("address", address=address, tls=str(keys.path), workers=2)
        job = handed_in(job_file, tmp_path / "store")
        succeeded(tmp_path / "store", job, calm)
        assert Store.open(tmp_path / "store").run(job.id)["workers"] == 2


def test_machines_over_ssh(job_file, calm, profile, tmp_path):
    keys = init_tls(tmp_path / "keys", days=1)
    with sshd(tmp_path / "ssh") as options:
        profile("ssh", hosts=["127.0.0.1"], options=options, address="127.0.0.1", tls=str(keys.path))
        succeeded(tmp_path / "store", handed_in(job_file, tmp_path / "store"), calm)


def test_a_model_is_put_to_work_where_others_run_a_scheduler(job_file, calm, profile, place, tmp_path, monkeypatch):
    monkeypatch.chdir(job_file.parent)
    store = place / "calm"
    [record] = Store.open(store).models()

    def said(*words):
        done = CliRunner().invoke(cli, [*map(str, words), "--store", str(store), "--profile", "lab", "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    with dask_cluster(tmp_path / "dask", workers=2) as address:
        profile("address", address=address, workers=2)
        assert said("reproduce", record["id"])["actual"] == calm[1]
        evaluated = said("evaluate", record["id"], record["dataset"])["metrics"]
        assert evaluated == {name: record["metrics"][name] for name in evaluated}
        scored = said("predict", record["id"], next(Path("raw").glob("*.csv")), "--output", tmp_path / "scored.parquet")
        assert scored["ledger"]["kept"] == pq.read_metadata(tmp_path / "scored.parquet").num_rows
        assert said("profile", record["dataset"])["rows"] == Store.open(store).version(record["dataset"]).rows
    assert not list(Store.open(store).layout.stagings.iterdir())
    assert not list(tmp_path.glob("textmill-*"))


def test_a_gateway_of_an_institution(job_file, calm, profile, tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTMILL_GATEWAY_PASSWORD", "hunter2hunter2")
    with gateway(tmp_path / "gateway", "hunter2hunter2") as (address, proxy):
        profile("gateway", address=address, proxy_address=proxy, workers=2)
        succeeded(tmp_path / "store", handed_in(job_file, tmp_path / "store"), calm)
        awaited(lambda: not asyncio.run(clusters_of(address, proxy)), "end of the cluster")


async def clusters_of(address, proxy):
    auth = BasicAuth(username=getpass.getuser(), password="hunter2hunter2")
    async with Gateway(address=address, proxy_address=proxy, auth=auth, asynchronous=True) as there:
        return await there.list_clusters()


@pytest.fixture
def on_slurm(batch, profile, tmp_path):
    keys = init_tls(tmp_path / "keys", days=1)
    profile("slurm", address="127.0.0.1", tls=str(keys.path), workers=2, memory="1GB", driver_memory="1GB")


def workers_of(job):
    return [one for one, state in Slurm().states(worker_name(job.id)).items() if state.pending or state.running]


def test_slurm_from_submission_to_result(job_file, calm, on_slurm, tmp_path):
    store = tmp_path / "store"
    job = handed_in(job_file, store)
    placed = job.status().placed
    assert placed["system"] == "slurm"
    assert Slurm().state(placed["id"]) is not None
    awaited(lambda: workers_of(job) or job.status().ended, "worker jobs")
    with pytest.raises(JobBusyError, match=r"driver at work|slurm has it as job"):
        resume(Jobs(Store.open(store)), job)
    status = succeeded(store, job, calm)
    assert status.placed == placed
    assert {path.stem for path in job.logs.iterdir()} >= {"driver", "scheduler", "worker-0", "worker-1"}
    awaited(lambda: not workers_of(job), "end of the worker jobs")
    awaited(lambda: not Slurm().state(placed["id"]).running, "end of the driver's job")


def test_slurm_a_cancelled_job_leaves_no_job_behind_and_can_be_resumed(job_file, calm, on_slurm, tmp_path):
    store = tmp_path / "store"
    job = handed_in(job_file, store)
    awaited(lambda: workers_of(job), "worker jobs")
    first = job.status().placed["id"]
    began = time.monotonic()
    assert cancel(job).state == "cancelled"
    assert time.monotonic() - began < 30
    awaited(lambda: not workers_of(job) and not Slurm().state(first).running, "end of all jobs")
    assert Store.open(store).names() == []
    resume(Jobs(Store.open(store)), job)
    assert job.status().placed["id"] != first
    assert succeeded(store, job, calm).attempt == 2


def test_slurm_a_job_in_the_queue_is_cancelled_there(job_file, on_slurm, profile, tmp_path):
    profile("slurm", address="127.0.0.1", directives=["--hold"])
    job = handed_in(job_file, tmp_path / "store")
    number = job.status().placed["id"]
    assert Slurm().state(number).pending
    assert job.status().state == "queued"
    assert cancel(job).state == "cancelled"
    awaited(lambda: not Slurm().state(number).pending, "end of the waiting job")


def test_slurm_a_requeued_driver_goes_on_where_it_was(job_file, calm, on_slurm, tmp_path):
    store = tmp_path / "store"
    job = handed_in(job_file, store)
    awaited(lambda: workers_of(job), "worker jobs")
    number = job.status().placed["id"]
    subprocess.run(["scontrol", "requeue", number], check=True, timeout=60)
    awaited(lambda: job.status().attempt == 2 or job.status().ended, "second attempt")
    assert succeeded(store, job, calm).attempt == 2
    assert job.status().placed["id"] == number


def test_slurm_a_driver_that_an_administrator_ends_is_lost_and_can_be_resumed(job_file, calm, on_slurm, tmp_path):
    store = tmp_path / "store"
    job = handed_in(job_file, store)
    awaited(lambda: workers_of(job), "worker jobs")
    subprocess.run(["scancel", job.status().placed["id"]], check=True, timeout=60)
    awaited(lambda: job.status().state == "lost", "lost job")
    resume(Jobs(Store.open(store)), job)
    succeeded(store, job, calm)
    awaited(lambda: not workers_of(job), "end of the worker jobs")
