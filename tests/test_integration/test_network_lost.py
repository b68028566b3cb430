"""A network that breaks between driver, scheduler and workers while tasks run: all is done, and nothing twice."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from dask import delayed
from distributed import Client

from benchmarks.recovery import awaited
from cluster.checkpoints import Checkpoints
from cluster.execute import ClientExecute
from cluster.progress import Silence
from cluster.providers.provider import say_goodbye
from cluster.session import Session

pytestmark = pytest.mark.xdist_group("cluster")
TASKS = 16
ROOT = str(Path(__file__).resolve().parents[2])


class Wire:
    """A proxy on the loopback address whose connections can be cut.

    While it is cut nobody gets through; what was open is reset.
    """

    def __init__(self, host, port):
        self.target = (host, port)
        self.open = set()
        self.whole = True
        self.lock = threading.Lock()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with suppress(OSError):
            while True:
                near, _ = self.server.accept()
                if not self.whole:
                    near.close()
                    continue
                far = socket.create_connection(self.target)
                with self.lock:
                    self.open |= {near, far}
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self.carry, args=pair, daemon=True).start()

    def carry(self, source, sink):
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            with self.lock:
                self.open.discard(end)

    def cut(self):
        self.whole = False
        with self.lock:
            ends = list(self.open)
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.cut()
        self.server.close()


class Behind:
    """A scheduler and workers that are reached through a wire alone."""

    def __init__(self, folder):
        self.folder, self.workers, self.memory_bytes, self.opened = folder, 2, 0, 0
        card = folder / "scheduler.json"
        self.scheduler = self.start("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", card)
        awaited(lambda: card.exists() and card.read_text().endswith("}"), "the scheduler")
        host, _, port = json.loads(card.read_text())["address"].removeprefix("tcp://").partition(":")
        self.wire = Wire(host, int(port))
        self.worker, self.client = None, None
        self.mend()

    def start(self, *words):
        with open(self.folder / f"{words[0]}.log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *map(str, words), "--host", "127.0.0.1"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env={**os.environ, "PYTHONPATH": ROOT},
            )  # fmt: skip

    def open(self):
        self.opened += 1
        self.client = Client(self.wire.address, set_as_default=True, timeout=60)
        return self.client

    def mend(self):
        if self.worker is None or self.worker.poll() is not None:
            self.worker = self.start(
                "worker", self.wire.address, "--nworkers", "2", "--nthreads", "1", "--no-dashboard"
            )

    def vet(self):
        pass

    def lost(self):
        return None

    def scale(self, workers):
        raise AssertionError("nobody asked for that")

    def close(self):
        client, self.client = self.client, None
        say_goodbye(client)

    def end(self):
        self.close()
        self.wire.close()
        for process in (self.worker, self.scheduler):
            family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            process.kill()
            process.wait(20)


class Scissors(Silence):
    """Cuts the wire once some tasks are through, and mends it a moment later."""

    def __init__(self, wire):
        self.wire, self.cuts = wire, 0

    def task_done(self, stage, done, tasks, done_bytes, done_rows):
        if done == 4 and not self.cuts:
            self.cuts += 1
            self.wire.cut()
            threading.Timer(1.0, self.mend).start()

    def mend(self):
        self.wire.whole = True


def work(number, log):
    time.sleep(0.2)
    with open(log, "a") as file:
        file.write(f"{number}\n")
    return number * number


def test_a_lost_connection_costs_no_result_and_no_work_that_was_through(tmp_path):
    behind = Behind(tmp_path)
    listener = Scissors(behind.wire)
    lost = []
    try:
        with Session(behind, lost.append) as session:
            kept = Checkpoints(tmp_path / "done", tmp_path, "")
            execute = ClientExecute(session, listener, 120, 0, checkpoints=kept)
            tasks = [delayed(work, pure=False)(number, str(tmp_path / "log")) for number in range(TASKS)]
            assert execute("work", tasks) == [number * number for number in range(TASKS)]
    finally:
        behind.end()
    assert listener.cuts == 1
    assert lost
    assert behind.opened == len(lost) + 1
    done = Counter(Path(tmp_path / "log").read_text().split())
    assert set(done) == {str(number) for number in range(TASKS)}
    # Only what the two workers were at when the wire broke may have been done once more.
    assert sum(done.values()) <= TASKS + 2 * len(lost)
