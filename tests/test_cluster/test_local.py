"""The local cluster and running tasks on it: real processes, real deaths, a deadline on every wait."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from dask import delayed
from distributed import wait

from benchmarks.recovery import awaited
from cluster.checkpoints import Checkpoints
from cluster.errors import ClusterLostError, ProfileError, StalledError, WorkerLostError
from cluster.execute import ClientExecute, _Wait, batch_for
from cluster.memory import PeakMemory
from cluster.progress import Silence
from cluster.providers.open import provider_of
from cluster.providers.provider import Places
from cluster.session import Session
from pipeline.config import ClusterConfig

pytestmark = pytest.mark.xdist_group("cluster")


class Recorder(Silence):
    def __init__(self):
        self.events = []

    def stage_started(self, stage, tasks, total_bytes):
        self.events.append(("started", stage, tasks, total_bytes))

    def task_done(self, stage, done, tasks, done_bytes, done_rows):
        self.events.append(("done", done, tasks, done_bytes))

    def stage_finished(self, stage, seconds):
        self.events.append(("finished", stage))


def running(config, folder):
    return Session(provider_of(config, Places(scratch=folder, logs=folder / "logs")))


@pytest.fixture(params=[True, False], ids=["processes", "threads"])
def client(request, tmp_path):
    with running(ClusterConfig(workers=2, processes=request.param), tmp_path) as session:
        yield session.client


def double(number):
    return 2 * number


def fail(number):
    raise ValueError(f"number {number}")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def linger(seconds):
    time.sleep(seconds)


def test_results_come_in_the_order_of_the_tasks_with_progress_told(client):
    recorder = Recorder()
    execute = ClientExecute(client, recorder, 60, 0)
    results = execute("double", [delayed(double)(n) for n in range(20)], sizes=[10] * 20)
    assert results == [2 * n for n in range(20)]
    assert recorder.events[0] == ("started", "double", 20, 200)
    assert recorder.events[1:-1] == [("done", n, 20, 10 * n) for n in range(1, 21)]
    assert recorder.events[-1] == ("finished", "double")
    assert execute.seconds["double"] > 0


@pytest.mark.filterwarnings("error")
def test_a_large_graph_is_no_reason_for_advice(client):
    texts = [f"{number}" * 2_000_000 for number in range(8)]
    assert ClientExecute(client, Silence(), 60, 0)("length", [delayed(len)(text) for text in texts]) == [2_000_000] * 8


def test_a_task_s_own_error_arrives_as_it_was_raised(client):
    with pytest.raises(ValueError, match="number 3"):
        ClientExecute(client, Silence(), 60, 0)("fail", [delayed(fail)(3)])


def nothing(number):
    return number % 3 or None


def test_answers_that_are_through_are_fetched_together_and_errors_left_for_later(client):
    futures = dict(enumerate([*client.map(nothing, range(7)), client.submit(fail, 3), client.submit(double, 3)]))
    wait(list(futures.values()), timeout=60)
    execute = ClientExecute(client, Silence(), 60, 0)
    found = execute._fetched(futures)
    assert found == {**{number: nothing(number) for number in range(7)}, 8: 6}
    assert execute._fetched({0: futures[0]}) == {}


def test_hundreds_of_small_answers_come_whole_in_few_round_trips(client, monkeypatch):
    together = []
    fetched = ClientExecute._fetched
    monkeypatch.setattr(
        ClientExecute, "_fetched", lambda self, futures: together.append(len(futures)) or fetched(self, futures)
    )
    recorder = Recorder()
    # While the driver is told of the first answer, the others come through.
    monkeypatch.setattr(recorder, "task_done", lambda *_: time.sleep(0.01))
    results = ClientExecute(client, recorder, 60, 0)("nothing", [delayed(nothing)(n) for n in range(300)])
    assert results == [nothing(number) for number in range(300)]
    assert sum(together) == 300
    assert max(together) <= 64
    assert len(together) < 300


def test_no_task_finishing_in_time_is_an_error_not_a_wait_for_ever(client):
    with pytest.raises(StalledError, match="none of 1 pending"):
        ClientExecute(client, Silence(), 0.3, 0)("linger", [delayed(linger)(3)])


def test_a_worker_that_keeps_dying_is_one_clear_error(tmp_path):
    with running(ClusterConfig(workers=1, memory="1GB"), tmp_path) as session:
        client = session.client
        execute = ClientExecute(client, Silence(), 120, 1_000_000_000)
        with pytest.raises(WorkerLostError, match=r"stage clean: workers \(1.0 GB of memory each\)"):
            execute("clean", [delayed(die)()])
        assert execute("double", [delayed(double)(4)]) == [8]


@pytest.mark.parametrize("processes", [True, False], ids=["processes", "threads"])
def test_nothing_listens_beyond_loopback_and_nothing_is_left_behind(tmp_path, processes):
    # Helpers of the interpreter that earlier tests left, such as the resource tracker, are none of the cluster's.
    before = set(psutil.Process().children(recursive=True))
    with running(ClusterConfig(workers=2, processes=processes), tmp_path) as session:
        client = session.client
        children = [child for child in psutil.Process().children(recursive=True) if child not in before]
        addresses = {
            connection.laddr.ip
            for process in [psutil.Process(), *children]
            for connection in process.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        client.submit(double, 1).result(timeout=30)
    assert addresses == {"127.0.0.1"}
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


def _born():
    """Which process this one is a fork of, what it had loaded by then, and where it logs to."""
    return os.getppid(), "pipeline.ingest.partition" in sys.modules, Path("/proc/self/fd/2").readlink()


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forks on Linux alone")
def test_workers_are_forks_of_one_process_that_has_loaded_what_tasks_need(tmp_path):
    with running(ClusterConfig(workers=2), tmp_path) as session:
        client = session.client
        born = list(client.run(_born).values())
        told = {log.name for _, _, log in born}
        assert {loaded for _, loaded, _ in born} == {True}
        assert len({parent for parent, _, _ in born}) == 1
        assert told == {"worker-0.log", "worker-1.log"}


def test_no_worker_left_is_an_error_not_a_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("cluster.execute._WITHOUT_WORKERS_S", 1.0)
    with running(ClusterConfig(workers=1), tmp_path) as session:
        client = session.client
        [nanny] = [p for p in psutil.Process().children(recursive=True) if p.name() == "nanny"]
        nanny.kill()
        with pytest.raises(WorkerLostError, match="no worker is left"):
            ClientExecute(client, Silence(), 120, 0)("double", [delayed(double)(1)])


def _fill_to(share, limit):
    """Takes memory that stays taken, until this process holds so much of its limit."""
    import distributed  # a worker's module that lives as long as the worker

    missing = int(share * limit) - psutil.Process().memory_info().rss
    distributed.kept_by_a_test = bytearray(b"x") * missing
    time.sleep(1)


def test_workers_that_are_full_are_an_error_not_a_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("cluster.execute._WITHOUT_WORKERS_S", 1.0)
    with running(ClusterConfig(workers=1, memory="1GB"), tmp_path) as session:
        client = session.client
        # It is paused beyond 80 % and killed beyond 95 %.
        client.submit(_fill_to, 0.87, 1_000_000_000).result(timeout=30)
        with pytest.raises(WorkerLostError, match="all workers are paused"):
            ClientExecute(client, Silence(), 60, 1_000_000_000)("double", [delayed(double)(1)])


def test_an_unknown_profile_is_refused(tmp_path):
    with pytest.raises(ProfileError, match="Known: local"):
        running(ClusterConfig(profile="moon"), tmp_path)


def test_processes_end_when_their_driver_is_killed(tmp_path: Path):
    script = tmp_path / "driver.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import time
            from pathlib import Path
            from cluster.providers.open import provider_of
            from cluster.providers.provider import Places
            from cluster.session import Session
            from pipeline.config import ClusterConfig
            places = Places(scratch=Path({str(tmp_path)!r}), logs=Path({str(tmp_path)!r}))
            with Session(provider_of(ClusterConfig(workers=2), places)) as session:
                session.client.wait_for_workers(2, timeout=60)
                print("up", flush=True)
                time.sleep(120)
            """
        )
    )
    driver = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert driver.stdout.readline() == b"up\n"
        children = psutil.Process(driver.pid).children(recursive=True)
        assert len(children) >= 5  # a scheduler, two nannies, two workers
        driver.kill()
        driver.wait(timeout=20)
        _, alive = psutil.wait_procs(children, timeout=30)
        assert not alive
    finally:
        driver.stdout.close()
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)


