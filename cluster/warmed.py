"""What tasks of most runs need, loaded by being imported: before workers are forked, so that each has it."""

import pipeline.ingest.partition
import pipeline.ingest.reading.plan  # noqa: F401 - to be there
from storage.compiled import load_compiler

load_compiler()
