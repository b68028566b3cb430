"""What a worker is and what tasks of most runs need, loaded by being imported: before workers are forked."""

import gc

from storage.loading import loading

with loading():
    import pipeline.ingest.partition
    import pipeline.ingest.reading.plan  # noqa: F401 - to be there
    from storage.compiled import load_compiler

    load_compiler()
# A fork that looks for garbage in it would copy the memory that all forks share.
gc.freeze()
