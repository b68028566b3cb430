"""Clusters beyond this process: a scheduler that others run, keys, wrong keys, machines over ssh. All of it real."""

import json
import os
import shutil
import socket
import ssl
import stat
import sys
import time
import venv
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import psutil
import pytest
from child_processes import children_running
from dask import delayed
from services import PATIENCE_S, ROOT, awaited, dask_cluster, gateway, running, sshd

from cluster.checkpoints import Checkpoints
from cluster.errors import ProfileError, TlsError, WorkersUnfitError
from cluster.execute import ClientExecute
from cluster.probes import PACKAGES
from cluster.profiles.settings import KINDS
from cluster.profiles.sources import Named
from cluster.progress import Silence
from cluster.providers.open import provider_of
from cluster.providers.provider import Places
from cluster.session import Session
from cluster.tls import TlsFolder, init_tls
from pipeline.config import ClusterConfig

pytestmark = pytest.mark.xdist_group("remote")


def named(kind, **settings):
    return Named(name="lab", profile=KINDS[kind].model_validate({"kind": kind, **settings}), origin="test")


def provider(kind, folder, config=None, **settings):
    places = Places(scratch=folder / "scratch", logs=folder / "logs")
    return provider_of(config or ClusterConfig(), places, named(kind, **settings), "run")


