"""The records of runs and models: JSON as given, with what SQL wants to join on beside it."""

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.errors import ModelExistsError, ModelNotFoundError, NotFoundError, RunNotFoundError
from storage.layout import StoreLayout, require_id
from storage.model_folders import ModelFolders, contents
from storage.system import SystemTable

_RUNS = pa.schema(
    [(name, pa.string()) for name in ("run", "job", "state", "dataset")]
    + [("version", pa.int64()), ("record", pa.string())]
)
#: `files` is JSON: path -> hex SHA-256 of the model's files as they were saved.
_MODELS = pa.schema(
    [(name, pa.string()) for name in ("model", "run", "dataset")]
    + [("version", pa.int64()), ("record", pa.string()), ("files", pa.string())]
)


def find(wanted: str, known: Iterable[str], what: str, error: type[NotFoundError]) -> str:
    """The one id among `known` that is or starts with `wanted`.

    Raises
    ------
    NotFoundError
        Of the given kind, if there is none or more than one.
    """
    ids = list(known)
    if wanted in ids:
        return wanted
    matches = sorted(one for one in ids if wanted and one.startswith(wanted))
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise error(f"{what} {wanted!r}", f"{len(matches)} start so: {', '.join(matches[:5])}", "Write more of the id.")
    close = difflib.get_close_matches(wanted, ids, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise error(f"{what} {wanted!r}", "not in this store", f"{hint}List them with `textmill {what}s`.")


def _text(record: Mapping[str, Any], key: str) -> str | None:
    value = record.get(key)
    return value if isinstance(value, str) else None


def dataset_of(record: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Dataset and version of a record: side by side, or as an object with a name and a version."""
    named = record.get("dataset")
    if isinstance(named, Mapping):
        return _text(named, "name"), _whole(named.get("version"))
    return _text(record, "dataset"), _whole(record.get("version"))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, sort_keys=True)


class Runs:
    """The runs of a store; a run may be recorded again, the last record counts."""

    def __init__(self, layout: StoreLayout) -> None:
        self.table = SystemTable(layout.system("runs"), _RUNS)

    def put(self, run: str, record: Mapping[str, Any]) -> None:
        """Nothing; the run has this record afterwards.

        Raises
        ------
        DiskFullError, StoreNotWritableError, StoreBusyError
            If it cannot be written.
        """
        dataset, version = dataset_of(record)
        row = {
            "run": require_id(run, "run id"),
            "job": _text(record, "job"),
            "state": _text(record, "state"),
            "dataset": dataset,
            "version": version,
            "record": _json(record),
        }
        self.table.append([row])

    def all(self) -> list[dict[str, Any]]:
        """The records, newest first, each with its id under ``"run"``."""
        return [{"run": run, **json.loads(row["record"])} for run, row in reversed(self.table.last("run").items())]

    def get(self, run: str) -> dict[str, Any]:
        """The record of a run by its id or the start of it; raises `RunNotFoundError`."""
        rows = self.table.last("run")
        found = find(run, rows, "run", RunNotFoundError)
        return {"run": found, **json.loads(rows[found]["record"])}


class Models:
    """The models of a store: a folder and a record each.

    The record is written first, the folder renamed into place after it: a model is there when both are, and pins
    its version before anyone can see it.
    """

    def __init__(self, layout: StoreLayout) -> None:
        self._folders = ModelFolders(layout)
        self.table = SystemTable(layout.system("models"), _MODELS)

    def folders(self) -> frozenset[str]:
        """The ids of the models whose folder is there, with a record or without."""
        return self._folders.ids()

    def contents(self, model: str) -> dict[str, str] | None:
        """Path -> hex SHA-256 of a model's files; None where it is not there."""
        return self._folders.contents(model)

    def put(self, model: str, staged: Path, record: Mapping[str, Any]) -> Path:
        """The model's folder in the store, moved there from `staged`.

        Saving the same files under the same id again changes nothing but the record.

        Raises
        ------
        ModelExistsError
            If another model has this id.
        ModelNotFoundError
            If there is no staged folder.
        DiskFullError, StoreNotWritableError, StoreBusyError
            If it cannot be written.
        """
        if not staged.is_dir():
            raise ModelNotFoundError(str(staged), "there is no staged folder", "Write the model's files first.")
        there = self._folders.contents(model)
        if there is not None and there != contents(staged):
            raise ModelExistsError(
                f"model {model!r}", "another model has this id", "Remove it first, or choose another id."
            )
        dataset, version = dataset_of(record)
        row = {"model": model, "run": _text(record, "run"), "dataset": dataset, "version": version}
        self.table.append([{**row, "record": _json(record), "files": _json(contents(staged))}])
        return self._folders.put(model, staged)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Id -> row of the table, oldest first, of the models whose folder is there."""
        there = self.folders()
        return {model: row for model, row in self.table.last("model").items() if model in there}

    def all(self) -> list[dict[str, Any]]:
        """The records, newest first, each with its id under ``"id"``."""
        return [{"id": model, **json.loads(row["record"])} for model, row in reversed(self.rows().items())]

    def get(self, model: str) -> dict[str, Any]:
        """The record of a model by its id or the start of it; raises `ModelNotFoundError`."""
        rows = self.rows()
        found = find(model, rows, "model", ModelNotFoundError)
        return {"id": found, **json.loads(rows[found]["record"])}

    def path(self, model: str) -> Path:
        """A folder on disk with a model's files, by its id or the start of it; raises `ModelNotFoundError`."""
        return self._folders.local(find(model, self.rows(), "model", ModelNotFoundError))

    def pins(self, dataset: str) -> dict[int, list[str]]:
        """Version number -> the models that were trained on it."""
        pinned: dict[int, list[str]] = {}
        for model, row in self.rows().items():
            if row["dataset"] == dataset and row["version"] is not None:
                pinned.setdefault(row["version"], []).append(model)
        return pinned


def saved_files(row: Mapping[str, Any]) -> dict[str, str]:
    """Path -> hex SHA-256 of a model's files as they were saved; empty for one saved before that was recorded.

    Parameters
    ----------
    row
        The model's, from `Models.rows`.
    """
    files: dict[str, str] = json.loads(row["files"] or "{}")
    return files
