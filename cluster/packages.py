"""Packages that not everyone has, and a job may ask for."""

from collections.abc import Iterator
from importlib.util import find_spec

from pipeline.config import JobConfig
from pipeline.errors import JobFileError, PackageMissingError


def require_packages(job: JobConfig) -> None:
    """Nothing where all is installed that the job asks for; found out before anything is read or submitted.

    Raises
    ------
    JobFileError
        Naming each setting for which a package is missing.
    """
    problems = tuple(_problems(job))
    if problems:
        raise JobFileError(problems, job.name)


def _problems(job: JobConfig) -> Iterator[str]:
    if find_spec("bokeh") is None:
        for name in ("performance_report", "dashboard"):
            if getattr(job.cluster, name):
                yield f"[cluster] {name}: it needs another package; pip install 'textmill[dashboard]'"
    if job.features is not None and job.features.is_segmented:
        # It loads what handles texts, which other jobs need later, while their workers come up.
        from pipeline.text.segmentation import require_segmenter

        try:
            require_segmenter(job.features)
        except PackageMissingError as error:
            yield str(error)