@contextmanager
def opened(cluster):
    with Session(cluster) as session:
        yield session.client


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return init_tls(tmp_path_factory.mktemp("keys") / "tls", days=2)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Keys of another authority."""
    return init_tls(tmp_path_factory.mktemp("others") / "tls", days=2)


@pytest.fixture(scope="module")
def secure(keys, tmp_path_factory):
    with dask_cluster(tmp_path_factory.mktemp("secure"), tls=keys.path) as address:
        yield address


def listening(pids):
    return {
        connection.laddr.ip
        for pid in pids
        for connection in psutil.Process(pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }


def asker():
    def who():
        return os.getpid(), os.getppid(), os.environ.get("CLUSTER_TOKEN")

    return who  # made here, so that it is pickled by value: workers know nothing of tests


who = asker()


def test_keys_are_private_and_signed_by_their_own_authority(keys):
    for path in keys.path.iterdir():
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o600 if path.name.endswith("-key.pem") else 0o644), path
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o700
    left = keys.expires_at() - datetime.now(UTC)
    assert timedelta(days=1, hours=23) < left <= timedelta(days=2)
    keys.require()
    with pytest.raises(TlsError, match="there are keys already; --force"):
        init_tls(keys.path, days=2)


def test_bad_folders_of_keys_are_told_with_their_cure(tmp_path):
    with pytest.raises(TlsError, match="no such file; make the folder with `textmill cluster init-tls`"):
        TlsFolder(path=tmp_path / "none").require()
    open_to_all = init_tls(tmp_path / "open", days=1)
    open_to_all.key("worker").chmod(0o644)
    with pytest.raises(TlsError, match="others can read this key; run: chmod 600"):
        open_to_all.require()
    with pytest.raises(TlsError, match=r"a certificate expired on \d+-\d+-\d+; make new ones"):
        init_tls(tmp_path / "old", days=0).require()


def test_a_running_cluster_is_used_over_tls_and_left_as_it_was(secure, keys, tmp_path):
    with opened(provider("address", tmp_path, address=secure, tls=str(keys.path))) as client:
        assert client.scheduler.address == secure
        assert client.submit(sum, [1, 2, 3]).result(timeout=PATIENCE_S) == 6
        pids = [pid for pid, _, _ in client.run(who).values()]
        assert listening([*pids, *(parent for _, parent, _ in client.run(who).values())]) == {"127.0.0.1"}
    with opened(provider("address", tmp_path, address=secure, tls=str(keys.path))) as client:
        assert [pid for pid, _, _ in client.run(who).values()] == pids


def test_whoever_has_no_key_of_the_authority_stays_out(secure, keys, others, tmp_path):
    host, port = "127.0.0.1", int(secure.rpartition(":")[2])
    with pytest.raises(ProfileError, match="certificate is not from the authority"):
        provider("address", tmp_path, address=secure, tls=str(others.path)).open()
    # The right authority, but a certificate that it did not sign.
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for path in (*others.path.iterdir(), keys.authority):
        (mixed / path.name).write_bytes(path.read_bytes())
        (mixed / path.name).chmod(0o600)
    with pytest.raises(ProfileError, match="does not accept this side's certificate"):
        provider("address", tmp_path, address=secure, tls=str(mixed)).open()
    # No certificate at all.
    context = ssl.create_default_context(cafile=str(keys.authority))
    context.check_hostname = False
    with pytest.raises((ssl.SSLError, ConnectionError)):  # noqa: SIM117, PT012 - the server says so when it is read
        with socket.create_connection((host, port), timeout=10) as plain, context.wrap_socket(plain) as wrapped:
            wrapped.settimeout(PATIENCE_S)
            assert wrapped.recv(1) != b""
            raise AssertionError("the scheduler talks to whoever comes")
    # Plain TCP: nothing is said to it, and the connection ends.
    with socket.create_connection((host, port), timeout=10) as plain:
        plain.settimeout(PATIENCE_S)
        plain.sendall(b"\x00" * 64)
        assert not _whole(plain).startswith(b"\x00")
    plain_address = secure.replace("tls", "tcp")
    with pytest.raises(ProfileError, match="does not answer as a Dask scheduler"):
        provider("address", tmp_path, address=plain_address, start_timeout_s=3).open()
    worker = [sys.executable, "-m", "dask", "worker", plain_address, "--host", "127.0.0.1", "--death-timeout", "3"]
    with running(worker, tmp_path / "worker.log") as process:
        process.wait(PATIENCE_S)
    with opened(provider("address", tmp_path, address=secure, tls=str(keys.path))) as client:
        assert len(client.scheduler_info()["workers"]) == 1


def _whole(plain):
    found = b""
    try:
        while part := plain.recv(4096):
            found += part
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("tcp://127.0.0.1:1", "cannot be reached: .* Is the scheduler running"),
        ("tls://127.0.0.1:1", "needs keys"),
        ("tcp://10.9.8.7:8786", "whoever can reach it can run code as you"),
    ],
)
def test_what_cannot_be_connected_to_is_told_at_once(address, message, tmp_path):
    with pytest.raises(ProfileError, match=message):
        provider("address", tmp_path, address=address).open()


def test_tls_to_a_plain_scheduler_is_told(keys, tmp_path):
    with dask_cluster(tmp_path / "plain") as address:
        with pytest.raises(ProfileError, match="does not speak TLS"):
            provider("address", tmp_path, address=address.replace("tcp", "tls"), tls=str(keys.path)).open()
        with pytest.raises(
            ProfileError, match=r"has \d workers, and 9 did not come within 1 s. Start them with: dask worker"
        ):
            provider("address", tmp_path, address=address, workers=9, start_timeout_s=1).open()


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The Python of an environment that has the libraries and no textmill."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    here = Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    there = folder / "lib" / here.parent.name / "site-packages"
    for path in here.iterdir():
        if "textmill" not in path.name and not path.name.endswith(".pth"):
            (there / path.name).symlink_to(path)
    return str(folder / "bin/python")


def test_a_worker_with_another_textmill_that_comes_late_is_refused_and_no_answer_of_its_stage_counts(bare, tmp_path):
    # Code that no installation tells the version of. A worker without any closes at the first task by itself.
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / "other" / package, ignore=shutil.ignore_patterns("__pycache__"))
    with dask_cluster(tmp_path / "dask", workers=1) as address:
        kept = Checkpoints(tmp_path / "done", tmp_path, "")
        with Session(provider("address", tmp_path, address=address)) as session:
            execute = ClientExecute(session, Silence(), PATIENCE_S, 0, checkpoints=kept)
            tasks = [delayed(abs, pure=False)(-number) for number in range(6)]
            assert execute("first", tasks[:3]) == [0, 1, 2]
            worker = [bare, "-m", "dask", "worker", address, "--host", "127.0.0.1", "--no-dashboard"]
            with running(worker, tmp_path / "late.log", PYTHONPATH=str(tmp_path / "other")):
                awaited(lambda: len(session.client.scheduler_info(n_workers=-1)["workers"]) == 2, "the late worker")
                with pytest.raises(
                    WorkersUnfitError, match=r"textmill is missing there; run there: \S+ -m pip install"
                ):
                    execute("second", tasks[3:])
    assert len(list((tmp_path / "done" / "first").iterdir())) == 3
    assert not (tmp_path / "done" / "second").exists()


def finder():
    def found():
        return import_module("textmill").__file__

    return found


def test_workers_without_textmill_are_refused_by_name_and_served_where_allowed(bare, tmp_path):
    with dask_cluster(tmp_path / "bare", python=bare, environment={"PYTHONPATH": ""}) as address:
        with pytest.raises(WorkersUnfitError) as caught:
            provider("address", tmp_path, address=address).open()
        [problem] = caught.value.problems
        assert problem.startswith(f"textmill is missing there; run there: {bare} -m pip install textmill==")
        assert "tcp://127.0.0.1:" in problem
        with opened(provider("address", tmp_path, address=address, ship=True)) as client:
            [path] = client.run(finder()).values()
            assert str(tmp_path / "bare/scratch") in path


def test_machines_over_ssh_with_keys_for_this_run_alone(tmp_path, keys, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2hunter2")
    with sshd(tmp_path / "ssh") as options:
        cluster = provider(
            "ssh", tmp_path, hosts=["127.0.0.1"], options=options, address="127.0.0.1", tls=str(keys.path),
            memory="1GB", environment={"CLUSTER_TOKEN": "${SECRET_TOKEN}"}, workers_per_host=1,
        )  # fmt: skip
        with opened(cluster) as client:
            assert client.scheduler.address.startswith("tls://127.0.0.1:")
            [(pid, parent, token)] = client.run(who).values()
            assert token == "hunter2hunter2"
            there = [psutil.Process(pid), psutil.Process(parent)]
            assert there[1].parent().name() == "sshd"
            assert listening([pid, parent]) == {"127.0.0.1"}
            for process in psutil.process_iter(["cmdline"]):
                assert "hunter2" not in " ".join(process.info["cmdline"] or [])
        awaited(lambda: not any(process.is_running() for process in there), "end of the workers")


def test_workers_over_ssh_end_when_the_driver_is_killed(tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from cluster.probes import PACKAGES
from cluster.profiles.settings import KINDS
from cluster.profiles.sources import Named
from cluster.providers.open import provider_of
from cluster.providers.provider import Places
from pipeline.config import ClusterConfig
import os, json
options = json.loads(sys.argv[1])
facts = dict(kind="ssh", hosts=["127.0.0.1"], options=options, address="127.0.0.1", memory="1GB")
named = Named(name="x", profile=KINDS["ssh"].model_validate(facts), origin="")
folder = Path({str(tmp_path)!r})
client = provider_of(ClusterConfig(), Places(scratch=folder / "s", logs=folder / "l"), named).open()
(folder / "aside").write_text(json.dumps([list(client.run(lambda: (os.getpid(), os.getppid())).values())[0]]))
(folder / "aside").rename(folder / "pids")
time.sleep(600)
"""
    with (
        sshd(tmp_path / "ssh") as options,
        running([sys.executable, "-c", code, json.dumps(options)], tmp_path / "driver.log") as driver,
    ):
        awaited(lambda: (tmp_path / "pids").exists() or driver.poll() is not None, "workers")
        assert driver.poll() is None, (tmp_path / "driver.log").read_text()
        there = [psutil.Process(pid) for pid in json.loads((tmp_path / "pids").read_text())[0]]
        driver.kill()
        awaited(lambda: not any(process.is_running() for process in there), "end of the workers")


