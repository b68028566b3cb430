"""The mark that makes a directory a store, and tells which format it is in."""

import json
from pathlib import Path

from storage.errors import StoreDamagedError, StoreNotFoundError
from storage.files import make_folder, write_atomic
from storage.layout import StoreLayout

FORMAT = 1


def open_root(uri: str | Path, *, create: bool) -> Path:
    """The absolute directory of the store at `uri`; see `storage.store.Store.open`."""
    text = str(uri).removeprefix("file://")
    if "://" in text:
        raise StoreNotFoundError(text, "a store is a directory here", "Name a directory on this machine.")
    layout = StoreLayout(Path(text).expanduser().absolute())
    if not layout.mark.is_file():
        if not create:
            raise StoreNotFoundError(
                str(layout.root),
                "there is no textmill store",
                "Check the path, or make one by running a job: `textmill run JOB.toml`.",
            )
        _create(layout)
    _require_format(layout)
    return layout.root


def _create(layout: StoreLayout) -> None:
    root = make_folder(layout.root)
    foreign = [path.name for path in root.iterdir() if not path.name.startswith((".", "_"))]
    if foreign:
        raise StoreNotFoundError(
            str(root),
            f"no store, and not empty either (there is {foreign[0]!r})",
            "Choose an empty or new directory for the store.",
        )
    write_atomic(layout.mark, json.dumps({"format": FORMAT}).encode())


def _require_format(layout: StoreLayout) -> None:
    try:
        found = json.loads(layout.mark.read_bytes())["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreDamagedError(
            str(layout.mark), f"cannot be understood ({error})", f'Write {{"format": {FORMAT}}} into it.'
        ) from error
    if found != FORMAT:
        raise StoreDamagedError(
            str(layout.root),
            f"written in format {found}, this textmill knows {FORMAT}",
            "Use the version of textmill that wrote it, or a newer one.",
        )
