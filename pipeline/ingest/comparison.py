"""A run's rows compared with an earlier version: profiles made or found, measured, and kept for the next run."""

import hashlib
import json
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from uuid import uuid4

import dask
import pyarrow as pa

from pipeline.execute import Execute
from pipeline.ingest.drift import drift_warnings, measure_drift
from pipeline.ingest.drift_config import DriftConfig
from pipeline.ingest.profile import PROFILE_FORMAT, Profile, profile_file
from storage.errors import DatasetNotFoundError
from storage.parquet import StagedPart
from storage.scan import DataFile, Snapshot
from storage.store import Store


class Comparison:
    """One run's rows against one earlier version, which is the same from the start of the run to its end.

    Parameters
    ----------
    config
        The limits, and which version.
    store
        Where versions are; profiles are kept in its cache.
    dataset
        The dataset's name.
    roles
        The text column and the label column.
    run
        This run's id: a version that it made before is not an earlier one.
    execute
        Runs the tasks.

    Raises
    ------
    VersionNotFoundError
        If the dataset has no version of that number or tag.
    """

    def __init__(
        self, config: DriftConfig, store: Store, dataset: str, roles: tuple[str, str], run: str, execute: Execute
    ) -> None:
        self._config = config
        self._store = store
        self._dataset = dataset
        self._roles = roles
        self._execute = execute
        self._earlier = _earlier(store, dataset, config.against, run)
        self._now = Profile()

    def warnings(self, parts: Sequence[StagedPart], schema: pa.Schema, rows_after: int) -> tuple[str, ...]:
        """One sentence for each measure beyond its limit; none where there is no earlier version.

        Parameters
        ----------
        parts
            The rows to commit.
        schema
            Their columns.
        rows_after
            Rows of the version that is about to be made.

        Raises
        ------
        DataError
            If a measure is to stop the run.
        """
        self._now = self._profiled(
            [DataFile(path=part.path, rows=part.rows, bytes=part.bytes) for part in parts], schema
        )
        if self._earlier is None:
            return ()
        then = self._profile_of(self._earlier)
        told = f"{self._dataset} version {self._earlier.version.number}"
        return drift_warnings(measure_drift(then, self._now, rows_after, self._config), told)

    def keep(self, number: int, *, appended: bool) -> None:
        """Nothing; the profile of the new version `number` is at hand for the next run, where it is known.

        With `appended` the version has the rows of the one before it too.
        """
        if not appended:
            self._write(self._path(number), self._now)
            return
        before = [version.number for version in self._store.versions(self._dataset) if version.number < number]
        if before and self._path(before[0]).exists():
            self._write(self._path(number), _read(self._path(before[0])).merge(self._now))

    def _profile_of(self, snapshot: Snapshot) -> Profile:
        path = self._path(snapshot.version.number)
        if path.exists():
            return _read(path)
        profile = self._profiled(snapshot.files, snapshot.schema)
        self._write(path, profile)
        return profile

    def _profiled(self, files: Sequence[DataFile], schema: pa.Schema) -> Profile:
        tasks = [dask.delayed(profile_file)(file, schema, *self._roles) for file in files]
        return reduce(Profile.merge, self._execute("profile", tasks, sizes=[file.bytes for file in files]), Profile())

    def _path(self, number: int) -> Path:
        roles = hashlib.sha256(json.dumps([PROFILE_FORMAT, *self._roles]).encode()).hexdigest()[:12]
        return self._store.cache("profiles", self._dataset) / f"{number}-{roles}.json"

    def _write(self, path: Path, profile: Profile) -> None:
        aside = path.with_name(f"{path.name}.{uuid4().hex}")
        aside.write_text(json.dumps(profile.to_dict()), encoding="utf-8")
        aside.replace(path)


def _read(path: Path) -> Profile:
    return Profile.from_dict(json.loads(path.read_text(encoding="utf-8")))


def _earlier(store: Store, dataset: str, against: int | str, run: str) -> Snapshot | None:
    try:
        if against != "previous":
            return store.snapshot(dataset, against)
        numbers = [version.number for version in store.versions(dataset) if version.run != run]
    except DatasetNotFoundError:
        return None
    return store.snapshot(dataset, numbers[0]) if numbers else None
