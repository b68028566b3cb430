"""The command `textmill`: one verb a thing to do, each loaded only when it is called."""

import atexit
import gc
import os
import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from types import FrameType
from typing import Any

import click

from cluster.providers import forks
from storage.loading import loading
from textmill.cli.failures import CANCELLED, Session, report_failure

#: Groups of verbs; each verb with the module that holds it (below this package where its name has no dot) and its line
#: in the help.
VERBS: dict[str, dict[str, tuple[str, str]]] = {
    "Work": {
        "demo": ("demo", "Make data, run the main job on it, and show the result."),
        "run": ("run", "Run a job here and wait, with progress."),
        "submit": ("submitting", "Hand a job to a driver of its own; prints its id at once."),
        "jobs": ("jobs", "List the jobs of a store."),
        "top": ("top", "Watch jobs at work, live."),
        "metrics": ("metrics", "Give figures of jobs to Prometheus."),
        "status": ("jobs", "Show how far a job is."),
        "logs": ("jobs", "Print what a job's driver and workers logged."),
        "wait": ("jobs", "Wait until a job has ended."),
        "cancel": ("jobs", "Stop a job and its workers."),
        "resume": ("jobs", "Go on with a job where it stopped."),
        "retry": ("jobs", "Do a job again from its start."),
        "clusters": ("clusters", "List the clusters that jobs can run on."),
        "cluster check": ("clusters", "Look a cluster over before a job is given to it."),
        "cluster init-tls": ("clusters", "Make keys for the connections of a cluster."),
        "report": ("reports", "Write a run's report as one HTML page."),
        "bench": ("benchmarks.verb", "Measure speed and memory, beside other programs and earlier runs."),
    },
    "Data": {
        "datasets": ("datasets", "List the datasets of a store."),
        "show": ("datasets", "Show a dataset: columns, size, ledger, first rows."),
        "profile": ("profile", "Show what a dataset holds, column by column, and what is odd about it."),
        "versions": ("datasets", "List a dataset's versions, newest first."),
        "diff": ("datasets", "Compare two versions of a dataset."),
        "tag": ("datasets", "Give a version a name that keeps it."),
        "rollback": ("datasets", "Make an earlier version the newest again."),
        "delete": ("edit", "Take rows out of a dataset."),
        "upsert": ("edit", "Put the rows of a file into a dataset by key."),
        "columns": ("edit", "Change the columns of a dataset."),
        "copy": ("edit", "Copy a version under a new name without copying files."),
        "compact": ("upkeep", "Put small files together, or sort or partition the rows."),
        "vacuum": ("upkeep", "Delete files that no version needs."),
        "verify": ("upkeep", "Check that a store is whole."),
        "query": ("query", "Ask the store in SQL."),
        "lineage": ("lineage", "Show where a model, version or source file came from and what it reached."),
        "export": ("carry", "Write a version with its lineage into one portable folder."),
        "import": ("carry", "Bring an exported version into a store."),
        "fates": ("fates", "Show what became of each row that was not kept."),
    },
    "Models": {
        "models": ("models", "List the models of a store."),
        "model": ("models", "Show a model: the data it learned from, its settings, its quality."),
        "evaluate": ("scoring", "Measure a model on a dataset."),
        "predict": ("scoring", "Label the rows of files of any size."),
        "drift": ("scoring", "Show how far live input has moved from a model's data."),
        "search": ("search", "Try settings of a job, and keep the table of trials."),
        "review": ("review", "Find rows whose label may be wrong, and take corrected labels back."),
        "reproduce": ("scoring", "Train a model again and compare the bytes."),
    },
    "Shell": {
        "completion": ("completion", "Print the script that makes the shell complete names."),
    },
}

#: Verbs that have workers on this machine unless told otherwise, and the words that tell otherwise.
_WITH_WORKERS = {"run", "demo", "search", "predict", "evaluate", "reproduce"}
_OTHERWISE = ("-h", "--help", "--profile")


