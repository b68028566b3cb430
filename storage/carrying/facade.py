"""The part of the store's facade that carries versions out and in."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.arranging.facade import Arranging
from storage.carrying.folder import Carried, export_version, read_carried
from storage.errors import CarriedFolderError, ModelExistsError, RunNotFoundError
from storage.fates import fates_files
from storage.files import explained
from storage.fingerprint import Fingerprint, fingerprint_of
from storage.locks import locked_to_read
from storage.model_folders import contents
from storage.parquet import StagedPart
from storage.records import Records
from storage.scan import iter_file, measured
from storage.schema import content_schema
from storage.versions import IMPORT, CommitRequest, DataFile, Version

_LINEAGE = "lineage.json"


class Carrying(Arranging, Records):
    """Export and import of versions with their lineage."""

    def export(self, name: str, folder: str | Path, *, at: int | str | None = None, models: bool = False) -> Version:
        """The version that is now in the folder, with its fates, the record of its run, and a list of SHA-256.

        Parameters
        ----------
        folder
            It must not exist yet, or be empty.
        models
            Whether to take the models along that learned from the version.

        Raises
        ------
        CarriedFolderError
            If there is something in the folder.
        DatasetNotFoundError, VersionNotFoundError, VersionVacuumedError
            If there is nothing to export.
        """
        layout = self.layout.dataset(name)
        with locked_to_read(layout.lock):  # no vacuum meanwhile
            head = self._head(name, at)
            head = measured(layout, head) if head.fingerprint is None else head
            snapshot = self.snapshot(name, head.version.number)
            pinned = self._models.pins(name).get(head.version.number, []) if models else []
            export_version(
                Path(folder).absolute(),
                snapshot,
                head.fingerprint or Fingerprint.empty(),
                asdict(head.version),
                fates=fates_files(layout, head),
                run=self._record_of(head.version.run),
                models={model: (self.model_path(model), self.model(model)) for model in pinned},
            )
        return head.version

    def _record_of(self, run: str) -> dict[str, Any]:
        try:
            return self.run(run) if run else {}
        except RunNotFoundError:
            return {}

    def import_version(self, folder: str | Path, *, name: str | None = None, message: str = "") -> Version:
        """The version of this store that an exported one became; the same one where it was imported before.

        Its fingerprint is that of the exported version; rows, files and records are checked against it first. Models
        that came along name the new version from then on; those that are in this store already stay as they are.

        Parameters
        ----------
        name
            The dataset; the exported version's own where not given. One that is there gets a new version.

        Raises
        ------
        CarriedFolderError
            If the folder holds no whole version; nothing is changed then.
        ModelExistsError
            If another model has the id of one that came along; nothing is changed then.
        """
        carried = read_carried(Path(folder).absolute())
        _require_fingerprint(carried)
        fresh = [model for model in carried.models if not self._is_here(carried, model)]
        exported = carried.version
        dataset = name or str(exported["dataset"])
        run = f"import-{str(exported['fingerprint'])[7:23]}-{exported['number']}-{exported['dataset']}"[:128]
        staging = self.staging(run)
        try:
            with explained(staging):
                request = CommitRequest(
                    dataset=dataset,
                    mode=IMPORT,
                    parts=tuple(
                        _staged(part, staging / f"part-{n:06d}.parquet") for n, part in enumerate(carried.parts)
                    ),
                    schema=carried.schema,
                    fingerprint=carried.fingerprint,
                    run=run,
                    message=message or f"import of {exported['dataset']} version {exported['number']}",
                    author=str(exported["author"]),
                    ledger=exported["ledger"],
                    fates=tuple(
                        _staged(part, staging / f"fates-{n:06d}.parquet") for n, part in enumerate(carried.fates)
                    ),
                    copied_from=f"{exported['dataset']}@{exported['number']}",
                )
                version = self.commit(request)
                for model in fresh:
                    self._import_model(carried, model, carried.models[model], version, staging)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        if carried.run and not self._record_of(str(exported["run"])):
            record = {key: value for key, value in carried.run.items() if key != "run"}
            self.record_run(str(exported["run"]), {**record, "dataset": {"name": dataset, "version": version.number}})
        return version

    def _is_here(self, carried: Carried, model: str) -> bool:
        """Whether the store has this very model; raises `ModelExistsError` where it has another of that id."""
        there, brought = self._models.contents(model), contents(carried.folder / "models" / model)
        if there is None:
            return False
        if {**there, _LINEAGE: ""} != {**brought, _LINEAGE: ""}:
            raise ModelExistsError(
                f"model {model!r}",
                "another model has this id",
                "Nothing was imported. Choose another store, or export the version without its models.",
            )
        return True

    def _import_model(self, carried: Carried, model: str, record: Any, version: Version, staging: Path) -> None:
        staged = staging / f"model-{model}"
        shutil.copytree(carried.folder / "models" / model, staged)
        where = {"dataset": version.dataset, "version": version.number}
        lineage = staged / _LINEAGE
        if lineage.is_file():  # what `textmill reproduce` follows; a model's SHA-256 does not cover it
            lineage.write_text(json.dumps({**json.loads(lineage.read_bytes()), **where}, ensure_ascii=False, indent=2))
        own = {key: value for key, value in record.items() if key not in ("id", "dataset", "version")}
        self.save_model(model, staged, {**own, **where})


def _staged(part: StagedPart, path: Path) -> StagedPart:
    shutil.copyfile(part.path, path)
    return StagedPart(path=str(path), rows=part.rows, bytes=part.bytes, sha256=part.sha256)


def _require_fingerprint(carried: Carried) -> None:
    content = content_schema(carried.schema)
    mark = Fingerprint.empty()
    for part in carried.parts:
        file = DataFile(path=part.path, rows=part.rows, bytes=part.bytes)
        for batch in iter_file(file, carried.schema):
            mark = mark.merge(fingerprint_of(pa.Table.from_batches([batch]), content.names))
    if mark != carried.fingerprint or mark.digest(content) != carried.version["fingerprint"]:
        raise CarriedFolderError(
            str(carried.folder), "its rows do not have the fingerprint that it says", "Export it again."
        )
