"""A dataset that keeps its files in order by itself, if asked to: what was asked, and what queries showed."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from storage.arranging.plan import Observed
from storage.errors import StoreDamagedError
from storage.files import write_atomic
from storage.layout import OWN, DatasetLayout, StoreLayout
from storage.places import Place


def policy_path(layout: DatasetLayout) -> Place:
    """The file that says what was asked."""
    return layout.folder / OWN / "automatic.json"


def is_automatic(layout: DatasetLayout) -> bool:
    """Whether the dataset compacts itself where that pays.

    Raises
    ------
    StoreDamagedError
        If what was asked cannot be understood.
    """
    path = policy_path(layout)
    try:
        asked = json.loads(path.read_bytes())["compact"]
        if isinstance(asked, bool):
            return asked
        problem = f"{asked!r} is neither true nor false"
    except FileNotFoundError:
        return False
    except (KeyError, TypeError, ValueError) as error:
        problem = str(error)
    raise StoreDamagedError(
        str(path),
        f"whether the dataset compacts itself cannot be understood ({problem})",
        f"Say it again: `textmill compact {layout.name} --automatic on`, or off.",
    )


def set_automatic(layout: DatasetLayout, *, on: bool) -> None:
    """Nothing; the dataset compacts itself from now on, or no longer.

    Raises
    ------
    DiskFullError, StoreNotWritableError
        If that cannot be written.
    """
    write_atomic(policy_path(layout), json.dumps({"compact": on}).encode())


def _observations(layout: StoreLayout, name: str) -> Path:
    return layout.cache("observed", f"{name}.json")


def observed(layout: StoreLayout, name: str) -> dict[str, Observed]:
    """What queries did to a dataset, by the column they filtered by; it may be forgotten at any time."""
    try:
        known = json.loads(_observations(layout, name).read_bytes())
        return {column: Observed(**facts) for column, facts in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def observe(layout: StoreLayout, name: str, seen: Mapping[str, Observed]) -> None:
    """Nothing; what a query did is remembered where that can be written, and lost where two write at once."""
    if not seen:
        return
    known = observed(layout, name)
    merged = {**known, **{column: known.get(column, Observed()).merge(each) for column, each in seen.items()}}
    content = json.dumps({column: asdict(each) for column, each in merged.items()}).encode()
    try:
        write_atomic(_observations(layout, name), content)
    except OSError:  # the store's own refusals too: a query works where nothing can be written
        return


def forget(layout: StoreLayout, name: str) -> None:
    """Nothing; queries are observed anew, since the files lie otherwise now."""
    _observations(layout, name).unlink(missing_ok=True)