def test_peak_memory_sees_a_child(tmp_path):
    with PeakMemory(0.02) as memory:
        subprocess.run([sys.executable, "-c", "import time; x = b'x' * 300_000_000; time.sleep(0.6)"], check=True)
    assert memory.peak_bytes > 300_000_000


def noted(number, log, dies_at):
    with open(log, "a") as file:
        file.write(f"{number}\n")
    if number == dies_at:
        die()
    return number


def test_many_tasks_travel_in_batches_and_one_that_kills_its_worker_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("cluster.execute._MANY", 4)
    monkeypatch.setattr("cluster.execute._TURNS", 2)

    def tasks(dies_at):
        return [delayed(noted, pure=False)(n, tmp_path / "log", dies_at) for n in range(30)]

    with running(ClusterConfig(workers=2), tmp_path) as session:
        client = session.client
        recorder = Recorder()
        checkpoints = Checkpoints(tmp_path / "done", tmp_path, "")
        execute = ClientExecute(client, recorder, 120, 0, checkpoints=checkpoints)
        assert batch_for(30, 2) == 7
        with pytest.raises(WorkerLostError) as caught:
            execute("note", tasks(9))
        assert caught.value.tasks == (9,)
        # Those before it in its batch were done once, and those after it never.
        done = Counter((tmp_path / "log").read_text().split())
        assert (done["7"], done["8"], done["10"]) == (1, 1, 0)
        assert done["9"] > 1
        assert execute("note", tasks(None)) == list(range(30))
        assert recorder.events[-2][:3] == ("done", 30, 30)


