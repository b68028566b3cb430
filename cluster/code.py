"""Code that a job file names: whether it may run, and where it is found."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.config import JobConfig
from pipeline.errors import JobFileError
from pipeline.ingest.operations.custom import Python


def require_allowed(job: JobConfig, *, allow_code: bool) -> None:
    """Nothing where the job names no code, or code is allowed; asked before anything is read or submitted.

    Raises
    ------
    JobFileError
        Naming each function.
    """
    problems = tuple(
        f'[[clean]] {number} (python): function "{operation.function}" is code, and code is not allowed in this run; '
        "allow it with --allow-code, or TEXTMILL_ALLOW_CODE=1, if you trust the job file"
        for number, operation in enumerate(job.clean, start=1)
        if isinstance(operation, Python)
    )
    if problems and not allow_code:
        raise JobFileError(problems, job.name)


@contextmanager
def importable(job: JobConfig, *, allow_code: bool) -> Iterator[None]:
    """A block in which this process, and those that it starts, find modules that lie beside the job file.

    Installed modules of the same name come first, so that a file there cannot take the place of a library.
    """
    if not (allow_code and any(isinstance(operation, Python) for operation in job.clean)):
        yield
        return
    folder, before = str(Path(job.source.root or ".").absolute()), os.environ.get("PYTHONPATH")
    sys.path.append(folder)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [before, folder]))
    try:
        yield
    finally:
        sys.path.remove(folder)
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
