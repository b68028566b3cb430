"""Runs of suites kept for later: as rows of two datasets of a store, and as JSON."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from benchmarks.harness.figures import Measured, Sample
from benchmarks.harness.targets import Verdict
from storage.fingerprint import fingerprint_of
from storage.parquet import write_part
from storage.store import Store
from storage.versions import APPEND, CommitRequest, Version

#: Where samples and verdicts are kept.
SAMPLES, TARGETS = "benchmarks", "benchmark_targets"
_SAMPLE_SCHEMA = pa.schema(
    {
        "run": pa.string(),
        "started_at": pa.string(),
        "size_bytes": pa.int64(),
        "suite": pa.string(),
        "case": pa.string(),
        "contender": pa.string(),
        "round": pa.int64(),
        "again": pa.bool_(),
        "seconds": pa.float64(),
        "cpu_s": pa.float64(),
        "peak_bytes": pa.int64(),
        "measures": pa.string(),
        "outputs": pa.string(),
        "work": pa.string(),
        "machine": pa.string(),
        "settings": pa.string(),
    }
)
_TARGET_SCHEMA = pa.schema(
    {
        "run": pa.string(),
        "suite": pa.string(),
        "case": pa.string(),
        "claim": pa.string(),
        "wanted": pa.string(),
        "figure": pa.float64(),
        "verdict": pa.string(),
        "issue": pa.int64(),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """A case of a suite as it was measured, and what became of its targets."""

    suite: str
    measured: Measured
    verdicts: Sequence[Verdict] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRun:
    """One call of the benchmarks: when, where, how much, and all that was measured."""

    id: str
    started_at: str
    size_bytes: int
    machine: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    cases: Sequence[CaseResult] = ()

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON; `from_dict` reads it back."""
        return asdict(self)


def new_id() -> str:
    """An id for a run: readable, sortable by time, and unique."""
    return f"bench-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def from_dict(facts: Mapping[str, Any]) -> BenchRun:
    """The run that `BenchRun.to_dict` wrote."""
    cases = [
        CaseResult(
            suite=case["suite"],
            measured=_measured(case["measured"]),
            verdicts=[Verdict(**verdict) for verdict in case["verdicts"]],
        )
        for case in facts["cases"]
    ]
    return BenchRun(**{**facts, "cases": cases})


def _measured(facts: Mapping[str, Any]) -> Measured:
    rounds = [{name: Sample(**one) for name, one in found.items()} for found in facts["rounds"]]
    return Measured(**{**facts, "rounds": rounds, "again": [Sample(**one) for one in facts["again"]]})


def keep(run: BenchRun, store: Store) -> Version:
    """The version of the dataset of samples that holds the run, once its verdicts are kept too."""
    targets = [
        {
            "run": run.id,
            "suite": case.suite,
            "case": case.measured.case,
            "claim": verdict.claim,
            "wanted": verdict.wanted,
            "figure": verdict.figure,
            "verdict": verdict.word,
            "issue": verdict.issue,
        }
        for case in run.cases
        for verdict in case.verdicts
    ]
    if targets:
        _append(store, TARGETS, run.id, pa.Table.from_pylist(targets, _TARGET_SCHEMA))
    rows = [row for case in run.cases for row in _rows(run, case)]
    return _append(store, SAMPLES, run.id, pa.Table.from_pylist(rows, _SAMPLE_SCHEMA))


def _rows(run: BenchRun, case: CaseResult) -> list[dict[str, Any]]:
    measured = case.measured
    samples = [(number, False, one) for number, found in enumerate(measured.rounds) for one in found.values()]
    samples += [(number, True, one) for number, one in enumerate(measured.again)]
    shared = {
        "run": run.id,
        "started_at": run.started_at,
        "size_bytes": run.size_bytes,
        "suite": case.suite,
        "case": measured.case,
        "work": json.dumps(measured.work),
        "machine": json.dumps(run.machine),
        "settings": json.dumps(run.settings),
    }
    return [
        {
            **shared,
            "contender": one.contender,
            "round": number,
            "again": again,
            "seconds": one.seconds,
            "cpu_s": one.cpu_s,
            "peak_bytes": one.peak_bytes,
            "measures": json.dumps(one.measures),
            "outputs": json.dumps(one.outputs),
        }
        for number, again, one in samples
    ]


def _append(store: Store, dataset: str, run: str, table: pa.Table) -> Version:
    folder = store.staging(f"{run}-{dataset}")
    try:
        part = write_part(table, folder / "part-000000.parquet")
        return store.commit(
            CommitRequest(
                dataset=dataset,
                mode=APPEND,
                parts=(part,),
                schema=table.schema,
                fingerprint=fingerprint_of(table, table.column_names),
                run=run,
                message="benchmarks",
            )
        )
    finally:
        store.drop_staging(f"{run}-{dataset}")


def kept_runs(store: Store) -> list[str]:
    """The ids of the runs that a store keeps, newest first."""
    if SAMPLES not in store.names():
        return []
    with store.sql(f"SELECT DISTINCT run FROM {SAMPLES} ORDER BY run DESC") as result:
        return [str(run) for run in result.read_all().column(0).to_pylist()]


def kept(store: Store, run: str) -> BenchRun:
    """The run of that id, without its verdicts.

    Raises
    ------
    KeyError
        If the store keeps no such run.
    """
    if run not in kept_runs(store):
        raise KeyError(run)
    query = f"SELECT * FROM {SAMPLES} WHERE run = '{run}' ORDER BY suite, \"case\", round, again"
    with store.sql(query) as result:
        rows = result.read_all().to_pylist()
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((row["suite"], row["case"]), []).append(row)
    return BenchRun(
        id=run,
        started_at=rows[0]["started_at"],
        size_bytes=rows[0]["size_bytes"],
        machine=json.loads(rows[0]["machine"]),
        settings=json.loads(rows[0]["settings"]),
        cases=[CaseResult(suite=suite, measured=_regrouped(case, found)) for (suite, case), found in grouped.items()],
    )


def _regrouped(case: str, rows: Sequence[Mapping[str, Any]]) -> Measured:
    rounds: dict[int, dict[str, Sample]] = {}
    again = []
    for row in rows:
        sample = Sample(
            contender=row["contender"],
            seconds=row["seconds"],
            cpu_s=row["cpu_s"],
            peak_bytes=row["peak_bytes"],
            measures=json.loads(row["measures"]),
            outputs=json.loads(row["outputs"]),
        )
        if row["again"]:
            again.append(sample)
        else:
            rounds.setdefault(row["round"], {})[row["contender"]] = sample
    return Measured(case=case, work=json.loads(rows[0]["work"]), rounds=list(rounds.values()), again=again)