def test_a_cluster_grows_with_its_work_and_shrinks_without(tmp_path):
    with sshd(tmp_path / "ssh") as options:
        settings = {"hosts": ["127.0.0.1"], "workers_per_host": 3, "options": options, "address": "127.0.0.1"}
        cluster = provider("ssh", tmp_path, **settings, adaptive={"minimum": 1, "maximum": 3})
        with opened(cluster) as client:
            assert len(client.scheduler_info()["workers"]) == 1

            def there_are(workers):
                cluster.mend()
                return len(client.scheduler_info(n_workers=-1)["workers"]) == workers

            work = client.map(time.sleep, [1.0 + number / 1000 for number in range(300)])
            awaited(lambda: there_are(3), "growth to three workers")
            client.cancel(work)
            awaited(lambda: there_are(1), "return to one worker")
            assert client.submit(sum, [1, 2, 3]).result(timeout=PATIENCE_S) == 6


def test_a_machine_that_cannot_be_reached_says_what_ssh_said(tmp_path):
    cluster = provider(
        "ssh", tmp_path, hosts=["127.0.0.1"], options=["-p", "1", "-F", "/dev/null"], address="127.0.0.1"
    )
    with pytest.raises(ProfileError, match=r"(?s)the workers did not start.*Connection refused"), opened(cluster):
        raise AssertionError
    assert not children_running("cluster.serve")


