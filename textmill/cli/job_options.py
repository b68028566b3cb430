"""Options that mean the same for every verb that takes a job file, or puts a cluster to work."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipeline.config import ClusterConfig
from textmill.cli.job_names import PROFILE
from textmill.cli.verb import AtLeast

JOB_FILE = click.argument("job", type=click.Path(path_type=Path), metavar="JOB.toml")
WHERE = click.option("--profile", type=PROFILE, help="Where to run, instead of the job file's [cluster] profile.")
WORKERS = click.option("--workers", type=AtLeast(1), help="How many workers; the result is the same for any number.")
OVERRIDES = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated."
)
ALLOW_CODE = click.option(
    "--allow-code",
    is_flag=True,
    envvar="TEXTMILL_ALLOW_CODE",
    help='Let the job file call Python functions (op = "python"); also $TEXTMILL_ALLOW_CODE=1.',
)


def at_profile(overrides: tuple[str, ...], profile: str | None) -> tuple[str, ...]:
    """The settings changed on the command line, with that of ``--profile``."""
    return overrides if profile is None else (*overrides, f"cluster.profile={profile}")


def on_cluster(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with ``--profile`` and ``--workers``, which it receives as ``cluster`` (`ClusterConfig`)."""

    @functools.wraps(function)
    def inner(*args: Any, profile: str | None, workers: int | None, **kwargs: Any) -> Any:
        said = {"profile": profile, "workers": workers}
        cluster = ClusterConfig.model_validate({key: value for key, value in said.items() if value is not None})
        return function(*args, cluster=cluster, **kwargs)

    where = click.option(
        "--profile",
        type=PROFILE,
        help="The cluster to work on; its workers must see the store and the files. [default: this machine's cores]",
    )
    return where(WORKERS(inner))
