"""Where the jobs of a suite run: a cluster profile, with the file that it stands in, and how many workers."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.contender import Setting
from cluster.profiles.sources import CONFIG_VARIABLE, Profiles

LOCAL = "local"
_BUILT_IN = "built in"


def place_of(setting: Setting, workers: int | None, folder: Path | None = None) -> dict[str, Any]:
    """What a contender that runs a job is told: so many workers here, and what the profile says elsewhere.

    Parameters
    ----------
    setting
        Names the profile and, where it is asked for, another number of workers.
    workers
        None leaves them to the job.
    folder
        From where the profile is seen; the current directory where not given.

    Raises
    ------
    ProfileError, JobFileError
        If there is no such profile, or it is wrong.
    """
    found = Profiles.seen_from(folder or Path.cwd()).find(setting.profile)
    count = setting.workers or (workers if setting.profile == LOCAL else None)
    file = "" if found.origin == _BUILT_IN else found.origin
    return {"place": {"profile": setting.profile, "profile_file": file, "workers": count}}


def seen(place: Mapping[str, Any]) -> str:
    """The profile's name; this process and those that it starts see its file from anywhere."""
    if place["profile_file"]:
        os.environ[CONFIG_VARIABLE] = place["profile_file"]
    return str(place["profile"])


def words_of(place: Mapping[str, Any]) -> list[str]:
    """Options for a command that runs a job there and is started by this process."""
    seen(place)
    words = [] if place["profile"] == LOCAL else ["--profile", place["profile"]]
    return words if place["workers"] is None else [*words, "--workers", str(place["workers"])]
