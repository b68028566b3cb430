"""``store.duckdb``: views over the newest versions, for any DuckDB client. It can always be thrown away.

The file is made anew beside the old one and renamed over it, so that a client that has it open is not disturbed. The
views name files by absolute path; a store that was moved makes the file anew when it is opened.
"""

import json
import logging
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb

from storage.errors import StoreError
from storage.files import write_atomic
from storage.layout import LOCKS, StoreLayout
from storage.locks import locked
from storage.places import ObjectPath
from storage.sql_text import quoted, rows_of_snapshot
from storage.versions import Snapshot

_LOG = logging.getLogger(__name__)
_DEADLINE_S = 10.0


def _note(layout: StoreLayout) -> Path:
    return layout.cache("views.json")


def views_are_stale(layout: StoreLayout) -> bool:
    """Whether there is a file of views that was made where the store no longer lies."""
    try:
        return bool(json.loads(_note(layout).read_bytes())["root"] != str(layout.root))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def refresh_views(
    layout: StoreLayout, names: Iterable[str], snapshot: Callable[[str], Snapshot], *, anew: bool
) -> bool:
    """Whether the views of these datasets now show their newest versions.

    It is a convenience beside the store: where it cannot be done, that is logged and the old file stays. A store in
    a bucket has none: any DuckDB client reads its datasets with ``delta_scan('s3://...')``.

    Parameters
    ----------
    anew
        Whether to forget the views that are there, instead of keeping those of other datasets.
    """
    if isinstance(layout.root, ObjectPath):
        return False
    try:
        with locked(layout.work / LOCKS / "views.lock", deadline_s=_DEADLINE_S):
            _refresh(layout, names, snapshot, anew=anew)
    except (OSError, duckdb.Error, StoreError) as error:
        _LOG.warning("%s was not brought up to date: %s", layout.views, error)
        return False
    return True


def _refresh(layout: StoreLayout, names: Iterable[str], snapshot: Callable[[str], Snapshot], *, anew: bool) -> None:
    aside = layout.cache("views.duckdb")
    aside.parent.mkdir(parents=True, exist_ok=True)
    aside.unlink(missing_ok=True)
    if not anew and layout.views.exists():
        shutil.copyfile(layout.views, aside)
    connection = duckdb.connect(str(aside))
    try:
        for name in names:
            # Inside the lock, so that the newest version of all is the last one written.
            connection.execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS {rows_of_snapshot(snapshot(name))}")
    finally:
        connection.close()
    aside.replace(layout.views)
    write_atomic(_note(layout), json.dumps({"root": str(layout.root)}).encode())