class Textmill(click.Group):
    """The group of all verbs; it imports a verb's module when the verb is named, and answers for every failure."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of all verbs, in the order of the help; of verbs of two words, the first."""
        return list(dict.fromkeys(verb.split()[0] for verbs in VERBS.values() for verb in verbs))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The verb, or None where there is none of this name."""
        for verbs in VERBS.values():
            if cmd_name in verbs:
                module_name = verbs[cmd_name][0]
                with loading():
                    module = import_module(module_name if "." in module_name else f"textmill.cli.{module_name}")
                name = cmd_name.replace(" ", "_").replace("-", "_")
                command = getattr(module, name, None) or getattr(module, f"{name}_")
                assert isinstance(command, click.Command)  # noqa: S101 - a verb that is none is a defect here
                return command
        seconds = [verb.split()[1] for verbs in VERBS.values() for verb in verbs if verb.startswith(f"{cmd_name} ")]
        return TwoWords(self, cmd_name, seconds) if seconds else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that `args` start with; a name that is none is answered with the nearest one."""
        name = args[0] if args else ""
        if name in _WITH_WORKERS and not ctx.resilient_parsing and not any(arg.startswith(_OTHERWISE) for arg in args):
            # They load what they need while this process does.
            forks.begin()
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            close = get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f"Did you mean '{close[0]}'?" if close else "See `textmill --help`."
            ctx.fail(f"There is no command '{name}'. {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Nothing; the verbs are in the help, group by group."""
        for title, verbs in VERBS.items():
            with formatter.section(title):
                formatter.write_dl([(verb, help_line) for verb, (_, help_line) in verbs.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """What the verb returns; quiet where whoever reads the output has gone."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python would complain once more when it flushes at its end.
            sys.stdout = open("/dev/null", "w", encoding="utf-8")  # noqa: SIM115 - stays open to the end
            raise click.exceptions.Exit(0) from None
        finally:
            forks.end_unused()
        return result

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Never returns: the process exits with 0 (done), 1 (failed), 2 (wrong use) or 3 (cancelled)."""
        session = Session()
        extra["standalone_mode"] = False
        try:
            status = super().main(args, *rest, obj=session, **extra)
        except Exception as error:  # noqa: BLE001 - the last place: every failure becomes a message and a status
            status = report_failure(error, session)
        sys.exit(status if isinstance(status, int) else 0)


class TwoWords(click.Group):
    """The group of all verbs that start with the same word.

    Parameters
    ----------
    verbs
        All verbs.
    first, seconds
        The first word, and what follows it.
    """

    def __init__(self, verbs: Textmill, first: str, seconds: Sequence[str]) -> None:
        super().__init__(first)
        self._verbs = verbs
        self._seconds = seconds

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The second words."""
        return list(self._seconds)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, or None where there is none."""
        return self._verbs.get_command(ctx, f"{self.name} {cmd_name}") if cmd_name in self._seconds else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that `args` start with; a word that is none is answered with the nearest one."""
        if args and not args[0].startswith("-") and args[0] not in self._seconds:
            close = get_close_matches(args[0], self._seconds, n=1)
            hint = f"Did you mean '{self.name} {close[0]}'?" if close else f"There are: {', '.join(self._seconds)}."
            ctx.fail(f"There is no command '{self.name} {args[0]}'. {hint}")
        return super().resolve_command(ctx, args)


def _cancel(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of signal handlers
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _end_at_once)
    raise KeyboardInterrupt


def _end_at_once(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as above
    """Nothing; who asks twice does not want to wait for anything to be put away."""
    import_module("cluster.processes").kill_family(os.getpid(), spare=True)
    os.write(2, b"Ended at once. A run that was still at work shows in `textmill jobs` and can be resumed.\n")
    os._exit(CANCELLED)


@click.group(
    cls=Textmill,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "auto_envvar_prefix": None},
    epilog="Exit status: 0 done, 1 failed, 2 the job file or the arguments are wrong, 3 cancelled.",
)
@click.version_option(package_name="textmill", prog_name="textmill")
@click.option("--debug", is_flag=True, help="Show where in the code a failure came from.")
@click.pass_obj
def cli(session: Session, debug: bool) -> None:
    """Turn raw text tables into clean, versioned datasets and traceable classifiers.

    New here? Run `textmill demo`.
    """
    session.debug = debug


def _ignore_signals() -> None:
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)


def main() -> None:
    """Nothing; the entry point of the installed command. Exits the process."""
    # The last thing but the interpreter's own end, which would put the system's handlers back: one more Ctrl-C then
    # is no reason for another exit status.
    atexit.register(_ignore_signals)
    # What is left is the system's to take away: to look for garbage in it takes longer than many a verb.
    atexit.register(gc.freeze)
    for signum in (signal.SIGINT, signal.SIGTERM):
        # What a shell has its background jobs ignore stays ignored.
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _cancel)
    # The progress shown here says all; Dask and its workers shall speak up only when something is wrong.
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets an escape, not a failure.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    cli.main(prog_name="textmill")


if __name__ == "__main__":
    main()
