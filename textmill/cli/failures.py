"""From any failure to one clear message on stderr and an exit status."""

import sys
import traceback

import click

from cluster.errors import ClusterError, JobBusyError, JobCancelledError, JobNotFoundError, ProfileError
from pipeline.errors import JobFileError, PipelineError
from storage.errors import (
    CarriedFolderError,
    DatasetExistsError,
    DatasetNameError,
    NotFoundError,
    QueryError,
    StoreError,
    StoreNotFoundError,
    TagError,
)

FAILED, WRONG, CANCELLED = 1, 2, 3
#: What the caller wrote is wrong: nothing was attempted.
_WRONG = (
    JobFileError,
    JobBusyError,
    JobNotFoundError,
    ProfileError,
    CarriedFolderError,
    DatasetExistsError,
    DatasetNameError,
    NotFoundError,
    QueryError,
    StoreNotFoundError,
    TagError,
    click.UsageError,
)
#: Failures that explain themselves.
_EXPLAINED = (PipelineError, ClusterError, StoreError, OSError, MemoryError)


class Session:
    """What all verbs of one call share; `debug` asks for tracebacks."""

    def __init__(self) -> None:
        self.debug = False


def status_of(error: BaseException) -> int:
    """The exit status for `error`: 1 failed, 2 wrong use, 3 cancelled."""
    if isinstance(error, (click.Abort, KeyboardInterrupt, JobCancelledError)):
        return CANCELLED
    return WRONG if isinstance(error, _WRONG) else FAILED


def message_of(error: BaseException) -> str:
    """What to tell a person about `error`: its own words, its notes, and for a defect how to report it."""
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return "cancelled; the store is as the last commit left it"
    if isinstance(error, click.ClickException):
        return error.format_message()
    told = str(error) if isinstance(error, _EXPLAINED) else _defect(error)
    return "\n".join([told or type(error).__name__, *getattr(error, "__notes__", ())])


def _defect(error: BaseException) -> str:
    kind = type(error).__name__
    return (
        f"unexpected {kind}: {error}\n"
        "This is a defect of textmill. Run the same command with --debug before the verb "
        "(textmill --debug ...) and report what it prints."
    )


def report_failure(error: Exception, session: Session) -> int:
    """The exit status for `error`, once it is told on stderr."""
    if session.debug and not isinstance(error, click.ClickException):
        traceback.print_exception(error)
    if isinstance(error, click.UsageError):
        error.show(sys.stderr)
    else:
        word = "Cancelled" if isinstance(error, (click.Abort, JobCancelledError)) else "Error"
        click.echo(f"{click.style(word, fg='red', bold=True)}: {message_of(error)}", err=True)
    return status_of(error)