def test_a_machine_without_textmill_says_what_to_do(tmp_path, bare):
    with sshd(tmp_path / "ssh") as options:
        cluster = provider("ssh", tmp_path, hosts=["127.0.0.1"], options=options, address="127.0.0.1", python=bare)
        with pytest.raises(ProfileError, match="Install the same textmill there, or say with `python`"):
            cluster.open()
        cluster.close()


def test_a_gateway_starts_a_cluster_and_ends_it(tmp_path, monkeypatch):
    with gateway(tmp_path / "gateway", "hunter2hunter2") as (address, proxy):
        settings = {"address": address, "proxy_address": proxy, "workers": 2}
        monkeypatch.setenv("TEXTMILL_GATEWAY_PASSWORD", "wrong")
        with pytest.raises(ProfileError, match=r"Unauthorized.*Set \$TEXTMILL_GATEWAY_PASSWORD"):
            provider("gateway", tmp_path, **settings).open()
        monkeypatch.setenv("TEXTMILL_GATEWAY_PASSWORD", "hunter2hunter2")
        with pytest.raises(ProfileError, match=r"worker_crs.*What the server lets you choose: worker_cores"):
            provider("gateway", tmp_path, options={"worker_crs": 2}, **settings).open()
        cluster = provider("gateway", tmp_path, options={"worker_cores": 2}, **settings)
        with opened(cluster) as client:
            awaited(lambda: len(client.scheduler_info()["workers"]) == 2, "two workers")
            assert set(client.nthreads().values()) == {2}
            assert client.submit(sum, [1, 2, 3]).result(timeout=PATIENCE_S) == 6
            there = [psutil.Process(pid) for pid, _, _ in client.run(who).values()]
        awaited(lambda: not any(process.is_running() for process in there), "end of the workers")


def test_no_password_goes_over_the_network_in_the_clear(tmp_path):
    with pytest.raises(ProfileError, match="would send your password in the clear"):
        provider("gateway", tmp_path, address="http://10.9.8.7:8000").open()
    with pytest.raises(ProfileError, match="Is the gateway running"):
        provider("gateway", tmp_path, address="http://127.0.0.1:1").open()
