"""Options that mean the same for every verb that takes a job file."""

from pathlib import Path

import click

from textmill.cli.names import PROFILE
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
