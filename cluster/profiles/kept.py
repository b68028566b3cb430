"""The profile that a job was handed in with, kept with it, for whoever drives it wherever that is."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from cluster.errors import ProfileError
from cluster.profiles.settings import KINDS, LOCAL, AnyProfile
from cluster.profiles.sources import Named, Profiles
from cluster.submission import Submission
from pipeline.config import ClusterConfig, JobConfig, expand_variables
from pipeline.errors import JobFileError
from storage.files import write_atomic

_FILE = "profile.json"
#: What a job may say itself; the profile is asked where it does not.
_SIZES = ("workers", "threads", "memory", "processes")


def profile_for(job: JobConfig, submission: Submission | None) -> Named:
    """The profile that a job names, as it is seen from the job's file.

    Raises
    ------
    ProfileError, JobFileError
        If there is none, or it is wrong.
    """
    folder = Path(submission.origin).parent if submission is not None else Path.cwd()
    return Profiles.seen_from(folder).find(job.cluster.profile)


def keep_profile(folder: Path, named: Named) -> None:
    """Nothing; the profile lies in the job's folder. Variables for the workers stand in it as they were written."""
    facts = {"name": named.name, "origin": named.origin, "profile": named.profile.model_dump(mode="json")}
    write_atomic(folder / _FILE, json.dumps(facts, ensure_ascii=False, indent=1).encode())


def kept_profile(folder: Path) -> Named:
    """The profile in a job's folder; ``local`` where there is none."""
    try:
        facts = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Named(name="local", profile=LOCAL, origin="built in")
    profile = KINDS[facts["profile"]["kind"]].model_validate(facts["profile"])
    return Named(name=facts["name"], profile=profile, origin=facts["origin"])


def worker_environment(named: Named, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that a profile gives its workers, with their values.

    Raises
    ------
    ProfileError
        If one that they are made of is not set.
    """
    missing: list[str] = []
    found: dict[str, str] = expand_variables(dict(named.profile.environment), environment, missing)
    if missing:
        raise ProfileError(named.name, " ".join(missing))
    return found


def refreshed(folder: Path, submission: Submission) -> Named:
    """The profile for a job that is taken up again: as it is written today, else as it was."""
    try:
        named = profile_for(submission.job(), submission)
    except (ProfileError, JobFileError):
        return kept_profile(folder)
    keep_profile(folder, named)
    return named


def sized(config: ClusterConfig, profile: AnyProfile) -> ClusterConfig:
    """What a job says about its cluster, with the profile's word where it says nothing."""
    said = config.model_fields_set
    found = {key: getattr(profile, key, None) for key in _SIZES if key not in said}
    return config.model_copy(update={key: value for key, value in found.items() if value is not None})
