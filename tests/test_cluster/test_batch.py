"""Batch scripts and what batch systems say of jobs; dask-jobqueue's scripts are the oracle."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.batch.pbs import Pbs
from cluster.batch.slurm import Slurm
from cluster.batch.system import BatchJob, outside
from cluster.errors import BatchError
from cluster.profiles.settings import KINDS

JOB = BatchJob(
    name="textmill-x-1-worker",
    words=("/usr/bin/python3", "-m", "cluster.serve", '{"a": "it\'s $HOME"}'),
    log=Path("/data/store/_jobs/x-1/logs/worker-0.log"),
    cores=2,
    memory_bytes=4 * 2**30,
)
SETTINGS = {
    "queue": "fast",
    "account": "p42",
    "walltime": "08:00:00",
    "prologue": ["module load python"],
}


def profile(kind, **more):
    return KINDS[kind].model_validate({"kind": kind, **SETTINGS, **more})


def oracle(kind, **more):
    """The head of dask-jobqueue's script for the same."""
    code = (
        "import sys, json\n"
        f"from dask_jobqueue.{kind} import {kind.upper()}Job as Job\n"
        "print(Job('tcp://127.0.0.1:1', name='0', **json.loads(sys.argv[1])).job_script())\n"
    )
    facts = {
        "queue": "fast", "account": "p42", "walltime": "08:00:00", "cores": 2, "memory": "4GiB", "processes": 1,
        "job_name": JOB.name, **more,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, json.dumps(facts)], capture_output=True, text=True, timeout=120,
        check=True,
    )  # fmt: skip
    return done.stdout


def asked(script, word):
    """Option -> value of a script's head, long and short spellings made one."""
    long = {
        "-J": "--job-name",
        "-p": "--partition",
        "-A": "--account",
        "-n": "--ntasks",
        "-t": "--time",
        "-o": "--output",
    }
    found = {}
    for line in script.splitlines():
        if line.startswith(f"#{word} "):
            option, _, value = re.sub(r"^(--[\w-]+)=", r"\1 ", line.removeprefix(f"#{word} ")).partition(" ")
            option = long.get(option, option) if word == "SBATCH" else option
            for part in [value] if option != "-l" else value.split(","):
                found[option if option != "-l" else f"-l {part.split('=')[0]}"] = part.strip()
    return found


def test_slurm_is_asked_for_what_dask_jobqueue_asks_for():
    ours, theirs = asked(Slurm().script(JOB, profile("slurm")), "SBATCH"), asked(oracle("slurm"), "SBATCH")
    assert {ours.pop("--mem"), theirs.pop("--mem")} == {"4096M", "4G"}
    assert theirs.items() <= ours.items()
    assert ours["--output"] == str(JOB.log)
    assert "--no-requeue" in ours


def test_pbs_is_asked_for_what_dask_jobqueue_asks_for():
    ours, theirs = asked(Pbs().script(JOB, profile("pbs")), "PBS"), asked(oracle("pbs"), "PBS")
    assert theirs.items() <= ours.items()
    assert ours["-l select"] == "select=1:ncpus=2:mem=4096MB"
    assert (ours["-o"], ours["-j"], ours["-r"]) == (str(JOB.log), "oe", "n")


def test_drivers_may_be_started_again_and_workers_not():
    again = BatchJob(**{**{name: getattr(JOB, name) for name in JOB.__slots__}, "again": True})
    assert "#SBATCH --requeue" in Slurm().script(again, profile("slurm"))
    assert "#PBS -r y" in Pbs().script(again, profile("pbs"))


@given(words=st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1, max_size=5))
def test_the_shell_gets_the_words_as_they_are(words):
    job = BatchJob(name="x", words=tuple(words), log=Path("/x"), cores=1, memory_bytes=1)
    last = Slurm().script(job, profile("slurm", prologue=[])).partition("\nexec ")[2]
    assert shlex.split(last) == words


def test_directives_and_prologue_stand_where_they_count():
    script = Slurm().script(JOB, profile("slurm", directives=["--constraint=fast"]))
    lines = script.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert lines.index("#SBATCH --constraint=fast") < lines.index("module load python") < len(lines) - 1
    # In the shell's place: signals of the batch system reach the driver itself.
    assert lines[-1].startswith("exec /usr/bin/python3 -m cluster.serve ")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a command that prints what it is told, or fails, in the path."""

    def put(name, text, status=0, error=""):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\necho '{error}' >&2\nexit {status}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return put


def test_pbs_says_what_became_of_jobs(program):
    facts = (
        '{"Jobs": {"1.head": {"Job_Name": "textmill-x-1-worker", "job_state": "R"},'
        ' "2.head": {"Job_Name": "textmill-x-1-worker", "job_state": "Q", "comment": "no room"},'
        ' "3.head": {"Job_Name": "textmill-x-1-worker", "job_state": "F"},'
        ' "4.head": {"Job_Name": "other", "job_state": "R"}}}'
    )
    program("qstat", facts)
    states = Pbs().states("textmill-x-1-worker")
    assert {job: (state.pending, state.running) for job, state in states.items()} == {
        "1.head": (False, True), "2.head": (True, False), "3.head": (False, False),
    }  # fmt: skip
    assert states["2.head"].word == "queued (no room)"
    program("qstat", "", 153, "qstat: Unknown Job Id 9.head")
    assert Pbs().state("9.head") is None
    program("qdel", "", 35, "qdel: Job has finished 1.head")
    Pbs().cancel(["1.head"])
    program("qdel", "", 159, "qdel: Unauthorized Request 1.head")
    with pytest.raises(BatchError, match=r"qdel: .*Unauthorized"):
        Pbs().cancel(["1.head"])


def test_a_batch_system_that_takes_nothing_says_why(program, tmp_path, monkeypatch):
    program("sbatch", "", 1, "sbatch: error: invalid partition specified: fast")
    with pytest.raises(BatchError, match="invalid partition specified: fast"):
        Slurm().submit("#!/bin/bash\n", {"PATH": str(tmp_path)})
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BatchError, match="there is no such command here"):
        Slurm().states("x")


def test_an_allocation_s_own_variables_do_not_go_into_the_next():
    inside = {"SLURM_JOB_ID": "1", "SLURM_MEM_PER_NODE": "5", "SLURM_CONF": "/x", "PBS_JOBID": "2", "HOME": "/h"}
    assert outside(inside) == {"SLURM_CONF": "/x", "HOME": "/h"}
