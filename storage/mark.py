"""The mark that makes a directory or a prefix in a bucket a store, and tells which format it is in."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from storage.buckets import SCHEMES, is_object_uri
from storage.errors import StoreDamagedError, StoreNotFoundError
from storage.files import make_folder, write_atomic
from storage.layout import StoreLayout
from storage.places import ObjectPath

FORMAT = 1


def open_layout(uri: str | Path, *, create: bool) -> StoreLayout:
    """The paths of the store at `uri`; see `storage.store.Store.open`."""
    layout = layout_at(uri)
    if not layout.mark.is_file():
        if not create:
            raise StoreNotFoundError(
                str(layout.root),
                "there is no textmill store",
                "Check the path, or make one by running a job: `textmill run JOB.toml`.",
            )
        _create(layout)
    _require_format(layout)
    return layout


def layout_at(uri: str | Path) -> StoreLayout:
    """The paths of a store at `uri`, whether there is one or not; raises `StoreNotFoundError` where there cannot be."""
    text = str(uri).removeprefix("file://")
    if is_object_uri(text):
        root = ObjectPath.parse(text)
        return StoreLayout(root, work_folder(str(root), os.environ))
    if "://" in text:
        raise StoreNotFoundError(
            text, "a store is a directory, or a prefix in a bucket", f"Start with one of {', '.join(SCHEMES)}://."
        )
    folder = Path(text).expanduser().absolute()
    return StoreLayout(folder, folder)


def work_folder(uri: str, environment: Mapping[str, str]) -> Path:
    """The folder on disk for work in progress on a store in a bucket: one a store under ``TEXTMILL_WORK``."""
    told = environment.get("TEXTMILL_WORK")
    base = Path(told) if told else Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "textmill"
    return base.expanduser().absolute() / hashlib.sha256(uri.encode()).hexdigest()[:16]


def _create(layout: StoreLayout) -> None:
    root = make_folder(layout.root)
    foreign = [path.name for path in root.iterdir() if not path.name.startswith((".", "_"))]
    if foreign:
        raise StoreNotFoundError(
            str(root),
            f"no store, and not empty either (there is {foreign[0]!r})",
            "Choose an empty or new place for the store.",
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
