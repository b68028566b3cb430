"""The verbs on clusters: which there are, whether one is fit, and keys for its connections."""

import os
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cluster.checks import Check, checked
from cluster.driver import new_run_id
from cluster.profiles.settings import BatchProfile, LocalProfile, SshProfile
from cluster.profiles.sources import Named, Profiles, user_file, user_folder
from cluster.tls import init_tls
from pipeline.config import load_job
from storage.files import make_folder
from storage.store import Store
from textmill.cli.job_names import PROFILE
from textmill.cli.output import messages, print_json, print_table
from textmill.cli.verb import AtLeast, verb
from textmill.report.units import size


@verb(
    examples=[
        ("textmill clusters", "all profiles that can be seen from here"),
        ("textmill clusters --json | jq -r 'keys[]'", "their names"),
    ]
)
def clusters(store: str, as_json: bool) -> None:  # noqa: ARG001 - what verbs take
    """List the clusters that jobs can run on: the profiles seen from the current directory."""
    profiles = Profiles.seen_from(Path.cwd())
    if as_json:
        facts = {one.name: {"origin": one.origin, **_facts(one)} for one in profiles.named.values()}
        return print_json(facts)
    print_table(("name", "kind", "where", ">workers", ">memory", "from", "about"), map(_row, profiles.named.values()))
    if len(profiles.named) == 1:
        told = f"Add more: a [clusters.NAME] table in textmill.toml beside your jobs, or in {user_file(os.environ)}."
        click.echo(told, err=True)
    return None


def _facts(named: Named) -> dict[str, Any]:
    """The settings without values for workers, which may be secret."""
    facts = named.profile.model_dump(mode="json", exclude_none=True)
    return {**facts, "environment": sorted(facts.get("environment", {}))}


def _row(named: Named) -> tuple[Any, ...]:
    profile = named.profile
    adaptive = getattr(profile, "adaptive", None)
    workers = f"{adaptive.minimum} to {adaptive.maximum}" if adaptive else profile.workers or ""
    memory = size(profile.memory) if profile.memory else ""
    return (named.name, profile.kind, _where(named), workers, memory, named.origin, profile.about)


def _where(named: Named) -> str:
    profile = named.profile
    if isinstance(profile, LocalProfile):
        return "this machine"
    if isinstance(profile, SshProfile):
        return ", ".join(profile.hosts[:3]) + (" …" if len(profile.hosts) > 3 else "")
    if isinstance(profile, BatchProfile):
        return profile.queue or "the default queue"
    return str(getattr(profile, "address", None) or getattr(profile, "namespace", ""))


@verb(
    examples=[
        ("textmill cluster check lab", "settings, reach, versions, clocks, store, memory, ports, keys"),
        ("textmill cluster check lab --job job.toml", "and whether its workers have the memory that a job needs"),
        ("textmill cluster check lab --json | jq '.[] | select(.ok | not)'", "what is wrong, for programs"),
    ]
)
@click.argument("profile", type=PROFILE, metavar="NAME")
@click.option("--job", type=click.Path(path_type=Path, dir_okay=False), help="A job to compare the memory with.")
def cluster_check(profile: str, job: Path | None, store: str, as_json: bool) -> None:
    """Look a cluster over before a job is given to it: a few workers are started, asked, and ended again.

    Exit status 1 where something is not as it should be; each failure names its cure.
    """
    loaded = load_job(job) if job is not None else None
    named = Profiles.seen_from(job.absolute().parent if job is not None else Path.cwd()).find(profile)
    place = Store.work_of(loaded.store if loaded is not None else store)
    # Like a run's own: seen by all workers, and taken away at the end.
    scratch = make_folder(place / "_staging") / new_run_id("check")
    console = messages()
    waiting = console.status(f"looking at {named.name} ...") if console.is_terminal and not as_json else nullcontext()
    try:
        with waiting:
            found = list(checked(named, place, loaded, scratch))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if as_json:
        print_json([asdict(check) for check in found])
    else:
        print_table(("check", "", "found"), _lines(found))
    if not all(check.ok for check in found):
        raise click.exceptions.Exit(1)


def _lines(found: list[Check]) -> Iterator[tuple[str, str, str]]:
    for check in found:
        first, *more = check.told.splitlines() or [""]
        yield check.name, "ok" if check.ok else "FAILED", first
        yield from (("", "", line) for line in more)
        if check.cure:
            yield "", "cure", check.cure


@verb(
    examples=[
        ("textmill cluster init-tls", "keys for a year, where profiles look for them with tls = ..."),
        ("textmill cluster init-tls --dir keys --days 90 --host node1 --host 10.0.0.5", "elsewhere, with names"),
    ]
)
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Where to. [default: ~/.config/textmill/tls]")
@click.option("--days", type=AtLeast(1), default=365, show_default=True, help="How long they are good.")
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="A machine's name or address; may be repeated.")
@click.option("--force", is_flag=True, help="Write over keys that are there.")
def cluster_init_tls(
    folder: Path | None,
    days: int,
    hosts: tuple[str, ...],
    force: bool,
    store: str,  # noqa: ARG001 - what verbs take
    as_json: bool,
) -> None:
    """Make keys for the connections of a cluster: an authority of your own, and a pair for each part.

    Give scheduler and workers everything but ca-key.pem, which signs: whoever has it can add to the cluster.
    """
    made = init_tls((folder or user_folder() / "tls").expanduser().absolute(), days=days, hosts=hosts, force=force)
    until = made.expires_at()
    if as_json:
        return print_json(
            {"folder": str(made.path), "expires_at": until.isoformat(), "files": list(map(str, made.files()))}
        )
    click.echo(made.path)
    return click.echo(f'Good until {until:%Y-%m-%d}. In the profile: tls = "{made.path}"', err=True)
