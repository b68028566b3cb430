"""The job file: one TOML text that says all, checked as a whole before anything is read or written."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from pipeline.errors import JobFileError
from pipeline.ingest.activity_config import ActivityConfig
from pipeline.ingest.checks import CheckRule
from pipeline.ingest.dedupe_config import DedupeConfig
from pipeline.ingest.drift_config import DriftConfig
from pipeline.ingest.operations import CleanOperation
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.problems import explain
from pipeline.search_config import SearchConfig
from pipeline.settings import Settings, Size
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"


class DatasetConfig(Settings):
    """Where the clean rows go: one new version of one dataset."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")
    """Letters, digits and underscores, starting with a letter, so that SQL needs no quotes around it."""
    mode: Literal["replace", "append"] = "replace"
    """`replace` makes a version of these rows alone; `append` adds them to the newest version's rows."""
    message: str = ""
    """A line about this version for whoever reads its history."""


class ClusterConfig(Settings):
    """Where the work runs. The result is the same everywhere."""

    profile: str = "local"
    """`local`: this machine's cores."""
    workers: int | None = Field(default=None, ge=1)
    """Workers; as many as the machine has cores where not given."""
    threads: int = Field(default=1, ge=1)
    """Threads of each worker."""
    processes: bool = True
    """Whether each worker is a process of its own; `false` runs all workers as threads of one process."""
    memory: Size | None = None
    """Memory a worker may use, as in "2GB"; its share of the machine's memory where not given."""
    task_timeout_s: float = Field(default=3600.0, gt=0)
    """Seconds a stage may go without finishing a single task before the run fails instead of waiting for ever."""
    dashboard: bool = False
    """Whether Dask shows its dashboard, on the loopback address alone; `textmill status` has the link. Needs
    `pip install 'textmill[dashboard]'`."""
    performance_report: bool = False
    """Whether Dask's report of what each worker did when is saved as `performance.html` in the job's folder. Needs
    `pip install 'textmill[dashboard]'`."""


class JobConfig(Settings):
    """A whole job: from input files to a version, and to a model where `[train]` is given."""

    name: str = Field(pattern=_NAME)
    """The job's name: letters, digits, dot, dash, underscore."""
    store: str = "store"
    """The store: a directory, relative to the job file, or a prefix in a bucket such as ``s3://corpora/store``."""
    source: SourceConfig
    """The input."""
    clean: tuple[CleanOperation, ...] = ()
    """Cleaning operations, in order."""
    check: tuple[CheckRule, ...] = ()
    """Rules for the cleaned rows; a row that breaks one is rejected with the rule's name."""
    dedupe: DedupeConfig | None = None
    """Which rows repeat others."""
    activity: ActivityConfig | None = None
    """Limits on the events of users and items, for logs of behaviour."""
    dataset: DatasetConfig
    """The dataset to write."""
    drift: DriftConfig | None = None
    """How far its rows may move from those of an earlier version."""
    features: FeatureConfig | None = None
    """From text to numbers; the defaults where not given."""
    train: TrainConfig | None = None
    """The model; without this table the job ends with the dataset."""
    search: SearchConfig | None = None
    """Settings that `textmill search` tries; a run does not look at them."""
    cluster: ClusterConfig = ClusterConfig()
    """Where the work runs."""

    @model_validator(mode="after")
    def _features_need_train(self) -> "JobConfig":
        if self.features is not None and self.train is None:
            raise ValueError("[features] is given but [train] is not; add a [train] table or leave [features] out")
        return self


