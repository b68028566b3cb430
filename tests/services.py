"""Real servers for tests, each on the loopback address and gone when its test is over.

What is not installed fails a test in CI and skips it elsewhere, with the command that installs it.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[1]
#: Under load a start takes its time; a wait that is over sooner costs nothing.
PATIENCE_S = 240


def require(command: str, install: str) -> str:
    """The path of a program that the machine must have."""
    found = shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        told = f"{command} is not installed; run: {install}"
        if os.environ.get("TEXTMILL_CI"):
            pytest.fail(told)
        pytest.skip(told)
    return found


def awaited(condition, what: str, seconds: float = PATIENCE_S):
    """What `condition` gives once it gives anything."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"no {what} within {seconds} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextmanager
def running(words: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen]:
    """A process, ended with all it started."""
    with open(log, "ab") as out:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        family = [process.pid]
        with suppress(psutil.NoSuchProcess):
            family += [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        for pid in family:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()
        process.wait(PATIENCE_S)


@contextmanager
def sshd(folder: Path) -> Iterator[tuple[str, ...]]:
    """Words for ``ssh`` that reach a server of our own with keys of our own."""
    program = require("sshd", "apt-get install -y --no-install-recommends openssh-server openssh-client")
    keygen = require("ssh-keygen", "apt-get install -y --no-install-recommends openssh-client")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True, timeout=30)
    shutil.copy(folder / "user.pub", folder / "authorized")
    port = free_port()
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        "PermitRootLogin prohibit-password\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with running([program, "-D", "-e", "-f", str(folder / "config")], folder / "log") as server:
        awaited(lambda: answers(port) or server.poll() is not None, "ssh server")
        assert server.poll() is None, (folder / "log").read_text()
        known = f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}"
        (folder / "known").write_text(known)
        yield (
            "-p", str(port), "-i", str(folder / "user"), "-o", f"UserKnownHostsFile={folder}/known",
            "-o", "IdentitiesOnly=yes", "-F", "/dev/null",
        )  # fmt: skip


@contextmanager
def dask_cluster(
    folder: Path,
    *,
    tls: Path | None = None,
    python: str = sys.executable,
    workers: int = 1,
    environment: dict[str, str] | None = None,
) -> Iterator[str]:
    """The address of a real ``dask scheduler`` with real ``dask worker`` processes, as an administrator starts them."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [] if tls is None else ["--tls-ca-file", str(tls / "ca.pem")]

    def keys(role: str) -> list[str]:
        return (
            [] if tls is None else ["--tls-cert", str(tls / f"{role}.pem"), "--tls-key", str(tls / f"{role}-key.pem")]
        )

    port = free_port()
    protocol = "tcp" if tls is None else "tls"
    address = f"{protocol}://127.0.0.1:{port}"
    scheduler = [
        python, "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--protocol", protocol,
        "--no-dashboard", "--dashboard-address", "127.0.0.1:0", *words, *keys("scheduler"),
    ]  # fmt: skip
    worker = [
        python, "-m", "dask", "worker", address, "--host", "127.0.0.1", "--nworkers", str(workers), "--nthreads", "1",
        "--memory-limit", "2GB", "--no-dashboard", "--dashboard-address", "127.0.0.1:0",
        "--local-directory", str(folder / "scratch"), *words, *keys("worker"),
    ]  # fmt: skip
    with running(scheduler, folder / "scheduler.log", **(environment or {})) as server:
        awaited(lambda: answers(port) or server.poll() is not None, "scheduler")
        assert server.poll() is None, (folder / "scheduler.log").read_text()
        with running(worker, folder / "worker.log", **(environment or {})):
            yield address


_SLURM = "apt-get install -y --no-install-recommends slurm-wlm munge"


@contextmanager
def slurm(folder: Path, cores: int = 8) -> Iterator[dict[str, str]]:
    """Variables under which SLURM's commands reach a cluster of one node, with daemons, keys and ports of our own."""
    programs = {name: require(name, _SLURM) for name in ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")}
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    host, memory_mb = socket.gethostname().partition(".")[0], 16_000
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "slurm.conf").write_text(
        f"ClusterName=tests\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser={user}\nSlurmdUser={user}\n"
        f"SlurmctldPort={free_port()}\nSlurmdPort={free_port()}\n"
        f"AuthType=auth/munge\nCredType=cred/munge\nAuthInfo=socket={folder}/munge.socket,cred_expire=20\n"
        f"StateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool\n"
        f"SlurmctldLogFile={folder}/slurmctld.log\nSlurmdLogFile={folder}/slurmd.log\n"
        f"SlurmctldPidFile={folder}/slurmctld.pid\nSlurmdPidFile={folder}/slurmd.pid\n"
        "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\n"
        "AccountingStorageType=accounting_storage/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n"
        "MpiDefault=none\nReturnToService=2\nSchedulerParameters=sched_interval=1,batch_sched_delay=0\n"
        "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny\nSlurmdParameters=config_overrides\n"
        "MinJobAge=3600\nKillWait=2\nJobRequeue=1\n"
        f"NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory_mb} State=UNKNOWN\n"
        "PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
    )
    variables = {"SLURM_CONF": str(folder / "slurm.conf")}
    munge = [
        programs["munged"], "--foreground", "--force", f"--socket={folder}/munge.socket",
        f"--key-file={folder}/munge.key", f"--pid-file={folder}/munge.pid", f"--log-file={folder}/munged.log",
        f"--seed-file={folder}/munge.seed",
    ]  # fmt: skip
    with (
        running(munge, folder / "munge.out"),
        running([programs["slurmctld"], "-D"], folder / "slurmctld.out", **variables),
        running([programs["slurmd"], "-D"], folder / "slurmd.out", **variables),
    ):
        environment = {**os.environ, **variables}

        def idle() -> bool:
            told = subprocess.run(
                ["sinfo", "-h", "-o", "%t"], env=environment, capture_output=True, text=True, timeout=60, check=False
            )
            return "idle" in told.stdout

        awaited(idle, "SLURM node")
        yield variables


def served(url: str) -> bool:
    with suppress(OSError), urlopen(url, timeout=5) as answer:
        return bool(answer.status == 200)
    return False


@contextmanager
def gateway(folder: Path, password: str) -> Iterator[tuple[str, str]]:
    """The addresses of a real Dask Gateway server and its proxy, which start clusters as processes on this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    http, tcp, api = free_port(), free_port(), free_port()
    (folder / "config.py").write_text(
        f"""
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.SimpleAuthenticator.password = "{password}"
c.DaskGateway.address = "127.0.0.1:{api}"
c.Proxy.address = "127.0.0.1:{http}"
c.Proxy.tcp_address = "127.0.0.1:{tcp}"
c.UnsafeLocalBackend.clusters_directory = "{folder}/clusters"
c.ClusterConfig.scheduler_cmd = ["{sys.executable}", "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = ["{sys.executable}", "-m", "distributed.cli.dask_worker", "--host", "127.0.0.1"]
c.ClusterConfig.worker_memory = "2 G"
from dask_gateway_server.options import Integer, Options
c.Backend.cluster_options = Options(Integer("worker_cores", default=1, min=1, max=4))
"""
    )
    words = [sys.executable, "-m", "dask_gateway_server", "--config", str(folder / "config.py")]
    with running(words, folder / "server.log") as server:
        awaited(lambda: served(f"http://127.0.0.1:{http}/api/version") or server.poll() is not None, "gateway")
        assert server.poll() is None, (folder / "server.log").read_text()
        yield f"http://127.0.0.1:{http}", f"gateway://127.0.0.1:{tcp}"
