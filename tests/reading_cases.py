"""How reading tests read: a whole source at once, in this process, with what became of its rows."""

import pickle
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.execute import run_here
from pipeline.frame import frame_schema
from pipeline.ingest.reading.plan import SourcePlan, plan_source
from pipeline.ingest.reading.read import read_block
from pipeline.ingest.reading.source_config import SourceConfig

SHARED = Path(__file__).parents[2] / "shared"
TROUBLE = SHARED / "trouble"
DATA = SHARED / "data"
needs_trouble = pytest.mark.skipif(not TROUBLE.is_dir(), reason=f"the trouble inputs are not at {TROUBLE}")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real corpora are not at {DATA}")


@dataclass(frozen=True)
class WholeSource:
    """A plan and all of its rows."""

    plan: SourcePlan
    table: pa.Table

    @property
    def kept(self) -> pa.Table:
        return self.table.filter(pc.is_null(self.table["_fate"]))

    @property
    def lost(self) -> pa.Table:
        return self.table.filter(pc.is_valid(self.table["_fate"]))

    @property
    def rejected(self) -> dict[str, int]:
        return dict(Counter(self.lost["_reason"].to_pylist()))


def read_all(files: Any, root: Path, scratch: Path, **settings: Any) -> WholeSource:
    """Everything that `files` hold, planned and read block by block, as one contiguous table."""
    plan = plan_source(SourceConfig(files=files, **settings), root, run_here, scratch / "scratch")
    schema = frame_schema(plan.schema)
    # A worker gets each block pickled, and has nothing else.
    tables = [read_block(pickle.loads(pickle.dumps(block))) for block in plan.blocks]
    for table in tables:
        assert table.schema == schema
        table.validate(full=True)
    table = pa.concat_tables(tables).unify_dictionaries() if tables else schema.empty_table()
    return WholeSource(plan=plan, table=table.combine_chunks())
