"""A version as one folder that can be carried elsewhere, and back into a store: rows, fates, models, and where from.

::

    <folder>/manifest.json         what the version is, and the SHA-256 of every file
    <folder>/data/*.parquet        its rows, in the order of the names; any Parquet reader opens them
    <folder>/fates/*.parquet       what became of the rows that were not kept
    <folder>/models/<id>/          models that learned from it, where asked for
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import CarriedFolderError
from storage.fates import FatesFile
from storage.files import explained, make_folder, sync_folder, write_atomic
from storage.fingerprint import Fingerprint
from storage.parquet import StagedPart, sha256_of, write_batches
from storage.places import Place, opened, place_at
from storage.scan import iter_file
from storage.versions import Snapshot

MANIFEST = "manifest.json"
_FORMAT = 1
_COPY_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A version in a folder, checked byte by byte.

    Attributes
    ----------
    folder
        Where.
    version
        The version's facts, as JSON has them.
    parts, fates
        Its files.
    schema
        Its columns.
    fingerprint
        In its mergeable form.
    run
        The record of the run that made it; empty where there is none.
    models
        Id -> record, of those whose folder is there.
    """

    folder: Path
    version: Mapping[str, Any]
    parts: tuple[StagedPart, ...]
    fates: tuple[StagedPart, ...]
    schema: pa.Schema
    fingerprint: Fingerprint
    run: Mapping[str, Any]
    models: Mapping[str, Mapping[str, Any]]


def export_version(
    folder: Path,
    snapshot: Snapshot,
    fingerprint: Fingerprint,
    facts: Mapping[str, Any],
    *,
    fates: Sequence[FatesFile],
    run: Mapping[str, Any],
    models: Mapping[str, tuple[Path, Mapping[str, Any]]],
) -> None:
    """Nothing; the folder holds the version. The manifest is written last: a folder without it is not whole.

    Parameters
    ----------
    folder
        It must not exist yet, or be empty.
    facts
        The version's, as JSON.
    run
        The record of the run that made it.
    models
        Id -> folder and record.

    Raises
    ------
    CarriedFolderError
        If there is something in the folder already.
    DiskFullError, StoreNotWritableError
        If the folder cannot be written; nothing is left in it.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CarriedFolderError(str(folder), "not an empty folder", "Name a new one.")
    with _whole_or_not_there(folder):
        listed: dict[str, str] = {}
        # Names say the order, whatever the files were called before.
        for index, file in enumerate(snapshot.files):
            name = f"data/{index:06d}.parquet"
            if snapshot.uniform:
                _take(folder, name, place_at(file.path), listed)
            else:
                # With all columns, so that the folder needs nothing but a Parquet reader.
                listed[name] = write_batches(iter_file(file, snapshot.schema), snapshot.schema, folder / name).sha256
        for index, fate in enumerate(fates):
            _take(folder, f"fates/{index:06d}.parquet", place_at(fate.path), listed)
        for model, (source, _) in models.items():
            for path in sorted(source.rglob("*")):
                if path.is_file():
                    _take(folder, f"models/{model}/{path.relative_to(source)}", path, listed)
        manifest = {
            "format": _FORMAT,
            "version": dict(facts),
            "schema": snapshot.schema.serialize().to_pybytes().hex(),
            "fingerprint": fingerprint.to_dict(),
            "run": dict(run),
            "models": {model: dict(record) for model, (_, record) in models.items()},
            "files": listed,
        }
        write_atomic(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2, default=str).encode())


@contextmanager
def _whole_or_not_there(folder: Path) -> Iterator[None]:
    """A block that fills a folder; where it fails, all that it has written there is removed."""
    was_there = folder.exists()
    with explained(folder):
        try:
            yield
        except BaseException:
            for name in ("data", "fates", "models"):
                shutil.rmtree(folder / name, ignore_errors=True)
            if not was_there and folder.exists():
                folder.rmdir()
            raise


def _take(folder: Path, name: str, source: Place, listed: dict[str, str]) -> None:
    target = folder / name
    make_folder(target.parent)
    with opened(source) as here, open(target, "wb") as there:
        shutil.copyfileobj(here, there, _COPY_BYTES)
    sync_folder(target.parent)
    listed[name] = sha256_of(target)


def read_carried(folder: Path) -> Carried:
    """The version in a folder, every byte of it checked.

    Raises
    ------
    CarriedFolderError
        If it is none, or a file is missing or another.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        _require_format(manifest["format"])
        schema = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(manifest["schema"])))
        files: dict[str, str] = manifest["files"]
        parts = {name: _checked(folder, name, sha) for name, sha in files.items()}
        return Carried(
            folder=folder,
            version=manifest["version"],
            parts=tuple(part for name, part in sorted(parts.items()) if name.startswith("data/")),
            fates=tuple(part for name, part in sorted(parts.items()) if name.startswith("fates/")),
            schema=schema,
            fingerprint=Fingerprint.from_dict(manifest["fingerprint"]),
            run=manifest["run"],
            models=manifest["models"],
        )
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowInvalid) as error:
        raise CarriedFolderError(
            str(folder), f"no whole exported version ({error})", "Export it again; nothing was imported."
        ) from error


def _require_format(found: object) -> None:
    if found != _FORMAT:
        raise ValueError(f"format {found}, this textmill knows {_FORMAT}")


def _checked(folder: Path, name: str, sha: str) -> StagedPart:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name} lies outside of the folder")
    if sha256_of(path) != sha:
        raise ValueError(f"{name} is not what was exported")
    rows = pq.read_metadata(path).num_rows if name.startswith(("data/", "fates/")) else 0
    return StagedPart(path=str(path), rows=rows, bytes=path.stat().st_size, sha256=sha)
