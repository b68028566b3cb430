"""Dask's own looks at a run: its report of what each worker did when, saved, and its dashboard."""

import logging
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from distributed import Client, performance_report

from cluster.jobs import PERFORMANCE
from pipeline.config import ClusterConfig

LOG = logging.getLogger("textmill.job")


class Performance:
    """The report of each cluster that a run has, the newest one's in `folder`.

    Parameters
    ----------
    config
        Says whether there shall be any.
    folder
        The job's folder.
    """

    def __init__(self, config: ClusterConfig, folder: Path) -> None:
        self._path = folder / PERFORMANCE if config.performance_report else None
        self._report: performance_report | None = None

    def opened(self, client: Client) -> None:
        """Nothing; what the cluster does from now on will be in its report."""
        if self._path is not None:
            # Whole in itself, so that it can be read without a network.
            self._report = performance_report(filename=str(self._path), mode="inline")
            with client.as_current():
                self._report.__enter__()

    def closing(self, client: Client) -> None:
        """Nothing; the report lies there, where the cluster could still tell."""
        report, self._report = self._report, None
        if report is None or client.status != "running":
            return
        try:
            with client.as_current():
                report.__exit__(None, None, None)
        except (OSError, RuntimeError, ValueError) as error:
            LOG.warning("the performance report could not be saved: %s", error)
        else:
            LOG.info("performance report: %s", self._path)


def shown_dashboard(client: Client) -> str:
    """The address of the cluster's dashboard; "" where it would be seen beyond the scheduler's own machine."""
    link: str = client.run_on_scheduler(_show)
    return link


def _show(dask_scheduler: Any = None) -> str:
    # Dask decides on the dashboard when the scheduler starts; this is what it does then.
    found = [one.getsockname() for one in dask_scheduler.http_server._sockets.values()]
    if not found or not all(ip_address(host).is_loopback for host, *_ in found):
        return ""
    if not dask_scheduler.http_application.applications:
        # Only where it is wanted is Bokeh there to be imported.
        drawn = import_module("distributed.dashboard.scheduler")
        drawn.connect(dask_scheduler.http_application, dask_scheduler.http_server, dask_scheduler)
    host, port = found[0][:2]
    return f"http://{host}:{port}/status"