@pytest.mark.parametrize(
    ("tasks", "threads", "together"),
    [
        (1, 2, 1),
        (1_000, 2, 1),
        (1_999, 2, 1),
        (10_000, 2, 10),
        (100_000, 2, 64),
        (100_000, 1_000, 10),
        (156_250, 4_000, 9),
        (10**6, 10**5, 2),
    ],
)
def test_tasks_go_together_where_there_are_very_many_for_each_thread(tasks, threads, together):
    assert batch_for(tasks, threads) == together


@pytest.mark.parametrize(
    "error", [WorkerLostError("clean", 5, "x"), StalledError("clean", 1.5, 3), ProfileError("p", "q")]
)
def test_errors_survive_pickling(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))


class Answering:
    """A future whose answer cannot be fetched."""

    def __init__(self, status, error):
        self.status = status
        self.error = error

    def result(self, timeout):
        raise self.error

    def done(self):
        return True


class Connected:
    """A client of a scheduler that nobody knows to be gone yet."""

    status = "running"


def test_a_connection_lost_while_an_answer_is_fetched_is_a_lost_cluster_and_no_failure_of_the_task():
    execute = ClientExecute(Connected(), Silence(), 10.0, 0)
    with pytest.raises(ClusterLostError, match="reset by peer"):
        execute._result(_Wait("clean", 60), Answering("finished", ConnectionResetError("reset by peer")))
    with pytest.raises(FileNotFoundError, match="no such file"):
        execute._result(_Wait("clean", 60), Answering("error", FileNotFoundError("no such file")))


def test_an_answer_whose_fetching_was_cut_off_is_fetched_again():
    """distributed's `sync` has neither an answer nor an error where a cancellation comes with its timeout."""

    class CutOffOnce(Answering):
        def result(self, timeout):
            error, self.error = self.error, None
            if error is not None:
                raise error
            return 42

    execute = ClientExecute(Connected(), Silence(), 10.0, 0)
    assert execute._result(_Wait("clean", 60), CutOffOnce("finished", UnboundLocalError("result"))) == 42
    with pytest.raises(UnboundLocalError, match="of the task"):
        execute._result(_Wait("clean", 60), CutOffOnce("error", UnboundLocalError("of the task")))


DIES_AT_ONCE = """
import os
from pathlib import Path
from cluster.providers import commands
from cluster.providers.provider import Places

class Last(commands.Command):
    def __init__(self, *values):
        super().__init__(*values)
        Path("pid").write_text(str(self._process.pid))
        os._exit(1)

commands.Command = Last
commands.launch_scheduler("127.0.0.1", None, Places(scratch=Path("scratch"), logs=Path("logs")))
"""


def test_a_scheduler_whose_driver_dies_before_it_is_up_ends_too(tmp_path):
    subprocess.run([sys.executable, "-c", DIES_AT_ONCE], cwd=tmp_path, check=False, timeout=240)
    scheduler = psutil.Process(int((tmp_path / "pid").read_text()))
    try:
        awaited(lambda: not scheduler.is_running(), "end of the scheduler")
    finally:
        if scheduler.is_running():
            scheduler.kill()
