"""What a run's tasks depend on besides themselves: the input as it lies there, code named in the job, our version."""

import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import orjson

from pipeline.config import JobConfig
from pipeline.ingest.reading.files.listing import list_files
from pipeline.ingest.reading.files.remote import is_uri, state_of


def inputs_digest(job: JobConfig) -> str:
    """Hex digits that change when an input file does, by its size or time, or code that the job calls.

    Raises
    ------
    SourceNotFoundError
        If a pattern means no file.
    """
    root = Path(job.source.root or ".")
    files = [
        [found.name, found.path, *_state(found.path)]
        for found in list_files([*job.source.files, *_referenced(job)], root, job.source.storage_options)
    ]
    facts = {"textmill": version("textmill"), "files": files, "code": list(_code(job))}
    return hashlib.sha256(orjson.dumps(facts)).hexdigest()


def work_digest(job: JobConfig, inputs: str) -> str:
    """Hex digits that change when what is to be done does: not with where it is done, nor with the size of blocks."""
    facts = job.model_dump(mode="json", exclude={"cluster": True, "store": True, "source": {"block"}})
    return hashlib.sha256(inputs.encode() + orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _referenced(job: JobConfig) -> list[str]:
    """The files that checks look into."""
    return [rule.references.file for rule in job.check if rule.references is not None and rule.references.file]


def _state(path: str) -> tuple[int | str, ...]:
    if is_uri(path):
        return state_of(path)
    try:
        found = Path(path).stat()
    except OSError:
        # Not on this machine: its tasks look at it themselves.
        return (0, 0)
    return (found.st_size, found.st_mtime_ns)


def _code(job: JobConfig) -> Iterator[str]:
    """Digests of the modules whose functions the job calls, and of the files that its operations read."""
    for operation in job.clean:
        function = getattr(operation, "function", None)
        spec = find_spec(function.partition(":")[0]) if function else None
        for path in (spec.origin if spec else None, getattr(operation, "file", None)):
            if path and Path(path).is_file():
                yield hashlib.sha256(Path(path).read_bytes()).hexdigest()
