"""Figures of a store's jobs for Prometheus, read from the store whenever they are asked for.

Drivers are not asked: a figure is there whether or not its job's driver lives, and a lost job shows by its age.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cluster.job import LOST, State
from cluster.jobs import Jobs, JobStatus
from storage.store import Store

#: Figure of a job at work -> where its last sign of life has it, and what it means.
_PROGRESS = {
    "stage_blocks": ("tasks", "Blocks of the stage that runs."),
    "stage_blocks_done": ("done", "Blocks of it that are through."),
    "stage_rows_done": ("done_rows", "Rows that it has done."),
    "stage_bytes_done": ("done_bytes", "Bytes of input that it has done."),
    "stage_seconds": ("stage_seconds", "How long it has run."),
    "workers": ("workers", "Workers there are."),
    "memory_bytes": ("memory_bytes", "Memory of the driver and all that it started on its machine."),
    "peak_memory_bytes": ("peak_memory_bytes", "The most of it so far."),
    "heartbeat_age_seconds": ("age_s", "Since the driver was last heard of."),
}


class StoreCollector(Collector):
    """What a store's jobs have to say.

    Parameters
    ----------
    store
        The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """All figures of this moment."""
        statuses = Jobs(self._store).statuses()
        yield _states(statuses)
        yield from _jobs_at_work([status for status in statuses if not status.ended])
        yield from _runs(self._store.runs())


def _gauge(name: str, told: str, labels: Iterable[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"textmill_{name}", told, labels=list(labels))


def _states(statuses: Iterable[JobStatus]) -> Metric:
    found = Counter(status.state for status in statuses)
    family = _gauge("jobs", "Jobs by state.", ["state"])
    for state in (*State, LOST):
        family.add_metric([str(state)], found[str(state)])
    return family


def _jobs_at_work(statuses: Iterable[JobStatus]) -> Iterator[Metric]:
    seen = list(statuses)
    attempts = _gauge("job_attempts", "Drivers that have claimed the job.", ["job", "name", "state"])
    for status in seen:
        attempts.add_metric([status.job, status.name, status.state], status.attempt)
    yield attempts
    for figure, (key, told) in _PROGRESS.items():
        family = _gauge(f"job_{figure}", told, ["job", "name", "stage"])
        for status in seen:
            if key in status.progress:
                family.add_metric([status.job, status.name, _stage(status)], float(status.progress[key]))
        yield family
    left = _gauge("job_stage_left_seconds", "How long the stage will take yet, at its speed.", ["job", "name", "stage"])
    for status in seen:
        if status.left_s is not None:
            left.add_metric([status.job, status.name, _stage(status)], status.left_s)
    yield left


def _stage(status: JobStatus) -> str:
    return str(status.progress.get("stage", ""))


def _runs(records: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    """Sums over all runs that succeeded, by the job's name, and figures of the newest one of each."""
    runs: Counter[str] = Counter()
    seconds: dict[str, float] = {}
    rows: Counter[tuple[str, str, str]] = Counter()
    newest: dict[str, Mapping[str, Any]] = {}
    for record in sorted(records, key=lambda one: str(one.get("started_at"))):
        name = str(record.get("name"))
        runs[name] += 1
        seconds[name] = seconds.get(name, 0.0) + float((record.get("seconds") or {}).get("total", 0.0))
        for fate, reason, count in _fates(record.get("ledger") or {}):
            rows[name, fate, reason] += count
        newest[name] = record
    yield _counter("runs", "Runs that succeeded.", ["name"], {(name,): count for name, count in runs.items()})
    yield _counter("run_seconds", "Their wall time.", ["name"], {(name,): value for name, value in seconds.items()})
    yield _counter("rows", "Records that they read, by what became of them.", ["name", "fate", "reason"], rows)
    yield from _newest(newest)


def _fates(ledger: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    yield "kept", "", int(ledger.get("kept", 0))
    for fate in ("rejected", "filtered", "duplicates"):
        for reason, count in (ledger.get(fate) or {}).items():
            yield fate, str(reason), int(count)


def _counter(name: str, told: str, labels: list[str], values: Mapping[Any, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"textmill_{name}", told, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family


def _newest(records: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    started = _gauge("last_run_started_timestamp_seconds", "When the newest run started.", ["name"])
    version = _gauge("last_run_version", "The version that the newest run committed.", ["name", "dataset"])
    memory = _gauge("last_run_peak_memory_bytes", "The most memory that the newest run took.", ["name"])
    quality = _gauge("last_run_quality", "Measures of the model of the newest run.", ["name", "measure"])
    for name, record in records.items():
        if record.get("started_at"):
            started.add_metric([name], datetime.fromisoformat(str(record["started_at"])).timestamp())
        if dataset := record.get("dataset"):
            version.add_metric([name, str(dataset["name"])], int(dataset["version"]))
        memory.add_metric([name], float(record.get("peak_memory_bytes") or 0))
        for measure, value in (record.get("metrics") or {}).items():
            quality.add_metric([name, str(measure)], float(value))
    yield from (started, version, memory, quality)
