"""The verb that gives figures to Prometheus."""

from pathlib import Path

import click

from storage.store import Store
from textmill.cli.verb import verb

try:
    from prometheus_client import CollectorRegistry, generate_latest, start_http_server, write_to_textfile

    from cluster.metrics import StoreCollector
except ModuleNotFoundError as missing:
    _MISSING: ModuleNotFoundError | None = missing
else:
    _MISSING = None

_LOOPBACK = "127.0.0.1"
_PORTS = click.IntRange(min=0, max=65535)


@verb(
    examples=[
        ("textmill metrics", "all figures, as Prometheus reads them"),
        ("textmill metrics --output /var/lib/node_exporter/textmill.prom", "for node_exporter; call it from cron"),
        ("textmill metrics --listen 9464", "serve them on http://127.0.0.1:9464/metrics until Ctrl-C"),
    ]
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write a file, whole or not at all.")
@click.option("--listen", type=_PORTS, metavar="PORT", help="Serve them on this machine alone; 0 for any free port.")
def metrics(output: Path | None, listen: int | None, store: str, as_json: bool) -> None:  # noqa: ARG001 - what verbs take
    """Give figures of jobs and runs to Prometheus: states, progress, rows by fate, memory, quality.

    They are read from the store each time they are asked for; no job has to run.
    """
    if _MISSING is not None:
        raise click.UsageError(f"metrics need another package ({_MISSING}): pip install 'textmill[metrics]'")
    registry = CollectorRegistry()
    registry.register(StoreCollector(Store.open(store)))
    if listen is not None:
        server, thread = start_http_server(listen, addr=_LOOPBACK, registry=registry)
        click.echo(f"http://{_LOOPBACK}:{server.server_port}/metrics")
        try:
            thread.join()
        finally:
            server.shutdown()
            server.server_close()
    elif output is not None:
        write_to_textfile(str(output), registry)
    else:
        click.echo(generate_latest(registry).decode(), nl=False)
