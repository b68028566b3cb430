"""The verb that runs a job here."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.driver import run_job
from cluster.submission import Submission
from pipeline.config import JobConfig, load_job
from storage.store import Store
from textmill.cli.failures import message_of, status_of
from textmill.cli.job_options import ALLOW_CODE, JOB_FILE, OVERRIDES, WHERE, WORKERS, at_profile
from textmill.cli.output import messages, print_json, results
from textmill.cli.progress import listening
from textmill.cli.reports import page_path, store_option
from textmill.cli.verb import verb
from textmill.report.page import write_page
from textmill.report.terminal import print_report

#: Columns of a report that goes to a file or a pipe.
REPORT_WIDTH = 110


@verb(
    examples=[
        ("textmill run job.toml", "read, clean, commit, train, report"),
        ("textmill run job.toml --workers 2 --set train.epochs=3", "two workers, and one setting changed"),
        ("textmill run job.toml --profile lab", "with the workers of a cluster; see `textmill clusters`"),
        ("textmill run job.toml --set 'source.files=[\"new/*.csv\"]'", "other input; paths start where you are"),
        ("textmill run job.toml --json > result.json", "for programs: nothing but one JSON object on stdout"),
    ],
    store_help="A store other than the job file's.",
    store_default=False,
)
@JOB_FILE
@WHERE
@WORKERS
@OVERRIDES
@ALLOW_CODE
def run(
    job: Path,
    profile: str | None,
    workers: int | None,
    overrides: tuple[str, ...],
    allow_code: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Run a job here and wait, with progress; then report on it."""
    overrides = at_profile(overrides, profile)
    with told_as_json(as_json):
        loaded = load_job(job, overrides)
        if store is not None:
            loaded = loaded.model_copy(update={"store": Store.absolute(store)})
        submission = Submission(
            name=loaded.name,
            text=job.read_text(encoding="utf-8-sig"),
            origin=str(job.absolute()),
            here=str(Path.cwd()),
            store=loaded.store,
            overrides=overrides,
            workers=workers,
            allow_code=allow_code,
        )
        result = run_with_progress(
            loaded, workers=workers, allow_code=allow_code, silent=as_json, submission=submission
        )
    if as_json:
        return print_json(result)
    return print_report(result, results(width=REPORT_WIDTH), store=store_option(result["store"]))


def run_with_progress(
    job: JobConfig,
    *,
    workers: int | None,
    allow_code: bool,
    silent: bool,
    submission: Submission | None = None,
) -> dict[str, Any]:
    """The result of a run as a plain dict, with the place of its page under ``"page"``.

    Parameters
    ----------
    job
        What to run.
    workers, allow_code, submission
        See `cluster.driver.run_job`.
    silent
        Whether to keep progress to itself.
    """
    with listening(messages(), silent=silent) as listener:
        result = run_job(
            job, workers=workers, listener=listener, allow_code=allow_code, submission=submission
        ).to_dict()
    path = page_path(result["store"], result["job"])
    return {**result, "page": str(write_page(result, path, store=store_option(result["store"])))}


@contextmanager
def told_as_json(as_json: bool) -> Iterator[None]:
    """A block whose failure is also told as a JSON object on stdout, where JSON was asked for."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if as_json:
            state = {3: "cancelled"}.get(status_of(error), "failed")
            print_json({"state": state, "error": message_of(error), "problems": list(getattr(error, "problems", ()))})
        raise
