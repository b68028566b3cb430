"""What a finished run has to say, put together from its parts."""

import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.providers.local import worker_count
from cluster.result import DatasetResult, ModelResult, OperationResult, RunResult, SourceResult
from cluster.secrets import redacted_facts
from pipeline.config import JobConfig
from pipeline.ingest.memory_need import known_worker_bytes
from storage.store import Store

if TYPE_CHECKING:
    from pipeline.ingest.prepared import Ingested
    from pipeline.train.fit import FitResult

_LIBRARIES = ("textmill", "dask", "dask-ml", "deltalake", "duckdb", "numba", "numpy", "pyarrow", "scikit-learn")
#: Those that not everyone has.
_EXTRAS = ("rjieba",)


def library_versions() -> dict[str, str]:
    """Versions of what decides a result, with Python and the machine's kind."""
    versions = {name: version_of(name) for name in _LIBRARIES}
    for name in _EXTRAS:
        with suppress(PackageNotFoundError):
            versions[name] = version_of(name)
    return {**versions, "python": platform.python_version(), "platform": f"{sys.platform}-{platform.machine()}"}


def result_of(job: JobConfig, store: Store, run: str, ingested: "Ingested", fitted: "FitResult | None") -> RunResult:
    """The result of a run that committed `ingested` and, where it trained one, saved the model `fitted`."""
    result = _of_ingest(job, store, run, ingested)
    return result if fitted is None else _with_model(result, fitted, store.model_path(run))


def _of_ingest(job: JobConfig, store: Store, run: str, ingested: "Ingested") -> RunResult:
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
            path=str(store.layout.dataset(version.dataset).folder),
            columns={field.name: str(field.type) for field in ingested.schema},
        ),
        label_counts=ingested.labels,
        warnings=(*ingested.plan.notes, *ingested.warnings),
        workers=worker_count(job.cluster),
        worker_memory_bytes=known_worker_bytes(job, version, len(ingested.labels)),
        settings=redacted_facts(job.model_dump(mode="json")),
        versions=library_versions(),
    )


def _with_model(result: RunResult, fitted: "FitResult", path: Path) -> RunResult:
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
