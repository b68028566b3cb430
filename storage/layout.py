"""Where everything lies in a store and how it is called: pure functions of names, nothing is touched.

::

    <store>/textmill.json                               the mark that makes a folder a store
    <store>/<dataset>/_delta_log/                       the Delta log
    <store>/<dataset>/<number>-<part>-<run>-<sha>.parquet
    <store>/<dataset>/_fates/<same form>.parquet        what became of the rows that were not kept
    <store>/<dataset>/_textmill/vacuumed.json           versions whose files were given up
    <store>/_locks/<dataset>.lock                       whose turn it is to write
    <store>/_system/<table>/                            Delta tables of runs, models and tags
    <store>/_models/<model>/                            one folder a model
    <store>/_jobs/<run>/                                a job's journal, claims and logs
    <store>/_staging/<run>/, _cache/                    work in progress; what may be thrown away
    <store>/store.duckdb                                views for any DuckDB client; may be thrown away

A store in a bucket has a work folder on disk beside it. Work in progress lies there, which needs renames, locks and
memory maps: ``_locks``, ``_jobs``, ``_staging`` and ``_cache``. A model in a bucket is there once
``_models/<model>.json`` lists its files. For a store on disk both are the same folder.

A file's name says its place in the row order (the version's number, then the part), whose it is (a digest of the run
id) and what it must hold (the first half of its SHA-256), so that a damaged file is found without any other record.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from storage.errors import DatasetNameError
from storage.places import Place

MARK = "textmill.json"
DELTA_LOG = "_delta_log"
FATES = "_fates"
OWN = "_textmill"
SYSTEM = "_system"
MODELS = "_models"
STAGING = "_staging"
JOBS = "_jobs"
LOCKS = "_locks"
CACHE = "_cache"
VIEWS = "store.duckdb"

_NAME = re.compile(r"[^\W\d_][\w-]{0,99}")
_ID = re.compile(r"\w[\w.@+-]{0,127}")
_PART = re.compile(r"(?P<number>\d{8})-(?P<part>\d{6})-(?P<run>[0-9a-f]{8})-(?P<sha>[0-9a-f]{32})\.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartName:
    """The facts in a stored file's name.

    Attributes
    ----------
    number
        The version that brought it.
    part
        Its place among the files of that version.
    run
        The run's digest, see `run_digest`.
    sha
        The first 32 hex digits of the SHA-256 of its bytes.
    """

    number: int
    part: int
    run: str
    sha: str

    def __str__(self) -> str:
        return f"{self.number:08d}-{self.part:06d}-{self.run}-{self.sha}.parquet"


def parse_part_name(name: str) -> PartName | None:
    """The facts in `name`, or None where the store did not give it."""
    match = _PART.fullmatch(name)
    if match is None:
        return None
    return PartName(number=int(match["number"]), part=int(match["part"]), run=match["run"], sha=match["sha"])


def run_digest(run: str) -> str:
    """Eight hex digits that stand for a run id in file names."""
    return hashlib.sha256(run.encode()).hexdigest()[:8]


def is_dataset_name(name: str) -> bool:
    """Whether it can be a dataset's name."""
    return _NAME.fullmatch(name) is not None


def require_dataset_name(name: str) -> str:
    """The name itself where it can be a dataset's.

    Raises
    ------
    DatasetNameError
        If it is not a letter followed by letters, digits, ``_`` and ``-``, at most 100.
    """
    if not is_dataset_name(name):
        raise DatasetNameError(
            repr(name),
            "not a dataset name",
            'Start with a letter and use letters, digits, "_" and "-" only, at most 100.',
        )
    return name


def require_id(text: str, what: str) -> str:
    """The text itself where it can name a run, model or tag.

    Raises
    ------
    DatasetNameError
        If it is empty, too long, or has a character that is not safe in a file name.
    """
    if _ID.fullmatch(text) is None:
        raise DatasetNameError(
            repr(text),
            f"not a {what}",
            'Use letters, digits, "_", "-", ".", "@" and "+", at most 128, starting with a letter or digit.',
        )
    return text


@dataclass(frozen=True, slots=True)
class DatasetLayout:
    """The paths of one dataset (or system table), whose locks lie in the folder `locks`."""

    folder: Place
    locks: Path

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.folder.name

    @property
    def log(self) -> Place:
        """The folder of the Delta log."""
        return self.folder / DELTA_LOG

    @property
    def fates(self) -> Place:
        """The folder of the fates files."""
        return self.folder / FATES

    @property
    def lock(self) -> Path:
        """The lock that writers take in turn; beside the dataset, so that taking it makes no dataset."""
        return self.locks / f"{self.name}.lock"

    @property
    def vacuumed(self) -> Place:
        """The list of versions whose files were given up."""
        return self.folder / OWN / "vacuumed.json"


@dataclass(frozen=True, slots=True)
class StoreLayout:
    """The paths of one store: of what lasts under `root`, of work in progress under `work`."""

    root: Place
    work: Path

    @property
    def mark(self) -> Place:
        """The file that makes a folder a store."""
        return self.root / MARK

    @property
    def views(self) -> Path:
        """The DuckDB file of views."""
        return self.work / VIEWS

    @property
    def models(self) -> Place:
        """The folder of the models' folders."""
        return self.root / MODELS

    def dataset(self, name: str) -> DatasetLayout:
        """The paths of the dataset `name`; raises `DatasetNameError` where that is no name."""
        return DatasetLayout(self.root / require_dataset_name(name), self.work / LOCKS)

    def system(self, table: str) -> DatasetLayout:
        """The paths of a system table: runs, models or tags."""
        return DatasetLayout(self.root / SYSTEM / table, self.work / SYSTEM / LOCKS)

    def model(self, model_id: str) -> Place:
        """The folder of a model."""
        return self.models / require_id(model_id, "model id")

    def staging(self, run: str) -> Path:
        """Where a run's workers write their files aside."""
        return self.stagings / require_id(run, "run id")

    @property
    def stagings(self) -> Path:
        """The folder of all that runs wrote aside."""
        return self.work / STAGING

    @property
    def jobs(self) -> Path:
        """The folder of the jobs' folders."""
        return self.work / JOBS

    def job(self, run: str) -> Path:
        """The folder of a job's journal, claims and logs."""
        return self.jobs / require_id(run, "job id")

    def cache(self, *parts: str) -> Path:
        """A place for what can be made again."""
        return self.work.joinpath(CACHE, *parts)
