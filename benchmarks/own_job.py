"""A job of the user's own as a suite: the same run again and again, whose result must be the same."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness.contender import OURS, Case, Contender, Setting, Suite
from benchmarks.placing import LOCAL, place_of, seen
from cluster.driver import run_job
from pipeline.config import JobConfig, load_job
from pipeline.ingest.reading.files.listing import list_files


def suite_of(path: Path, overrides: Sequence[str] = (), *, allow_code: bool = False) -> Suite:
    """The suite that runs the job in a file, each time into a store of its own.

    Parameters
    ----------
    path
        The job file.
    overrides
        Settings to change, as in `pipeline.config.load_job`.
    allow_code
        Whether the job may run functions that it names.

    Raises
    ------
    JobFileError
        If the job is wrong; found before anything is measured.
    """
    job = load_job(path, overrides)

    def cases(setting: Setting) -> list[Case]:
        if setting.profile == LOCAL:
            # As the job says itself; its file knows the profile, wherever this is called.
            setting = replace(setting, profile=job.cluster.profile)
        arguments = {
            "path": str(path.absolute()),
            "overrides": list(overrides),
            "allow_code": allow_code,
            "here": str(Path.cwd()),
            **place_of(setting, None, path.absolute().parent),
        }
        ours = Contender(
            name=OURS, run="benchmarks.own_job:run", check="benchmarks.own_job:outputs", arguments=arguments
        )
        work = {"bytes": float(_size(job))}
        return [Case(name=job.name, contenders=[ours], equal=("fingerprint", "sha256", "read", "kept"), work=work)]

    return Suite(
        name="job",
        claim=f"What {path.name} takes; every run gives the same rows and the same model.",
        cases=cases,
        runs_jobs=True,
    )


def _size(job: JobConfig) -> int:
    """Bytes of the local files that the job reads."""
    found = list_files(job.source.files, Path(job.source.root or "."))
    return sum(Path(file.path).stat().st_size for file in found if "://" not in file.path)


def run(
    path: str, overrides: list[str], place: dict[str, Any], allow_code: bool, here: str, scratch: str, **_: Any
) -> dict[str, float]:
    """Seconds of each stage; the job's result is kept beside its store for `outputs`."""
    job = load_job(path, overrides, here=Path(here))
    cluster = job.cluster.model_copy(update={"profile": seen(place)})
    job = job.model_copy(update={"store": str(Path(scratch) / "store"), "cluster": cluster})
    began = time.perf_counter()
    result = run_job(job, workers=place["workers"], allow_code=allow_code)
    seconds = time.perf_counter() - began
    _KEPT[scratch] = {
        "fingerprint": result.dataset.fingerprint if result.dataset else "",
        "sha256": result.model.sha256 if result.model else "",
        "read": result.ledger.read,
        "kept": result.ledger.kept,
    }
    stages = {f"{stage} s": value for stage, value in result.seconds.items() if stage != "total"}
    return {"seconds": seconds, "rows": result.ledger.read, **stages}


_KEPT: dict[str, dict[str, Any]] = {}


def outputs(scratch: str, **_: Any) -> dict[str, Any]:
    """What every run must agree in."""
    return _KEPT[scratch]
