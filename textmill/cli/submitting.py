"""The verb that hands a job in, to run apart from the terminal."""

import re
import shlex
import sys
from pathlib import Path

import click

from cluster.placing import preview
from cluster.profiles.kept import profile_for
from cluster.submission import Submission
from cluster.submit import submit as hand_in
from pipeline.config import load_job
from storage.store import Store
from textmill.cli.job_names import JOB
from textmill.cli.job_options import ALLOW_CODE, JOB_FILE, OVERRIDES, WHERE, WORKERS, at_profile
from textmill.cli.output import print_json
from textmill.cli.run import told_as_json
from textmill.cli.verb import verb

_WORDS = {"hourly": "0 * * * *", "daily": "0 3 * * *", "weekly": "0 3 * * 0", "monthly": "0 3 1 * *"}
_EVERY = re.compile(r"(\d+)([mhd])")
_FIELDS = 5


@verb(
    examples=[
        ("textmill submit job.toml", "runs apart from this terminal; prints the job's id at once"),
        (
            "textmill submit job.toml --profile hpc --dry-run",
            "the SLURM script or Kubernetes objects, and nothing else",
        ),
        ("textmill submit train.toml --after ID", "once another job has succeeded"),
        ("textmill submit job.toml --notify 'mail -s \"$TEXTMILL_STATE\" me@example.org'", "told how it ended"),
        ("textmill submit job.toml --every daily", "print the line for crontab that submits it every day"),
    ],
    store_help="A store other than the job file's.",
    store_default=False,
)
@JOB_FILE
@WHERE
@WORKERS
@OVERRIDES
@click.option("--after", type=JOB, multiple=True, help="Wait until this job has succeeded; may be repeated.")
@click.option("--notify", metavar="COMMAND", help="Run when it has ended, with $TEXTMILL_STATE and JSON on stdin.")
@click.option("--every", metavar="TIME", help="Print a cron line instead: hourly, daily, 15m, 6h, or five fields.")
@click.option("--dry-run", is_flag=True, help="Print what a batch system or Kubernetes would get, and hand in nothing.")
@ALLOW_CODE
def submit(
    job: Path,
    profile: str | None,
    workers: int | None,
    overrides: tuple[str, ...],
    after: tuple[str, ...],
    notify: str | None,
    every: str | None,
    dry_run: bool,
    allow_code: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Hand a job to a driver that lives apart from this terminal, and print its id at once.

    It survives the terminal, and even its own death: see `textmill resume`. Jobs on this machine's cores wait for
    each other; $TEXTMILL_LOCAL_JOBS of them (1 where not set) run at once.
    """
    if every is not None:
        return click.echo(cron_line(every, sys.argv[1:], Path.cwd()))
    overrides = at_profile(overrides, profile)
    with told_as_json(as_json):
        loaded = load_job(job, overrides)
        place = Store.absolute(store or loaded.store)
        submission = Submission(
            name=loaded.name,
            text=job.read_text(encoding="utf-8-sig"),
            origin=str(job.absolute()),
            here=str(Path.cwd()),
            store=place,
            overrides=overrides,
            workers=workers,
            allow_code=allow_code,
            after=after,
            notify=notify,
        )
        if dry_run:
            return click.echo(preview(submission, profile_for(loaded, submission)), nl=False)
        handed = hand_in(submission)
    if as_json:
        return print_json({"job": handed.id, "state": "queued", "store": place})
    return click.echo(handed.id)


def cron_line(every: str, words: list[str], folder: Path) -> str:
    """A crontab line that submits the same again and again.

    Parameters
    ----------
    every
        "hourly", "daily", "weekly", "monthly", a number with m, h or d, or five cron fields.
    words
        The command line after ``textmill``.
    folder
        Where it was typed.

    Raises
    ------
    click.UsageError
        If `every` is none of these.

    Examples
    --------
    >>> cron_line("15m", ["submit", "job.toml", "--every", "15m"], Path("/data"))
    '*/15 * * * * cd /data && textmill submit job.toml'
    """
    kept, skip = [], False
    for word in words:
        if not skip and not word.startswith("--every="):
            skip = word == "--every"
            if not skip:
                kept.append(word)
        else:
            skip = False
    # A percent sign ends the command in a crontab.
    command = shlex.join(["textmill", *kept]).replace("%", "\\%")
    return f"{_fields(every)} cd {shlex.quote(str(folder))} && {command}"


def _fields(every: str) -> str:
    if every in _WORDS:
        return _WORDS[every]
    if len(every.split()) == _FIELDS:
        return every
    match = _EVERY.fullmatch(every)
    number, unit = (int(match[1]), match[2]) if match else (0, "")
    if unit == "m" and number in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30):
        return f"*/{number} * * * *"
    if unit == "h" and number in (1, 2, 3, 4, 6, 8, 12):
        return f"0 */{number} * * *"
    if unit == "d" and number == 1:
        return _WORDS["daily"]
    raise click.UsageError(
        f"--every {every}: not a time that cron can keep; use hourly, daily, weekly, monthly, a part of an hour such "
        "as 15m, a part of a day such as 6h, or five cron fields"
    )
