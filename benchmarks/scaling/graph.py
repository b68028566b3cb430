"""A graph of very many blocks, built, scheduled and committed for real; only the work in the blocks is left out.

    python -m benchmarks.scaling.graph --blocks 100000 [--workers 2] [--json FILE]

The tasks are those of a run's first stage, with checkpoints and all; instead of reading and cleaning, each links one
small Parquet file into the staging folder, so that the commit has as many files to look into, to move and to tell of.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pyarrow as pa

from benchmarks.harness.scripted import begun, write_record
from benchmarks.harness.targets import Verdict, judged
from cluster.checkpoints import Checkpoints
from cluster.execute import ClientExecute
from cluster.progress import Silence
from cluster.providers.open import provider_of
from cluster.providers.provider import Places
from cluster.session import Session
from pipeline.config import ClusterConfig, JobConfig, parse_job
from pipeline.execute import run_here
from pipeline.ingest.partitions import staging_tasks
from pipeline.ingest.reading.plan import plan_source
from pipeline.ingest.reading.source_plan import Block
from pipeline.ingest.stage_block import BlockSummary, BlockWork
from pipeline.ledger import Ledger
from storage.fingerprint import Fingerprint, fingerprint_of
from storage.parquet import StagedPart, write_part
from storage.store import Store
from storage.versions import REPLACE, CommitRequest

#: File systems bear some ten thousand links to one file.
_MOST_LINKS = 30_000
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphCost:
    """What a graph without work cost.

    Attributes
    ----------
    build_s
        Making the graph in the driver.
    run_s
        From handing it over to the last answer, with naming the tasks and with their checkpoints.
    driver_cpu_s, scheduler_cpu_s, workers_cpu_s
        CPU time in between of the driver, of the scheduler, and of all workers.
    driver_bytes, scheduler_bytes
        The most memory that each held.
    reduce_s
        Adding up the answers in the driver.
    commit_s
        The commit of as many files.
    reopen_s
        Opening the version and listing its files.
    """

    blocks: int
    workers: int
    build_s: float
    run_s: float
    driver_cpu_s: float
    scheduler_cpu_s: float
    workers_cpu_s: float
    driver_bytes: int
    scheduler_bytes: int
    reduce_s: float
    commit_s: float
    reopen_s: float

    @property
    def task_s(self) -> float:
        """Seconds from one answer to the next, where nothing has to be done for it."""
        return self.run_s / self.blocks


def _nothing_read(block: Block) -> pd.DataFrame:  # noqa: ARG001 - stands for a reading
    return pd.DataFrame()


def _linked(partition: pd.DataFrame, numbers: pd.DataFrame, work: BlockWork) -> pd.DataFrame:  # noqa: ARG001
    """A summary of one kept row, whose file is a link."""
    number, folder = int(numbers["number"].iloc[0]), Path(work.folder)
    path = folder / f"part-{number:06d}.parquet"
    path.unlink(missing_ok=True)
    os.link(folder / f"one-{number // _MOST_LINKS}.parquet", path)
    facts = json.loads((folder / "one.json").read_bytes())
    part = StagedPart(path=str(path), rows=1, bytes=facts["bytes"], sha256=facts["sha256"])
    summary = BlockSummary(
        number=number,
        ledger=Ledger(read=1, kept=1),
        aside=None,
        part=part,
        fates=(),
        fingerprint=Fingerprint.empty(),
        labels={"a": 1},
        sources={"rows.csv": 1},
        tallies={},
        changed=(),
        counts=(),
        keys=None,
    )
    return pd.DataFrame({"summary": [summary]}, dtype=object)


class _Watch(threading.Thread):
    """The most memory and the CPU time of the scheduler and of this process, until stopped."""

    def __init__(self, scheduler: int) -> None:
        super().__init__(daemon=True)
        self.processes = {"scheduler": psutil.Process(scheduler), "driver": psutil.Process()}
        self.peak = dict.fromkeys(self.processes, 0)
        self.before = {name: _cpu_s(process) for name, process in self.processes.items()}
        self.ended = threading.Event()

    def run(self) -> None:
        """Nothing; looks until told to stop."""
        while not self.ended.wait(_LOOK_S):
            for name, process in self.processes.items():
                self.peak[name] = max(self.peak[name], process.memory_info().rss)

    def cpu_s(self, name: str) -> float:
        """CPU seconds since the start."""
        return _cpu_s(self.processes[name]) - self.before[name]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _watching(scheduler: int) -> Iterator[_Watch]:
    watch = _Watch(scheduler)
    watch.start()
    try:
        yield watch
    finally:
        watch.ended.set()
        watch.join()


def graph_cost(blocks: int, workers: int, folder: Path) -> GraphCost:
    """What so many blocks cost with so many workers, measured in `folder`."""
    (folder / "rows.csv").write_text("id,text,label\n1,a,a\n")
    job = _job(folder)
    store = Store.open(folder / "store", create=True)
    staging = store.staging("graph")
    table = pa.table({"id": ["1"], "text": ["a"], "label": ["a"]})
    for at in range(0, blocks, _MOST_LINKS):
        one = write_part(table, staging / f"one-{at // _MOST_LINKS}.parquet")
    (staging / "one.json").write_text(json.dumps({"bytes": one.bytes, "sha256": one.sha256}))
    plan = plan_source(job.source, folder, run_here, staging / "unpacked")
    work = BlockWork(
        schema=plan.schema, operations=(), checks=(), folder=str(staging), label=None, keys=None, waits=False
    )
    many = [Block(index=index, pieces=plan.blocks[0].pieces) for index in range(blocks)]
    provider = provider_of(ClusterConfig(workers=workers), Places(scratch=folder / "scratch", logs=folder / "logs"))
    with Session(provider) as session:
        scheduler, before = _processes(session)
        execute = ClientExecute(
            session, Silence(), 3600.0, 0, checkpoints=Checkpoints(staging / "done", folder, "graph")
        )
        with _watching(scheduler) as watch:
            began = time.perf_counter()
            tasks = staging_tasks(many, work, read=_nothing_read, stage=_linked)
            built = time.perf_counter()
            summaries = execute("clean", tasks)
            ran = time.perf_counter()
        cpu = {name: watch.cpu_s(name) for name in watch.peak}
        workers_cpu = sum(_cpu_s(psutil.Process(pid)) - spent for pid, spent in before.items())
    commit_s, reduce_s, reopen_s = _committed(store, summaries, table)
    return GraphCost(
        blocks=blocks,
        workers=workers,
        build_s=built - began,
        run_s=ran - built,
        driver_cpu_s=cpu["driver"],
        scheduler_cpu_s=cpu["scheduler"],
        workers_cpu_s=workers_cpu,
        driver_bytes=watch.peak["driver"],
        scheduler_bytes=watch.peak["scheduler"],
        reduce_s=reduce_s,
        commit_s=commit_s,
        reopen_s=reopen_s,
    )


def _job(folder: Path) -> JobConfig:
    return parse_job(
        {
            "name": "graph",
            "store": str(folder / "store"),
            "source": {"files": [str(folder / "rows.csv")]},
            "dataset": {"name": "rows"},
        }
    )


def _processes(session: Session) -> tuple[int, dict[int, float]]:
    """The scheduler's process, and each worker's with the CPU seconds that it has spent."""
    scheduler: int = session.client.run_on_scheduler(os.getpid)
    return scheduler, {pid: _cpu_s(psutil.Process(pid)) for pid in session.client.run(os.getpid).values()}


def _committed(store: Store, summaries: list[BlockSummary], table: pa.Table) -> tuple[float, float, float]:
    """Seconds of the commit, of adding up before it, and of finding its files afterwards."""
    began = time.perf_counter()
    ledger = Ledger()
    one, mark = fingerprint_of(table, table.column_names), Fingerprint.empty()
    for summary in summaries:
        ledger = ledger.merge(summary.ledger)
        mark = mark.merge(one)
    added = time.perf_counter()
    parts = tuple(summary.part for summary in summaries if summary.part is not None)
    request = CommitRequest(
        dataset="rows", mode=REPLACE, parts=parts, schema=table.schema, fingerprint=mark, run="graph"
    )
    version = store.commit(request)
    committed = time.perf_counter()
    snapshot = Store.open(store.uri).snapshot("rows")
    if not version.rows == len(snapshot.files) == ledger.kept == len(summaries):
        raise AssertionError(f"{version.rows} rows in {len(snapshot.files)} files of {len(summaries)} blocks")
    store.drop_staging("graph")
    return committed - added, added - began, time.perf_counter() - committed


def told(cost: GraphCost) -> str:
    """The cost in words."""
    each = 1e3 / cost.blocks
    return (
        f"{cost.blocks:,} blocks, {cost.workers} workers: graph {cost.build_s:.1f} s; run {cost.run_s:.1f} s, "
        f"{cost.run_s * each:.2f} ms a task (CPU: driver {cost.driver_cpu_s * each:.2f}, scheduler "
        f"{cost.scheduler_cpu_s * each:.2f}, workers {cost.workers_cpu_s * each:.2f}); driver "
        f"{cost.driver_bytes / 1e6:,.0f} MB, scheduler {cost.scheduler_bytes / 1e6:,.0f} MB; adding up "
        f"{cost.reduce_s:.2f} s; commit {cost.commit_s:.1f} s, {cost.commit_s * each:.2f} ms a file; opened again and "
        f"listed in {cost.reopen_s:.2f} s"
    )


def verdicts(costs: Sequence[GraphCost]) -> list[Verdict]:
    """Whether a graph was large enough."""
    most = float(max(cost.blocks for cost in costs))
    return [judged("blocks of a graph that was built, scheduled and committed", most, at_least=100_000, issue=7)]


def main() -> None:
    """Nothing; the figures are on stdout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write all figures here too")
    given = parser.parse_args()
    facts = begun("benchmarks.scaling.graph")
    found: list[dict[str, Any]] = []
    for blocks in given.blocks:
        with tempfile.TemporaryDirectory(prefix="textmill-graph-") as folder:
            cost = graph_cost(blocks, given.workers, Path(folder))
        found.append(asdict(cost))
        print(told(cost), flush=True)
        write_record(given.json, {**facts, "costs": found})


if __name__ == "__main__":
    main()
