"""What a worker of a job needs in memory: known from the job file, before anything is read."""

from pipeline.config import JobConfig
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from storage.versions import Version

#: Memory that one task of a pass may take.
PASS_BYTES = 256_000_000
#: An idle worker with everything imported and compiled, and how many times over a block is in memory while it is read,
#: cleaned and written. `benchmarks.memory` measures both.
IDLE_BYTES = 300_000_000
BLOCK_COPIES = 8
#: What an idle worker holds besides once it trains: scikit-learn, dask-ml and compiled loops take a third of it, and
#: compiling the loops, as the first run after an installation does, the rest.
TRAIN_BYTES = 460_000_000
#: Bytes of a row, where nothing is known of them yet, and how many times over the texts of a training block are in
#: memory while they are hashed.
ROW_BYTES = 1_000
TEXT_COPIES = 8
#: How many times larger rows of text are than their Parquet files, at most.
_INFLATED = 4
#: How many times over weights and their squared gradients are in memory where one worker learns at a time, and where
#: sums of several are added up; and how many counts of each bucket are added up at once.
_STATES, _SUMMED_STATES = 3, 18
_COUNTS = 17
#: Bytes of one number, and of one weight as `[features] memory` has it.
_NUMBER_BYTES, _WEIGHT_BYTES = 4, 12


def worker_bytes(job: JobConfig, labels: int | None = None, row_bytes: int = ROW_BYTES) -> int:
    """The most that a worker holds, with a task for each of its threads; however large the input is.

    Parameters
    ----------
    job
        The job.
    labels
        How many labels are told apart, once that is known; before, those that a check allows, or two.
    row_bytes
        The mean size of a row that trains, once that is known.

    Examples
    --------
    >>> from pipeline.config import parse_job
    >>> job = parse_job({"name": "x", "source": {"files": "a.csv", "block": "50MB"}, "dataset": {"name": "x"}})
    >>> worker_bytes(job)
    700000000
    """
    whole = (
        job.dedupe is not None or job.activity is not None or any(rule.unique or rule.references for rule in job.check)
    )
    task = BLOCK_COPIES * job.source.block + (PASS_BYTES if whole else 0)
    need = IDLE_BYTES + job.cluster.threads * task
    if job.train is None:
        return need
    # The stages come one after the other.
    told_apart = labels or _allowed_labels(job, job.train.label) or 2
    task = training_bytes(job.features or FeatureConfig(), job.train, told_apart, row_bytes)
    return max(need, IDLE_BYTES + TRAIN_BYTES + job.cluster.threads * task)


def known_worker_bytes(job: JobConfig, version: Version, labels: int) -> int:
    """The most that a worker holds, once the rows that train are known: no less than what was said before.

    Parameters
    ----------
    job
        The job.
    version
        The rows, staged or committed.
    labels
        How many labels they have.
    """
    before = worker_bytes(job)
    if job.train is None:
        return before
    return max(before, worker_bytes(job, labels, _INFLATED * version.bytes // max(version.rows, 1)))


def training_bytes(features: FeatureConfig, train: TrainConfig, labels: int, row_bytes: int) -> int:
    """The most that one task of training holds: a block's texts while they are hashed, or what is known of weights.

    Examples
    --------
    >>> training_bytes(FeatureConfig(), TrainConfig(), labels=2, row_bytes=1_000) // 1_000_000
    202
    """
    columns = 1 if labels <= 2 else labels
    buckets = features.memory // (_WEIGHT_BYTES * columns) if features.bits == "auto" else features.width
    alone = train.solver == "incremental" and train.lanes == 1
    state = 2 * _NUMBER_BYTES * (1 + columns) * (_STATES if alone else _SUMMED_STATES)
    return train.block_rows * row_bytes * TEXT_COPIES + buckets * max(state, _COUNTS * _NUMBER_BYTES)


def _allowed_labels(job: JobConfig, column: str) -> int:
    """How many labels a check allows; 0 where none says."""
    return min((len(rule.one_of) for rule in job.check if rule.column == column and rule.one_of), default=0)
