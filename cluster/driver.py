"""One run of a job from its file to its result, here and now."""

import platform
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from cluster.execute import ClientExecute
from cluster.memory import PeakMemory
from cluster.progress import ProgressListener, Silence
from cluster.providers.local import worker_count, worker_memory_bytes
from cluster.providers.open import open_cluster
from cluster.result import DatasetResult, ModelResult, OperationResult, RunResult, SourceResult
from pipeline.config import JobConfig
from pipeline.ingest.flow import Ingested, commit, prepare
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.fit import FitResult, fit_model
from storage.files import room_explained
from storage.store import Store
from storage.versions import Snapshot

_LIBRARIES = ("textmill", "dask", "dask-ml", "deltalake", "duckdb", "numba", "numpy", "pyarrow", "scikit-learn")


def new_run_id(name: str) -> str:
    """An id for a run of the job `name`: readable, sortable by time, and unique."""
    return f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def library_versions() -> dict[str, str]:
    """Versions of what decides a result, with Python and the machine's kind."""
    versions = {name: version_of(name) for name in _LIBRARIES}
    return {**versions, "python": platform.python_version(), "platform": f"{sys.platform}-{platform.machine()}"}


def run_job(
    job: JobConfig,
    *,
    workers: int | None = None,
    listener: ProgressListener | None = None,
    allow_code: bool = False,
) -> RunResult:
    """The result of running `job` to its end, which the store remembers too.

    Parameters
    ----------
    job
        As `pipeline.config.load_job` gives it.
    workers
        Instead of the job file's number.
    listener
        Hears how the run gets on.
    allow_code
        Whether operations may run functions named in the job file.

    Raises
    ------
    PipelineError, ClusterError, storage.errors.StoreError
        Where the run cannot be finished; the store's versions are as they were.
    """
    listener = listener or Silence()
    if workers is not None:
        job = job.model_copy(update={"cluster": job.cluster.model_copy(update={"workers": workers})})
    started, began = datetime.now(UTC), time.perf_counter()
    run = new_run_id(job.name)
    with _store_of(job) as store, PeakMemory() as memory:
        try:
            result = _work(job, store, run, listener, allow_code=allow_code)
        finally:
            store.drop_staging(run)
    total = time.perf_counter() - began
    result = replace(
        result,
        started_at=started.isoformat(timespec="seconds"),
        seconds={**result.seconds, "total": total},
        peak_memory_bytes=memory.peak_bytes,
    )
    store.record_run(run, result.to_dict())
    return result


@contextmanager
def _store_of(job: JobConfig) -> Iterator[Store]:
    """The job's store; one made for this run is taken away again where the run leaves nothing in it."""
    fresh = not Path(job.store).exists()
    store = Store.open(job.store, create=True)
    try:
        with room_explained(store.uri):
            yield store
    except BaseException:
        if fresh:
            store.discard_if_empty()
        raise


def _work(job: JobConfig, store: Store, run: str, listener: ProgressListener, *, allow_code: bool) -> RunResult:
    memory_bytes = worker_memory_bytes(job.cluster)
    with open_cluster(job.cluster, store.staging(run) / "workers") as client:
        execute = ClientExecute(client, listener, job.cluster.task_timeout_s, memory_bytes)
        began = time.perf_counter()
        prepared = prepare(job, store, run, execute, note=listener.note, allow_code=allow_code)
        seconds = {**execute.seconds, "ingest": time.perf_counter() - began}
        if job.train is None:
            return replace(_of_ingest(job, store, run, commit(store, prepared)), seconds=seconds)
        # The model first, then the commit: a run that fails in training leaves the versions as they were.
        snapshot = store.preview(prepared.request)
        fitted = _fit(job, job.train, store, snapshot, execute)
        ingested = commit(store, prepared)
        if ingested.version.fingerprint != snapshot.version.fingerprint:
            listener.note("another run appended rows meanwhile; training again on the version as it was committed")
            fitted = _fit(job, job.train, store, store.snapshot(job.dataset.name, ingested.version.number), execute)
        _save_model(job, store, run, ingested, fitted)
        result = _with_model(_of_ingest(job, store, run, ingested), fitted, store.model_path(run))
    return replace(result, seconds={**seconds, **fitted.seconds})


def _fit(job: JobConfig, train: TrainConfig, store: Store, snapshot: Snapshot, execute: ClientExecute) -> FitResult:
    return fit_model(snapshot, job.features or FeatureConfig(), train, store.cache("features"), execute, {})


def _save_model(job: JobConfig, store: Store, run: str, ingested: Ingested, fitted: FitResult) -> None:
    version = ingested.version
    lineage = {
        "dataset": version.dataset,
        "version": version.number,
        "fingerprint": version.fingerprint,
        "run": run,
        "job": job.model_dump(mode="json"),
        "libraries": library_versions(),
    }
    model = replace(fitted.model, lineage={**fitted.model.lineage, **lineage})
    folder = store.staging(run) / "model"
    model.save(folder)
    record = {**lineage, "sha256": model.sha256, "metrics": dict(fitted.metrics), "name": job.name}
    store.save_model(run, folder, record)


def _of_ingest(job: JobConfig, store: Store, run: str, ingested: Ingested) -> RunResult:
    version, ledger = ingested.version, ingested.ledger
    return RunResult(
        job=run,
        name=job.name,
        state="succeeded",
        started_at="",
        store=store.uri,
        sources=tuple(
            SourceResult(
                file=file.name,
                format=file.format,
                compression=file.compression or "",
                encoding=file.encoding or "",
                dialect=file.dialect.describe() if file.dialect else "",
                bytes=file.bytes,
                rows=ingested.sources.get(file.name, 0),
                note=file.note,
            )
            for file in ingested.plan.files
        ),
        ledger=ledger,
        operations=(
            *(
                OperationResult(name=name, changed=changed, removed=removed)
                for name, changed, removed in ingested.operations
            ),
            *(OperationResult(name=count.name, changed=0, removed=count.rejected) for count in ingested.counts),
        ),
        dataset=DatasetResult(
            name=version.dataset,
            version=version.number,
            fingerprint=version.fingerprint,
            rows=version.rows,
            bytes=version.bytes,
            files=version.files,
            path=str(Path(store.uri) / version.dataset),
            columns={field.name: str(field.type) for field in ingested.schema},
        ),
        label_counts=ingested.labels,
        warnings=(*ingested.plan.notes, *ingested.warnings),
        workers=worker_count(job.cluster),
        settings=job.model_dump(mode="json"),
        versions=library_versions(),
    )


def _with_model(result: RunResult, fitted: FitResult, path: Path) -> RunResult:
    features: Mapping[str, list[tuple[str, float]]] = fitted.top_features
    evaluation: Mapping[str, Any] = fitted.evaluation
    return replace(
        result,
        model=ModelResult(id=result.job, sha256=fitted.model.sha256, path=str(path)),
        metrics=fitted.metrics,
        evaluation=evaluation,
        top_features=features,
        warnings=(*result.warnings, *fitted.warnings),
    )