def expand_variables(value: Any, environment: Mapping[str, str], problems: list[str]) -> Any:
    """`value` with each ``${NAME}`` in its texts and keys replaced; unknown names are added to `problems`."""
    if isinstance(value, dict):
        return {
            expand_variables(key, environment, problems): expand_variables(item, environment, problems)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [expand_variables(item, environment, problems) for item in value]
    if not isinstance(value, str):
        return value
    problems.extend(
        f"${{{name}}}: this environment variable is not set; set it, or write the value itself"
        for name in _VARIABLE.findall(value)
        if name not in environment
    )
    return _VARIABLE.sub(lambda match: environment.get(match[1], match[0]), value)


def apply_override(tables: dict[str, Any], override: str) -> None:
    """`tables` changed as one ``a.b=c`` says, `c` read as a TOML value and as plain text where it is none.

    Raises
    ------
    ValueError
        If `override` has no ``=``, or a part of its key is not a table.
    """
    key, separator, text = override.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not separator or not all(parts):
        raise ValueError(f"--set {override}: write it as key=value, as in --set cluster.workers=2")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    at = tables
    for part in parts[:-1]:
        at = at.setdefault(part, {})
        if not isinstance(at, dict):
            raise ValueError(  # noqa: TRY004 - the person's text is wrong, not a type in the code
                f"--set {override}: {part} is not a table, so nothing can be set inside it"
            )
    at[parts[-1]] = value


def read_tables(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises
    ------
    JobFileError
        If the file is missing, unreadable or not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise JobFileError(
            ("there is no such file; check the path, or run `textmill demo` for one to start from",), str(path)
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise JobFileError((f"the file cannot be read as UTF-8 text: {error}",), str(path)) from error
    return parse_tables(text, path)


def parse_tables(text: str, path: Path) -> dict[str, Any]:
    """The tables in a TOML text that came from `path`.

    Raises
    ------
    JobFileError
        If it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise JobFileError((f"not valid TOML: {error}{_quotes_missing(text, str(error))}",), str(path)) from error


def _quotes_missing(text: str, error: str) -> str:
    """What to do about a name or value that needs quotes in TOML, such as one in Chinese; "" for other errors."""
    place = re.search(r"at line (\d+), column (\d+)", error)
    rest = text.splitlines()[int(place[1]) - 1][int(place[2]) - 1 :] if place else ""
    word = re.match(r"\w+", rest)
    if word is None or word[0].isascii():
        return ""
    return f'; names and texts with other letters than A to Z need quotes: "{word[0]}"'


def parse_job(tables: dict[str, Any], origin: str = "job") -> JobConfig:
    """The job that `tables` describe.

    Raises
    ------
    JobFileError
        With every problem found, not just the first.
    """
    problems: list[str] = []
    expanded = expand_variables(tables, os.environ, problems)
    source = tables.get("source")
    if isinstance(source, dict) and isinstance(source.get("storage_options"), dict):
        # Filled in where files are opened, so that no secret is part of the job.
        expanded["source"]["storage_options"] = source["storage_options"]
    try:
        job = JobConfig.model_validate(expanded)
    except ValidationError as error:
        raise JobFileError((*problems, *explain(error, JobConfig)), origin) from error
    if problems:
        raise JobFileError(tuple(problems), origin)
    return job


def load_job(
    path: str | Path, overrides: Sequence[str] = (), *, text: str | None = None, here: Path | None = None
) -> JobConfig:
    """The job in a file, with relative paths resolved against the file's folder.

    Parameters
    ----------
    path
        A TOML file.
    overrides
        Texts like ``"cluster.workers=2"``, applied in order over the file. Paths in them are relative to the
        current directory, as a person at a terminal means them.
    text
        What the file held when it was read, instead of reading it now.
    here
        Another folder than the current directory for paths in overrides.

    Raises
    ------
    JobFileError
        With every problem found, not just the first.
    """
    path = Path(path)
    tables = read_tables(path) if text is None else parse_tables(text, path)
    folder = path.resolve().parent
    _anchor_paths(tables, folder)
    problems = []
    for override in overrides:
        try:
            apply_override(tables, override)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise JobFileError(tuple(problems), str(path))
    _anchor_paths(tables, here or Path.cwd())
    return parse_job(tables, str(path))


def _anchor_paths(tables: dict[str, Any], folder: Path) -> None:
    tables["store"] = anchor(tables.get("store", "store"), folder)
    source = tables.get("source")
    if isinstance(source, dict):
        source["root"] = anchor(source.get("root", "."), folder)
    if isinstance(source, dict) and "files" in source:
        files = source["files"]
        source["files"] = [anchor(file, folder) for file in files] if isinstance(files, list) else anchor(files, folder)
    operations = tables.get("clean")
    for operation in operations if isinstance(operations, list) else ():
        if isinstance(operation, dict) and "file" in operation:
            operation["file"] = anchor(operation["file"], folder)
    checks = tables.get("check")
    for check in checks if isinstance(checks, list) else ():
        references = check.get("references") if isinstance(check, dict) else None
        if isinstance(references, dict) and "file" in references:
            references["file"] = anchor(references["file"], folder)


def anchor(path: Any, folder: Path) -> Any:
    """`path` made absolute against `folder`; URIs, absolute and home paths, variables and non-texts stay."""
    if not isinstance(path, str) or not path or "://" in path or path.startswith(("/", "~", "${")):
        return path
    return str(folder / path)
