"""Names that the shell can complete: datasets, versions, models and runs of the store that the line names."""

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from storage.store import Store
from textmill.cli.verb import DEFAULT_STORE


def _datasets(store: Store) -> Iterable[tuple[str, str]]:
    return ((name, "") for name in store.names())


def _models(store: Store) -> Iterable[tuple[str, str]]:
    return ((record["id"], str(record.get("dataset") or "")) for record in store.models())


def _runs(store: Store) -> Iterable[tuple[str, str]]:
    return ((record["run"], str(record.get("state") or "")) for record in store.runs())


class StoredName(click.ParamType[str]):
    """A name of something in the store.

    Parameters
    ----------
    name
        What it is the name of, as the help says it.
    known
        All there are, each with a word about it.
    """

    def __init__(self, name: str, known: Callable[[Store], Iterable[tuple[str, str]]]) -> None:
        self.name = name
        self._known = known

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """All names that start with what is typed; none where there is no store."""
        try:
            known = list(self._known(Store.open(ctx.params.get("store") or DEFAULT_STORE)))
        except Exception:  # noqa: BLE001 - a completion that fails must not write into the person's prompt
            return []
        return [CompletionItem(name, help=about or None) for name, about in known if name.startswith(incomplete)]


DATASET = StoredName("dataset", _datasets)
MODEL = StoredName("model", _models)
RUN = StoredName("run", _runs)


class VersionName(click.ParamType[int | str]):
    """A version by its number, its tag, or a time: an `int` for a number, else a `str`."""

    name = "version"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | str:  # noqa: ARG002
        """The number, or the text as it is."""
        text = str(value).removeprefix("v") if str(value)[1:].isdigit() else str(value)
        return int(text) if text.isdigit() else text

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Numbers and tags of the dataset that the line names."""
        try:
            versions = Store.open(ctx.params.get("store") or DEFAULT_STORE).versions(ctx.params["name"])
        except Exception:  # noqa: BLE001 - as above
            return []
        names = [str(version.number) for version in versions] + [tag for version in versions for tag in version.tags]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


VERSION = VersionName()


class Pin(click.ParamType[tuple[str, int | str]]):
    """A text like ``tickets=3``: a dataset at a version."""

    name = "NAME=VERSION"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int | str]:
        """The dataset and its version."""
        if isinstance(value, tuple):
            return value
        name, separator, version = str(value).partition("=")
        if not (separator and name and version):
            self.fail(f"'{value}' names no version; write it as in tickets=3 or tickets=approved", param, ctx)
        return name, VERSION.convert(version, param, ctx)


PIN = Pin()
