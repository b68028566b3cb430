"""Real runs whose stages are timed: what the model is fitted to, and what it has to foretell."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.generate import write_csv
from benchmarks.harness.contender import OURS, Case, Contender, Setting
from benchmarks.placing import place_of, seen
from cluster.driver import run_job
from pipeline.config import parse_job


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A run: how much input, in blocks of which size, on how many workers."""

    size_bytes: int
    block_bytes: int
    workers: int

    @property
    def name(self) -> str:
        """The shape in words."""
        return f"{self.size_bytes / 1e6:g} MB in blocks of {self.block_bytes / 1e6:g} MB, {self.workers} workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A run that was made.

    Attributes
    ----------
    blocks
        Bytes of each block.
    stages
        Seconds by stage, in order, as far as they have a task a block.
    rest_s
        All other seconds: the start, stages whose tasks do not rise with blocks, the commit.
    commit_s
        The commit among them.
    """

    shape: Shape
    blocks: tuple[int, ...]
    stages: Mapping[str, float]
    rest_s: float
    commit_s: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return sum(self.stages.values()) + self.rest_s


#: Stages with a task for each block, and what share of its bytes each reads from the storage: the input twice, to find
#: where records begin and to parse them, then the rows that were set aside, compressed to about so much.
BLOCK_STAGES = {"scan": 1.0, "clean": 1.0, "settle": 0.4}


class _Stages:
    """A listener that remembers each stage's tasks and seconds."""

    def __init__(self) -> None:
        self.tasks: dict[str, int] = {}
        self.sizes: dict[str, int] = {}
        self.seconds: dict[str, float] = {}

    def stage_started(self, stage: str, tasks: int, total_bytes: int | None) -> None:
        self.tasks[stage] = self.tasks.get(stage, 0) + tasks
        self.sizes[stage] = self.sizes.get(stage, 0) + (total_bytes or 0)

    def stage_finished(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def task_done(self, stage: str, done: int, tasks: int, done_bytes: int, rows: int) -> None:
        """Nothing; single tasks are not timed."""

    def note(self, text: str) -> None:
        """Nothing; notes are for people."""


def run(files: list[str], block: int, place: dict[str, Any], scratch: str, **_: Any) -> dict[str, Any]:
    """A run with cleaning, exact deduplication and a commit; its stages' seconds and tasks."""
    job = {
        "name": "scaling",
        "store": str(Path(scratch) / "store"),
        "source": {"files": files, "block": block},
        "clean": [{"op": "normalize_unicode"}, {"op": "collapse_whitespace"}, {"op": "trim"}],
        "dedupe": {"exact": ["text"]},
        "dataset": {"name": "rows"},
        "cluster": {"profile": seen(place), "workers": place["workers"]},
    }
    listener = _Stages()
    began = time.perf_counter()
    result = run_job(parse_job(job), listener=listener)
    seconds = time.perf_counter() - began
    _KEPT[scratch] = {"fingerprint": result.dataset.fingerprint if result.dataset else "", "read": result.ledger.read}
    found = {f"stage {name}": value for name, value in listener.seconds.items()}
    return {"seconds": seconds, "blocks": listener.tasks.get("clean", 0), **found}


_KEPT: dict[str, dict[str, Any]] = {}


def outputs(scratch: str, **_: Any) -> dict[str, Any]:
    """The version's fingerprint and how many records were read."""
    return _KEPT[scratch]


def case_of(shape: Shape, setting: Setting) -> Case:
    """The run of that shape as a case with one contender, whose input lies in the setting's folder afterwards."""
    folder = setting.scratch / f"in-{shape.size_bytes}"
    files = sorted(folder.glob("*.csv")) or write_csv(folder, shape.size_bytes, files=2, seed=setting.seed)
    place = place_of(replace(setting, workers=shape.workers), shape.workers)
    ours = Contender(
        name=OURS,
        run="benchmarks.scaling.runs:run",
        check="benchmarks.scaling.runs:outputs",
        arguments={"files": list(map(str, files)), "block": shape.block_bytes, **place},
    )
    work = {"bytes": float(sum(path.stat().st_size for path in files))}
    return Case(name=shape.name, contenders=[ours], equal=("fingerprint", "read"), work=work, limit_s=1800)


def timed_of(shape: Shape, size_bytes: float, measures: Mapping[str, float], seconds: float) -> Timed:
    """What a run measured, as the model sees it."""
    count = int(measures["blocks"])
    stages = {name: float(measures[f"stage {name}"]) for name in BLOCK_STAGES if f"stage {name}" in measures}
    return Timed(
        shape=shape,
        blocks=(int(size_bytes) // count,) * count,
        stages=stages,
        rest_s=seconds - sum(stages.values()),
        commit_s=0.0,
    )


def grid(sizes: Sequence[int], blocks: Sequence[int], workers: Sequence[int]) -> list[Shape]:
    """All shapes of these."""
    return [
        Shape(size_bytes=size, block_bytes=block, workers=count)
        for size in sizes
        for block in blocks
        for count in workers
    ]
