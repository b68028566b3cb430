"""textmill in Python: the same work as on the command line, with typed results.

Everything here is at hand as ``textmill.NAME``.

Examples
--------
>>> import textmill
>>> corpus = textmill.write_corpus("demo", rows=10_000)  # doctest: +SKIP
>>> result = textmill.run(corpus.job)  # doctest: +SKIP
>>> result.ledger.kept, result.metrics["accuracy"]  # doctest: +SKIP
(8861, 0.92)
>>> store = textmill.open_store(result.store)  # doctest: +SKIP
>>> store.sql("SELECT label, count(*) FROM tickets GROUP BY label").read_all()  # doctest: +SKIP
>>> textmill.load_model(result.model.id, store).predict(["Where is my parcel?"])  # doctest: +SKIP
['inquiry']
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cluster.driver import run_job
from cluster.progress import ProgressListener
from cluster.result import RunResult
from pipeline.config import ClusterConfig, JobConfig, load_job, parse_job
from pipeline.errors import JobFileError
from pipeline.train.model import load_model as load_trained
from storage.store import Store
from textmill.demo.corpus import write_corpus
from textmill.model import Model
from textmill.profiling import profile_dataset
from textmill.report.page import write_page

__all__ = [
    "JobConfig",
    "JobFileError",
    "Model",
    "RunResult",
    "Store",
    "load_job",
    "load_model",
    "open_store",
    "profile",
    "run",
    "write_corpus",
    "write_report",
]


def run(
    job: str | Path | Mapping[str, Any] | JobConfig,
    *,
    overrides: Sequence[str] = (),
    store: str | Path | None = None,
    workers: int | None = None,
    listener: ProgressListener | None = None,
    allow_code: bool = False,
) -> RunResult:
    """The result of running a job here, to its end.

    Parameters
    ----------
    job
        A job file, its tables as nested dicts, or a job that is loaded already. Relative paths start at the file's
        folder; in dicts, at the current directory.
    overrides
        Texts like ``"train.epochs=3"`` that change settings of a job file.
    store
        A store other than the job's.
    workers
        How many workers; the result is the same for any number.
    listener
        Hears how the run gets on; silence where not given.
    allow_code
        Whether the job may call the Python functions that it names.

    Raises
    ------
    JobFileError
        If the job is wrong, with every problem found.
    pipeline.errors.PipelineError, cluster.errors.ClusterError, storage.errors.StoreError
        If the run fails. The store is as the last commit left it.
    """
    loaded = _loaded(job, overrides)
    if store is not None:
        loaded = loaded.model_copy(update={"store": Store.absolute(store)})
    return run_job(loaded, workers=workers, listener=listener, allow_code=allow_code)


def _loaded(job: str | Path | Mapping[str, Any] | JobConfig, overrides: Sequence[str]) -> JobConfig:
    if isinstance(job, (str, Path)):
        return load_job(job, overrides)
    if overrides:
        raise TypeError("overrides change a job file; change the dict or the JobConfig itself")
    return job if isinstance(job, JobConfig) else parse_job(dict(job))


def open_store(path: str | Path = "store", *, create: bool = False) -> Store:
    """The store in a directory.

    Parameters
    ----------
    path
        The directory, or a prefix in a bucket such as ``s3://corpora/store``.
    create
        Make one where there is none.

    Raises
    ------
    storage.errors.StoreNotFoundError
        If there is none.
    """
    return Store.open(path, create=create)


def load_model(model: str | Path, store: str | Path | Store | None = None, *, allow_code: bool = False) -> Model:
    """A trained model.

    Parameters
    ----------
    model
        Its id or the start of it, or the folder of a model that was copied out of a store.
    store
        Where to look for the id; ``./store`` where not given.
    allow_code
        Whether its job may call Python functions on texts.

    Raises
    ------
    storage.errors.ModelNotFoundError
        If the store has no such model.
    pipeline.errors.ModelError
        If its files are damaged.
    """
    folder = model_folder(model, store)
    return Model(load_trained(folder), folder, allow_code=allow_code)


def model_folder(model: str | Path, store: str | Path | Store | None = None) -> Path:
    """Where a model lies; parameters and errors as for `load_model`."""
    if (Path(model) / "model.json").is_file():
        return Path(model)
    opened = store if isinstance(store, Store) else Store.open(store if store is not None else "store")
    return opened.model_path(str(model))


def profile(
    dataset: str,
    store: str | Path | Store | None = None,
    *,
    at: int | str | None = None,
    versions: int = 5,
    label: str = "label",
    top: int = 20,
    workers: int | None = None,
    listener: ProgressListener | None = None,
) -> dict[str, Any]:
    """What a version of a dataset holds, as ``textmill profile --json`` prints it.

    Parameters
    ----------
    dataset
        Its name.
    store
        Where it is; ``./store`` where not given.
    at
        A version's number, tag, or a time; the newest where not given.
    versions
        Label shares are told of so many versions, this one and those before it.
    label
        The column with the labels.
    top
        How many values and tokens of a column are told.
    workers
        How many workers; the result is the same for any number.
    listener
        Hears how it gets on; silence where not given.

    Raises
    ------
    storage.errors.StoreError
        If there is no such version, or it cannot be read.
    """
    opened = store if isinstance(store, Store) else Store.open(store if store is not None else "store")
    cluster = ClusterConfig() if workers is None else ClusterConfig(workers=workers)
    return profile_dataset(
        opened, dataset, at, versions=versions, label=label, top=top, cluster=cluster, listener=listener
    )


def write_report(result: RunResult | Mapping[str, Any], path: str | Path) -> Path:
    """The path, once the report of a run lies there as one HTML page.

    Parameters
    ----------
    result
        What `run` returned, or a record of ``store.runs()``.
    path
        File to write; its folder is made where missing.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    return write_page(result.to_dict() if isinstance(result, RunResult) else result, path)
