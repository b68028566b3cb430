"""Jobs as a person handles them from the command line: real processes, real exit statuses, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from benchmarks.recovery import alive, awaited, case, happened
from cluster.errors import JobBusyError
from cluster.job import Kind
from cluster.jobs import Jobs
from cluster.lease import holder_of
from cluster.submission import Submission
from cluster.submit import cancel, resume, submit, wait
from storage.locks import locked
from storage.store import Store
from textmill.demo.corpus import write_corpus

pytestmark = pytest.mark.xdist_group("jobs")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def job_file(place):
    return write_corpus(place, rows=4000).job


@pytest.fixture(autouse=True)
def queue(monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTMILL_QUEUE", str(tmp_path / "queue"))
    monkeypatch.setenv("TEXTMILL_LOST_AFTER_S", "3")


@pytest.fixture
def store(tmp_path):
    """A store whose drivers, if any is left, are ended with all they started."""
    path = tmp_path / "store"
    yield path
    if not path.exists():
        return
    for run in Jobs(Store.open(path)).ids():
        holder = holder_of(path / "_jobs" / run)
        driver = holder.process() if holder else None
        for process in [*driver.children(recursive=True), driver] if driver else ():
            process.kill()


def textmill(*words, store, status=0, **environment):
    ended = subprocess.run(
        [sys.executable, "-m", "textmill", *map(str, words), "--store", str(store)],
        capture_output=True, text=True, timeout=240, env={**os.environ, **environment},
    )  # fmt: skip
    assert ended.returncode == status, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout


def told(*words, store, status=0):
    return json.loads(textmill(*words, "--json", store=store, status=status))


def submitted(job_file, store, *words):
    run = textmill("submit", job_file, "--workers", 1, *words, store=store).strip()
    return Jobs(Store.open(store)).find(run)


@pytest.fixture(scope="module")
def calm(job_file, place):
    """What the job gives when nobody disturbs it."""
    record = told("run", job_file, "--workers", 2, store=place / "calm")
    return record["dataset"]["fingerprint"], record["model"]["sha256"]


def test_a_job_from_its_submission_to_its_result(job_file, store, calm, tmp_path):
    hook = f"cat > {tmp_path}/told.json; echo $TEXTMILL_STATE > {tmp_path}/state"
    job = submitted(job_file, store, "--notify", hook)
    awaited(lambda: happened(job, "look"), "a first stage")
    holder = holder_of(job.path)
    assert os.getsid(holder.pid) == holder.pid  # a session of its own: no terminal's end is its end
    now = job.status()
    assert (now.state, now.attempt, now.pid) == ("running", 1, holder.pid)
    assert now.progress["memory_bytes"] > 0
    with pytest.raises(JobBusyError, match="with a driver at work"):
        resume(Jobs(Store.open(store)), job)
    result = told("wait", job.id, store=store)
    assert (result["dataset"]["fingerprint"], result["model"]["sha256"]) == calm
    [listed] = told("jobs", store=store)
    assert (listed["job"], listed["state"], listed["dataset"]) == (job.id, "succeeded", result["dataset"])
    shown = told("status", job.id[:-1], store=store)
    assert [stage["stage"] for stage in shown["stages"]][:1] == ["look"]
    lines = [json.loads(line) for line in textmill("logs", job.id, "--json", store=store).splitlines()]
    assert {line["file"] for line in lines} == {"driver", "scheduler", "worker-0"}
    assert any(line["message"] == "succeeded" for line in lines)
    assert textmill("logs", job.id, "-f", store=store).count("\n") >= len(lines)
    awaited((tmp_path / "state").exists, "the notification")
    assert awaited(lambda: (tmp_path / "state").read_text().strip(), "the state") == "succeeded"
    assert json.loads((tmp_path / "told.json").read_text())["job"] == job.id
    awaited(lambda: not list((store / "_staging").iterdir()), "the staged files to go")


@pytest.mark.parametrize("moment", ["queued", "clean"])
def test_a_cancelled_job_stops_within_seconds_and_can_be_resumed(moment, job_file, store, calm):
    job = submitted(job_file, store)
    if moment != "queued":
        awaited(lambda: happened(job, moment), moment)
    family = []
    if (holder := holder_of(job.path)) and (driver := holder.process()):
        family = [driver, *driver.children(recursive=True)]
    assert family or moment == "queued"
    began = time.monotonic()
    assert cancel(job).state == "cancelled"
    assert time.monotonic() - began < 12
    awaited(lambda: not alive(family), "the end of all processes")
    assert Store.open(store).names() == []
    textmill("wait", job.id, store=store, status=3)
    if moment != "queued":
        resume(Jobs(Store.open(store)), job)
        assert wait(job, 90).state == "succeeded"
        record = Store.open(store).run(job.id)
        assert (record["dataset"]["fingerprint"], record["model"]["sha256"]) == calm
        textmill("resume", job.id, store=store, status=1)


#: A person's Python, which goes on after its run was cancelled.
NOTEBOOK = """
import sys, time, textmill
from cluster.errors import JobCancelledError
try:
    textmill.run(sys.argv[1], store=sys.argv[2], workers=1)
