"""The blocks of a plan as partitions of one Dask DataFrame, each cleaned, checked and staged."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd

from pipeline import frame
from pipeline.config import JobConfig
from pipeline.errors import TaskDiedError
from pipeline.execute import Execute
from pipeline.ingest.crashes import CRASHED, known_crashes
from pipeline.ingest.examination import examine_block
from pipeline.ingest.partition import numbered, read_partition, summary_in
from pipeline.ingest.reading.plan import SourcePlan
from pipeline.ingest.reading.source_plan import Block
from pipeline.ingest.stage_block import BlockSummary, BlockWork, KeySpec, stage_partition
from pipeline.ingest.steps import Steps, label_of, text_of


def clean_blocks(
    job: JobConfig, plan: SourcePlan, steps: Steps, staging: Path, execute: Execute, note: Callable[[str], None]
) -> list[BlockSummary]:
    """The summaries of all blocks, read, cleaned, checked and staged.

    Records that kill the process that works on them are looked for, rejected, and told to `note`.

    Raises
    ------
    TaskDiedError
        If processes die, and not over single records.
    """
    if not plan.blocks:
        return []
    first = steps.passes[0] if steps.passes else None
    work = BlockWork(
        schema=plan.schema,
        operations=steps.operations,
        checks=job.check,
        folder=str(staging),
        text=text_of(job),
        label=label_of(job),
        keys=first if isinstance(first, KeySpec) else None,
        waits=bool(steps.passes)
        or job.activity is not None
        or (job.dedupe is not None and job.dedupe.near is not None),
    )
    summaries = staging_tasks(plan.blocks, work)
    while True:
        try:
            return execute("clean", summaries, sizes=[block.size_bytes for block in plan.blocks])
        except TaskDiedError as error:
            if not _found_crashes([plan.blocks[task] for task in error.tasks], work, error.memory_bytes, execute, note):
                raise


def staging_tasks(
    blocks: Sequence[Block],
    work: BlockWork,
    *,
    read: Callable[[Block], pd.DataFrame] | None = None,
    stage: Callable[[pd.DataFrame, pd.DataFrame, BlockWork], pd.DataFrame] = stage_partition,
) -> list[Any]:
    """Delayed `BlockSummary` objects, one a block: partitions of a Dask DataFrame, each staged where it was read.

    Parameters
    ----------
    blocks
        What to read.
    work
        What to do with it.
    read, stage
        Instead of reading and of staging, for measuring what a graph of this shape costs.
    """
    meta = frame.to_pandas(frame.frame_schema(work.schema).empty_table())
    # Dask would turn Arrow columns into strings of its own otherwise.
    with dask.config.set({"dataframe.convert-string": False}):
        rows = dd.from_map(read or read_partition, list(blocks), meta=meta, enforce_metadata=False)
        numbers = dd.from_map(numbered, range(len(blocks)), meta=numbered(0), enforce_metadata=False)
        staged = rows.map_partitions(
            stage,
            numbers,
            work,
            meta=pd.DataFrame({"summary": []}, dtype=object),
            align_dataframes=False,
            enforce_metadata=False,
        )
        tasks = staged.to_delayed()
    summarise = dask.delayed(summary_in)
    return [summarise(task) for task in tasks]


def _found_crashes(
    blocks: Sequence[Block], work: BlockWork, memory_bytes: int, execute: Execute, note: Callable[[str], None]
) -> bool:
    """Whether there are records in these blocks that kill their process, which nobody knew of."""
    known = known_crashes(Path(work.folder))
    tasks = [dask.delayed(examine_block)(block, work, memory_bytes) for block in blocks]
    answers = execute("examine", tasks) if tasks else []
    # What was known before has not helped.
    crashes = [crash for found in answers for crash in found if crash not in known]
    for crash in crashes:
        note(f"the record of {crash} kills the process that cleans it; it is rejected as {CRASHED}")
    return bool(crashes)
