"""Names that the shell can complete: jobs of the store that the line names, and profiles of clusters.

Apart from `textmill.cli.names` because they need all that runs jobs, which takes longer to load than a query takes.
"""

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from cluster.jobs import Jobs
from cluster.profiles.sources import Profiles
from storage.store import Store
from textmill.cli.names import StoredName


def _jobs(store: Store) -> Iterable[tuple[str, str]]:
    return ((status.job, status.state) for status in Jobs(store).statuses())


JOB = StoredName("job", _jobs)


class ProfileName(click.ParamType[str]):
    """The name of a profile: a ``[clusters.NAME]`` table that can be seen from here."""

    name = "name"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """All names that start with what is typed."""
        try:
            named = Profiles.seen_from(Path.cwd()).named.values()
        except Exception:  # noqa: BLE001 - a completion that fails must not write into the person's prompt
            return []
        return [CompletionItem(one.name, help=one.profile.kind) for one in named if one.name.startswith(incomplete)]


PROFILE = ProfileName()
