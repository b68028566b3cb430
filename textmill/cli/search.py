"""The verb that searches for settings."""

import shlex
from pathlib import Path
from typing import Any

import click

from cluster.driver import new_run_id
from pipeline.config import load_job
from pipeline.errors import JobFileError
from pipeline.search import search_settings
from pipeline.text.config import FeatureConfig
from storage.store import Store
from textmill.cli.job_options import JOB_FILE, OVERRIDES, WHERE, WORKERS, at_profile
from textmill.cli.names import VERSION
from textmill.cli.output import json_line, messages, print_json, print_table
from textmill.cli.progress import listening
from textmill.cli.verb import verb
from textmill.executing import executing
from textmill.report.units import counted

_SHOWN = 12


@verb(
    examples=[
        ("textmill search job.toml", "try what [search] lists, on the newest version of the job's dataset"),
        ("textmill search job.toml --set search.values='{\"train.l2\" = [0.01, 0.1, 1]}'", "without a [search] table"),
    ],
    store_help="A store other than the job file's.",
    store_default=False,
)
@JOB_FILE
@WHERE
@click.option("--at", type=VERSION, help="A version of the job's dataset: its number, tag, or a time.")
@OVERRIDES
@WORKERS
def search(
    job: Path,
    profile: str | None,
    at: int | str | None,
    overrides: tuple[str, ...],
    workers: int | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Try settings of a job's [search] table by successive halving, and keep the table of trials.

    All trials learn for an epoch; one in three goes on for three times as long, from where it was, and so on. Trials
    are told apart by the log loss of rows set aside; the rows that test are not looked at. The trials stay in
    _system.searches. The dataset must be there: run the job without [train] first, or with it.
    """
    if workers is not None:
        overrides = (*overrides, f"cluster.workers={workers}")
    loaded = load_job(job, at_profile(overrides, profile))
    if loaded.search is None or loaded.train is None:
        missing = "[search]" if loaded.search is None else "[train]"
        raise JobFileError(
            (f"{missing}: a search needs this table; see docs/job-file.md for what to try and for how long",), str(job)
        )
    opened = Store.open(store or loaded.store)
    snapshot = opened.snapshot(loaded.dataset.name, at)
    with (
        listening(messages(), silent=as_json) as listener,
        executing(listener, loaded.cluster, shared=opened.layout.stagings) as (execute, _),
    ):
        found = search_settings(
            snapshot,
            loaded.features or FeatureConfig(),
            loaded.train,
            loaded.search,
            opened.cache("features"),
            execute,
            note=listener.note,
        )
    trials: list[dict[str, Any]] = [trial.to_dict() for trial in found.trials]
    name = new_run_id(f"{loaded.name}-search")
    version = snapshot.version.number
    opened.record_search(name, loaded.name, (loaded.dataset.name, version), trials)
    if as_json:
        return print_json({"search": name, "dataset": loaded.dataset.name, "version": version, "trials": trials})
    print_table(
        (">trial", ">epochs", ">validation loss", "settings"),
        [
            (
                one["trial"],
                one["epochs"],
                f"{one['validation_loss']:.4f}",
                ", ".join(f"{key} = {json_line(value)}" for key, value in one["settings"].items()),
            )
            for one in trials[:_SHOWN]
        ],
    )
    if len(trials) > _SHOWN:
        click.echo(f"and {counted(len(trials) - _SHOWN, 'more trial')}, in _system.searches")
    best = " ".join(f"--set {shlex.quote(f'{key}={json_line(value)}')}" for key, value in found.best.settings.items())
    return click.echo(f"\ntextmill run {shlex.quote(str(job))} {best}")
