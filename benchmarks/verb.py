"""The verb that measures."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from benchmarks.harness.against import Change, NotComparableError, changes
from benchmarks.harness.benching import bench as measured_by
from benchmarks.harness.benching import told
from benchmarks.harness.contender import Setting, Suite
from benchmarks.harness.recorded import BenchRun, keep, kept, kept_runs
from benchmarks.harness.tables import markdown
from benchmarks.own_job import suite_of
from benchmarks.placing import LOCAL
from benchmarks.suites import MODULES, suite
from storage.store import Store
from textmill.cli.job_names import PROFILE
from textmill.cli.names import StoredName
from textmill.cli.output import messages, print_json
from textmill.cli.sizes import SIZE
from textmill.cli.verb import AtLeast, verb

#: An earlier run of the benchmarks.
EARLIER = StoredName("run", lambda store: ((run, "") for run in kept_runs(store)))


class SuiteName(click.ParamType[str]):
    """The name of a suite, or a job file."""

    name = "suite"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is."""
        text = str(value)
        if text not in MODULES and not text.endswith(".toml"):
            self.fail(f"'{text}' is neither a suite ({', '.join(MODULES)}) nor a job file (NAME.toml)", param, ctx)
        return text

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[click.shell_completion.CompletionItem]:
        """All suites that start with what is typed."""
        return [click.shell_completion.CompletionItem(name) for name in MODULES if name.startswith(incomplete)]


@verb(
    examples=[
        ("textmill bench ingest --size 1GB", "one suite on generated text"),
        ("textmill bench --size 100MB --peers", "all suites, beside other programs, which are installed for it"),
        ("textmill bench job.toml --repeats 3", "a job of your own"),
        ("textmill bench ingest --size 1GB --against last", "exit status 1 where it became slower or larger"),
        ("textmill bench ingest --profile lab --workers 16", "on a cluster"),
    ],
    store_help="Where results are kept and earlier ones are found. [default: $TEXTMILL_STORE, or ./store]",
)
@click.argument("suites", nargs=-1, type=SuiteName(), metavar="[SUITE|JOB.toml]...")
@click.option("--size", type=SIZE, default="100MB", show_default=True, help="About how much text is generated.")
@click.option("--repeats", type=AtLeast(1), default=5, show_default=True, help="Rounds; each runs everything once.")
@click.option("--peers", is_flag=True, help="Run other programs beside, each in an environment of its own.")
@click.option("--against", type=EARLIER, metavar="RUN", help='Compare with an earlier run; "last" for the newest.')
@click.option(
    "--case", "only", multiple=True, metavar="TEXT", help="Only cases with this in their name; may be repeated."
)
@click.option(
    "--profile",
    type=PROFILE,
    default=LOCAL,
    show_default=True,
    help="The cluster that jobs run on; its workers must see the temporary folder ($TMPDIR), where all input lies.",
)
@click.option("--workers", type=AtLeast(1), help="Workers of each job, instead of the suite's or the profile's number.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting of JOB.toml.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the generated text.")
@click.option("--allow-code", is_flag=True, help="Let JOB.toml call Python functions.")
def bench(
    suites: tuple[str, ...],
    size: int,
    repeats: int,
    peers: bool,
    against: str | None,
    only: tuple[str, ...],
    profile: str,
    workers: int | None,
    overrides: tuple[str, ...],
    seed: int,
    allow_code: bool,
    store: str,
    as_json: bool,
) -> None:
    """Measure speed and memory: on generated text or on a job of your own.

    Each program runs in a process of its own, in turns; outputs are compared before any time counts. Textmill runs
    twice a round, so that chance is known. Results are kept in the store as the datasets benchmarks and
    benchmark_targets. The exit status is 1 where --against finds more than chance explains.
    """
    chosen = [_suite(name, overrides, allow_code=allow_code) for name in suites or MODULES]
    if overrides and not any(name.endswith(".toml") for name in suites):
        raise click.UsageError("--set changes a job file, and none is named")
    if profile != LOCAL or workers is not None:
        chosen = _with_jobs(chosen, named=bool(suites))
    opened = Store.open(store, create=True)
    before = _earlier(opened, against)
    setting = Setting(size_bytes=size, scratch=Path(), peers=peers, seed=seed, profile=profile, workers=workers)
    console = messages()
    with tempfile.TemporaryDirectory(prefix="textmill-bench-") as scratch:
        run = measured_by(
            chosen,
            replace(setting, scratch=Path(scratch)),
            repeats=repeats,
            only=only,
            tell=lambda text: console.print(text, highlight=False, markup=False),
            shown=lambda result: None if as_json else click.echo(f"{told(result)}\n"),
        )
    if not run.cases:
        raise click.UsageError(f"no case has {' or '.join(only)} in its name")
    keep(run, opened)
    found = _compared(run, before) if before else []
    _print(run, found, as_json=as_json)
    if any(change.word == "REGRESSION" for change in found):
        raise click.exceptions.Exit(1)


def _suite(name: str, overrides: Sequence[str], *, allow_code: bool) -> Suite:
    return suite_of(Path(name), overrides, allow_code=allow_code) if name.endswith(".toml") else suite(name)


def _with_jobs(chosen: Sequence[Suite], *, named: bool) -> list[Suite]:
    """The suites whose work is a job; where others were asked for by name, an error says so."""
    without = [one.name for one in chosen if not one.runs_jobs]
    if named and without:
        jobs = ", ".join(name for name in MODULES if suite(name).runs_jobs)
        raise click.UsageError(
            f"--profile and --workers are for jobs, and {', '.join(without)} runs none. Suites that do: {jobs}; or a "
            "job file of your own."
        )
    return [one for one in chosen if one.runs_jobs]


def _earlier(store: Store, against: str | None) -> BenchRun | None:
    if against is None:
        return None
    runs = kept_runs(store)
    matching = runs[:1] if against == "last" else [run for run in runs if run.startswith(against)]
    if len(matching) != 1:
        known = f"Known: {', '.join(runs[:5])}." if runs else "The store keeps none yet."
        raise click.UsageError(f"--against {against}: {len(matching) or 'no'} runs of that name. {known}")
    return kept(store, matching[0])


def _compared(run: BenchRun, before: BenchRun) -> list[Change]:
    try:
        return list(changes(run, before))
    except NotComparableError as error:
        raise click.ClickException(f"{run.id} is kept, but cannot be compared with {before.id}: {error}") from error


def _print(run: BenchRun, found: Sequence[Change], *, as_json: bool) -> None:
    if as_json:
        facts: dict[str, Any] = {**run.to_dict(), "changes": [_facts(change) for change in found]}
        return print_json(facts)
    if found:
        head = ("suite", "case", "measure", "before", "now", "ratio", "noise", "")
        click.echo(markdown(head, [tuple(_facts(change).values()) for change in found]) + "\n")
    return click.echo(f"kept as {run.id}")


def _facts(change: Change) -> dict[str, Any]:
    return {
        "suite": change.suite,
        "case": change.case,
        "measure": change.measure,
        "before": round(change.before, 3),
        "now": round(change.now, 3),
        "ratio": round(change.ratio, 3),
        "noise": round(change.noise, 3),
        "word": change.word,
    }