except JobCancelledError:
    print("cancelled", flush=True)
sys.stdin.read()
print("went on", flush=True)
"""


def test_cancelling_a_run_of_a_python_session_leaves_the_session_alone(job_file, store):
    jobs = Jobs(Store.open(store, create=True))
    with subprocess.Popen(
        [sys.executable, "-c", NOTEBOOK, job_file, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as session:
        try:
            [run] = awaited(jobs.ids, "the run")
            job = jobs.find(run)
            awaited(lambda: happened(job, "look"), "its first stage")
            assert cancel(job).state == "cancelled"
            said, _ = session.communicate("", timeout=60)
        finally:
            session.kill()
    assert said.split("\n")[:2] == ["cancelled", "went on"]


def test_who_cancels_a_job_for_a_driver_that_is_not_there_can_resume_it(job_file, store, calm, monkeypatch):
    monkeypatch.setattr("cluster.submit.place_driver", lambda jobs, job: None)
    submission = Submission(
        name="tickets", text=job_file.read_text(), origin=str(job_file), here=str(job_file.parent), store=str(store),
    )  # fmt: skip
    job = submit(submission)
    assert cancel(job).state == "cancelled"
    assert not job.alive()
    monkeypatch.undo()
    resume(Jobs(Store.open(store)), job)
    assert wait(job, 90).state == "succeeded"
    record = Store.open(store).run(job.id)
    assert (record["dataset"]["fingerprint"], record["model"]["sha256"]) == calm


def test_a_job_after_another_waits_for_it(job_file, store):
    first = submitted(job_file, store)
    second = submitted(job_file, store, "--after", first.id)
    assert told("wait", second.id, store=store)["state"] == "succeeded"
    ends = [job.status().ended_at for job in (first, second)]
    started = [event.at for event in second.journal.events() if event.kind is Kind.STARTED]
    assert ends[0] <= started[0] < ends[1]


def test_a_job_after_one_that_fails_fails_too(tmp_path, job_file, store):
    (tmp_path / "job.toml").write_text('name = "x"\n[source]\nfiles = ["*.csv"]\n[dataset]\nname = "x"\n')
    first = submitted(tmp_path / "job.toml", store)
    second = submitted(job_file, store, "--after", first.id)
    textmill("wait", second.id, store=store, status=1)
    assert f"after {first.id}, which is failed" in second.status().error
    assert Store.open(store).names() == []


def test_a_failed_job_says_why_and_can_be_tried_again(tmp_path, store):
    (tmp_path / "job.toml").write_text('name = "x"\n[source]\nfiles = ["*.csv"]\n[dataset]\nname = "x"\n')
    job = submitted(tmp_path / "job.toml", store)
    textmill("wait", job.id, store=store, status=1)
    assert "*.csv" in told("status", job.id, store=store)["error"]
    (tmp_path / "a.csv").write_text("text\nhello\n")
    textmill("retry", job.id, store=store)
    assert told("wait", job.id, store=store)["ledger"]["kept"] == 1


def test_secrets_in_a_job_are_written_nowhere(tmp_path, store, monkeypatch):
    monkeypatch.setenv("MY_DATA_TOKEN", "hunter2hunter2")
    (tmp_path / "job.toml").write_text(
        'name = "x"\n[source]\nfiles = ["hunter2hunter2.csv", "${MY_DATA_TOKEN}.csv"]\n'
        '[dataset]\nname = "x"\nmessage = "with ${MY_DATA_TOKEN}"\n'.replace("hunter2hunter2.csv", "a.csv")
    )
    (tmp_path / "a.csv").write_text("text\nhello\n")
    job = submitted(tmp_path / "job.toml", store)
    textmill("wait", job.id, store=store, status=1)
    assert "${MY_DATA_TOKEN}.csv" in job.status().error
    for path in job.path.rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes(), path


def test_a_record_that_kills_its_workers_is_rejected_and_the_others_are_kept(tmp_path, store):
    (tmp_path / "job.toml").write_text(
        'name = "x"\n[source]\nfiles = ["*.csv"]\nblock = "2kB"\n[dataset]\nname = "x"\n'
        '[[clean]]\nop = "python"\nfunction = "deadly_module_here:clean"\n'
    )
    (tmp_path / "deadly_module_here.py").write_text(
        "import os\ndef clean(text):\n    return os.kill(os.getpid(), 9) if text == 'text 333' else text\n"
    )
    (tmp_path / "a.csv").write_text("text\n" + "".join(f"text {n}\n" for n in range(500)))
    refused = textmill("submit", tmp_path / "job.toml", store=store, status=2)
    assert refused == ""
    assert not store.exists()
    job = submitted(tmp_path / "job.toml", store, "--allow-code")
    result = told("wait", job.id, store=store)
    assert result["ledger"]["rejected"] == {"crashed": 1}
    assert result["ledger"]["kept"] == 499
    fate = told("fates", "x", store=store)
    place = len("text\n") + sum(len(f"text {n}\n") for n in range(333))
    assert (fate["position"], fate["reason"]) == (place, "crashed")
    assert any("a.csv at" in note and "kills the process" in note for note in job.status().notes)


def test_unknown_jobs_are_wrong_use(store, tmp_path):
    Store.open(store, create=True)
    for verb in ("status", "cancel"):
        textmill(verb, "nothing", store=store, status=2)
    textmill("submit", tmp_path / "none.toml", store=store, status=2)


def test_a_driver_that_was_taken_for_dead_and_wakes_up_commits_nothing(job_file, store, calm):
    job = submitted(job_file, store)
    awaited(lambda: happened(job, "clean"), "clean")
    sleeper = psutil.Process(holder_of(job.path).pid)
    family = sleeper.children(recursive=True)
    # Not while it writes to the journal: nobody else could.
    with locked(job.journal.path.with_name("journal.lock")):
        sleeper.send_signal(signal.SIGSTOP)
    try:
        awaited(lambda: job.status().state == "lost", "a stale heartbeat")
        # The slot is still the sleeper's.
        textmill("resume", job.id, store=store, TEXTMILL_LOCAL_JOBS="2")
        result = told("wait", job.id, store=store)
        assert (result["dataset"]["fingerprint"], result["model"]["sha256"]) == calm
        sleeper.send_signal(signal.SIGCONT)
        awaited(lambda: not alive([sleeper, *family]), "the sleeper's end")
    finally:
        for process in alive([sleeper]):
            process.kill()
    assert job.status().state == "succeeded"
    assert [version.run for version in Store.open(store).versions("tickets")] == [job.id]
    assert "another driver has it" in (job.logs / "driver.log").read_text()
    late = [event for event in job.journal.events() if event.token == 1]
    assert Kind.COMMIT_BEGAN not in {event.kind for event in late}


@pytest.mark.parametrize(
    ("victim", "moment"),
    [
        ("scheduler", "clean"),
        ("driver and scheduler", "scan"),
        ("everything", "settle"),
    ],
)
def test_a_job_that_loses_a_part_gives_the_same(victim, moment, job_file, store, calm):
    found = case(job_file, store, victim, moment)
    assert (found.fingerprint, found.sha256) == calm
    assert (found.state, found.versions, found.orphans) == ("succeeded", 1, 0)
    # A worker may die with the last answer that nobody has fetched yet: one block a worker, and there are two.
    assert found.redone <= 2
    assert found.leftovers == ()
    assert found.deaths > 0
    awaited(lambda: not list((store / "_staging").iterdir()), "the staged files to go")


@pytest.mark.timeout(900)
def test_a_record_that_no_worker_has_the_memory_for_ends_the_job_once_smaller_blocks_were_tried(tmp_path, store):
    with open(tmp_path / "giant.csv", "w") as file:
        file.write("id,text\n")
        file.writelines(f"{number},a small text\n" for number in range(2000))
        file.write(f'2000,"{"no end of words " * 8_000_000}"\n')
    job = tmp_path / "job.toml"
    job.write_text(
        'name = "giant"\n[source]\nfiles = ["giant.csv"]\nblock = "2MB"\nmax_record = "300MB"\n'
        '[dataset]\nname = "rows"\n[cluster]\nworkers = 1\nmemory = "500MB"\n'
    )
    run = textmill("submit", job, store=store).strip()
    kept = Jobs(Store.open(store)).find(run)
    wait(kept, 800)
    status = told("status", run, store=store)
    assert status["state"] == "failed"
    assert (
        "workers (0.5 GB of memory each) ran out of memory or crashed with [source] block at 2, 1 MB" in status["error"]
    )
    assert "Give them more with [cluster] memory" in status["error"]
    assert [event.facts["block"] for event in kept.journal.events() if event.kind is Kind.ADAPTED] == [1_000_000]
    assert Store.open(store).names() == []
