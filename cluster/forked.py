"""What servers of this machine are, and what tasks of most runs need, loaded by being imported: before they are forked.

Then `serve` makes a fork a server.
"""

import asyncio
import gc
import os
import sys
import threading
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import TYPE_CHECKING

from storage.loading import loading

with loading():
    import distributed.utils
    from distributed import Nanny, Scheduler, Worker  # noqa: F401 - to be there
    from distributed.compatibility import asyncio_run
    from distributed.config import get_loop_factory
    from distributed.deploy.spec import init_spec

    import pipeline.ingest.partition
    import pipeline.ingest.reading.plan  # noqa: F401 - to be there
    from cluster.processes import name_process
    from cluster.providers.commands import address_on
    from cluster.worker_log import say_into
    from storage.compiled import load_compiler

    load_compiler()
if TYPE_CHECKING:
    from cluster.forking import Order

# A fork that looks for garbage in it would copy the memory that all forks share.
gc.freeze()

_LOOK_S = 0.02


def serve(order: "Order", cord: connection.Connection) -> None:
    """Nothing; the servers of an order have ended.

    Parameters
    ----------
    order
        What to be.
    cord
        Nothing comes through it. When its other end is gone, this process ends.
    """
    say_into(Path(order["log"]))
    name_process(order["name"])
    threading.Thread(target=_end_with, args=(cord,), daemon=True, name="parent-watch").start()
    if sys.platform == "linux":
        # Nannies have the fork server that this process is from make their workers, which is there for certain, and
        # Dask would have it load each library that it can work with, and load them here to see which there are.
        forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]
        distributed.utils._forkserver_preload_set = True
    asyncio_run(_serve(order), loop_factory=get_loop_factory())


async def _serve(order: "Order") -> None:
    address = [await _awaited(Path(order["card"]))] if order["card"] else []
    servers = init_spec(order["servers"], *address).values()
    await asyncio.gather(*servers)
    await asyncio.gather(*(server.finished() for server in servers))


async def _awaited(card: Path) -> str:
    while (address := address_on(card)) is None:
        await asyncio.sleep(_LOOK_S)
    return address


def _end_with(cord: connection.Connection) -> None:
    try:
        cord.recv()
    except EOFError:
        os._exit(1)
