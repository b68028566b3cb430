"""Forks servers of this machine as they are ordered: ``python -m cluster.forking``.

What a server imports, and the compiled code it loads, takes it longer than all else it does to come up. Here both
happen once, in a process without threads that Python's ``multiprocessing`` calls a fork server: the scheduler, the
nannies and each worker, also one that a nanny starts again, is a fork of it. It begins to load at once, also where
nothing is ordered yet.

Orders come by standard input, a line of JSON each: a process to start (`Order`), or the number of one that is to end.
Each that has ended is told on standard output, a line with its number. When the input ends, all servers end, and so
does this process.
"""

import json
import os
import signal
import sys
import tempfile
from multiprocessing import connection, forkserver, get_context
from multiprocessing.process import BaseProcess
from typing import Any, TypedDict

#: What the fork server loads.
_LOADED = "cluster.forked"
#: The fork server listens on a socket in a folder for temporary files, and the path of a socket has 107 bytes at most.
_LONGEST = 70


class Order(TypedDict):
    """A process to start.

    Attributes
    ----------
    number
        To speak of it.
    name
        What the system's list of processes calls it.
    servers
        For `dask spec`: of each server its class and its options, by name.
    card
        The file that has the scheduler's address, or will have it; "" for a scheduler.
    log
        The file that takes what it says.
    """

    number: int
    name: str
    servers: dict[str, Any]
    card: str
    log: str


class Forking:
    """The servers that were ordered and have not ended."""

    def __init__(self) -> None:
        # Libraries of other systems do not bear a fork.
        self._context = get_context("forkserver") if sys.platform == "linux" else get_context("spawn")
        self._servers: dict[int, BaseProcess] = {}
        self._cords: dict[int, connection.Connection] = {}

    def follow(self, orders: int) -> None:
        """Nothing; all orders that came by the file descriptor `orders` were followed, and all servers have ended."""
        partial = b""
        while True:
            by_sentinel = {server.sentinel: number for number, server in self._servers.items()}
            ready = connection.wait([orders, *by_sentinel])
            for sentinel, number in by_sentinel.items():
                if sentinel in ready:
                    self._tell_end(number)
            if orders in ready:
                came = os.read(orders, 65_536)
                if not came:
                    break
                *lines, partial = (partial + came).split(b"\n")
                for line in lines:
                    self._follow_one(json.loads(line))
        for server in self._servers.values():
            server.kill()

    def _follow_one(self, order: Order | int) -> None:
        if isinstance(order, int):
            if order in self._servers:
                self._servers[order].kill()
            return
        number = order["number"]
        end, self._cords[number] = self._context.Pipe(duplex=False)
        self._servers[number] = self._context.Process(target=_become, args=(order, end))
        self._servers[number].start()
        end.close()

    def _tell_end(self, number: int) -> None:
        self._servers.pop(number).join()
        self._cords.pop(number).close()
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


def _become(order: Order, cord: connection.Connection) -> None:
    """Nothing; the servers of an order have ended. This process is theirs."""
    from cluster.forked import serve

    serve(order, cord)


def main() -> None:
    """Nothing; the input has ended."""
    # Who starts this ends it. At a terminal, Ctrl-C reaches all processes at once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    forking = Forking()
    if sys.platform == "linux":
        if len(tempfile.gettempdir()) > _LONGEST:
            tempfile.tempdir = "/tmp"  # noqa: S108 - in a folder that is made for it alone
        forkserver.set_forkserver_preload([_LOADED])
        forkserver.ensure_running()
    forking.follow(sys.stdin.fileno())


if __name__ == "__main__":
    # Forks find what is theirs in the module of this name.
    from cluster import forking

    forking.main()
