"""Where profiles come from: a file that the environment names, the project's, the user's, the machine's.

All four are read, and a name that stands in several is taken from the first of them as a whole, so that nobody has to
merge tables in his head. ``local`` is always there.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cluster.errors import ProfileError
from cluster.profiles.settings import KINDS, LOCAL, AnyProfile
from pipeline.config import expand_variables, read_tables
from pipeline.errors import JobFileError
from pipeline.problems import explain, unknown

#: Names a file with profiles; it goes before all others.
CONFIG_VARIABLE = "TEXTMILL_CONFIG"
PROJECT_FILE = "textmill.toml"
_MACHINE_FILE = Path("/etc/textmill/textmill.toml")
#: Paths in profiles that belong to the folder of their file.
_PATHS = ("tls", "scratch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A profile with its name.

    Attributes
    ----------
    name
        What people call it.
    profile
        Its settings; `${NAME}` in them stand as they are.
    origin
        The file it comes from; "built in" for ``local``.
    """

    name: str
    profile: AnyProfile
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """All profiles that can be seen from one place.

    Attributes
    ----------
    named
        Name -> profile.
    files
        The files that were read, the most important first.
    environment
        Where variables in them come from.
    """

    named: Mapping[str, Named]
    files: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def seen_from(cls, folder: Path, environment: Mapping[str, str] = os.environ) -> "Profiles":
        """The profiles for a job whose file lies in `folder`.

        Raises
        ------
        JobFileError
            With every problem in all files.
        """
        named: dict[str, Named] = {}
        problems: list[str] = []
        files = tuple(dict.fromkeys(config_files(folder, environment)))
        for file in files:
            try:
                for name, profile in read_profiles(file, environment).items():
                    named.setdefault(name, Named(name=name, profile=profile, origin=str(file)))
            except JobFileError as error:
                problems += [f"{file}: {problem}" for problem in error.problems]
        if problems:
            raise JobFileError(tuple(problems), "cluster profiles")
        named.setdefault("local", Named(name="local", profile=LOCAL, origin="built in"))
        return cls(named=dict(sorted(named.items())), files=files, environment=environment)

    def find(self, name: str) -> Named:
        """The profile `name`.

        Raises
        ------
        ProfileError
            If there is none.
        JobFileError
            If a variable that it needs is not set.
        """
        if name in self.named:
            missing: list[str] = []
            expand_variables(self.named[name].profile.model_dump(), self.environment, missing)
            if missing:
                raise JobFileError(tuple(missing), f"cluster profile {name}")
            return self.named[name]
        raise ProfileError(
            name,
            f"{unknown('known profile', name, self.named)} Add a [clusters.{name}] table to {PROJECT_FILE} beside the "
            f"job, or to {user_file(os.environ)}.",
        )


def config_files(folder: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """The files with profiles that exist, the most important first.

    Raises
    ------
    ProfileError
        If the environment names one that does not.
    """
    named = environment.get(CONFIG_VARIABLE)
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise ProfileError("", f"${CONFIG_VARIABLE} names {path}, and there is no such file")
        yield path
    # The nearest one above the job alone: two projects inside each other are two projects.
    above = [folder, *folder.parents]
    yield from [at / PROJECT_FILE for at in above if (at / PROJECT_FILE).is_file()][:1]
    yield from (path for path in (user_file(environment), _MACHINE_FILE) if path.is_file())


def user_file(environment: Mapping[str, str]) -> Path:
    """The user's own file, whether it exists or not."""
    return user_folder(environment) / PROJECT_FILE


def user_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the user's own settings and keys."""
    home = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME") or Path.home()) / ".config"
    return Path(home) / "textmill"


def read_profiles(file: Path, environment: Mapping[str, str]) -> dict[str, AnyProfile]:
    """The profiles in one file, by name.

    Raises
    ------
    JobFileError
        With every problem found.
    """
    tables = read_tables(file)
    problems = [f"top level: {unknown('known table', key, ['clusters'])}" for key in tables if key != "clusters"]
    clusters = tables.get("clusters", {})
    if not isinstance(clusters, dict):
        raise JobFileError((*problems, "clusters: write one [clusters.NAME] table for each profile"), str(file))
    read = {}
    for name, table in clusters.items():
        profile = _profile(f"clusters.{name}", table, file, environment, problems)
        if profile is not None:
            read[name] = profile
    if problems:
        raise JobFileError(tuple(problems), str(file))
    return read


def _profile(
    place: str, table: Any, file: Path, environment: Mapping[str, str], problems: list[str]
) -> AnyProfile | None:
    """The profile in one table; None where there is none, and `problems` say why."""
    if not isinstance(table, dict):
        problems.append(f"{place}: {table!r} is not a table; write [{place}] and its keys below it")
        return None
    kind = table.get("kind")
    if kind not in KINDS:
        told = unknown("kind of cluster", str(kind), KINDS) if "kind" in table else "this key is required and missing"
        problems.append(f"{place}.kind: {told}")
        return None
    # What is not set yet is asked for when the profile is used; values for the workers are left to who drives the job.
    expanded = {
        key: value if key == "environment" else expand_variables(value, environment, []) for key, value in table.items()
    }
    anchored = {
        key: _anchored(value, file) if key in _PATHS and isinstance(value, str) else value
        for key, value in expanded.items()
    }
    try:
        return KINDS[kind].model_validate(anchored)
    except ValidationError as error:
        for problem in explain(error, KINDS[kind]):
            where, _, told = problem.partition(": ")
            problems.append(f"{place}: {told}" if where in ("top level", "job") else f"{place}.{problem}")
        return None


def _anchored(path: str, file: Path) -> str:
    return path if path.startswith("${") else str(file.resolve().parent / Path(path).expanduser())
