"""What one run answers: the facts that the report shows and the command line prints as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceResult:
    """One input file as it was understood.

    `rows` counts the records found; `bytes` is the size on disk; `note` is empty where nothing was special.
    """

    file: str
    format: str
    compression: str
    encoding: str
    dialect: str
    bytes: int
    rows: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationResult:
    """One cleaning operation or check: how many rows it changed and how many it took out."""

    name: str
    changed: int
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetResult:
    """The version a run committed. `columns` maps names to type names, in order; `path` is where it lies."""

    name: str
    version: int
    fingerprint: str
    rows: int
    bytes: int
    files: int
    path: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResult:
    """The model a run trained and where its folder lies."""

    id: str
    sha256: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Everything one run has to say.

    Attributes
    ----------
    job
        The run's id.
    name
        The job's name from its file.
    state
        "succeeded", "failed" or "cancelled".
    metrics
        "accuracy", "macro_f1", "log_loss", "test_rows", "train_rows"; None where nothing was trained.
    evaluation
        "labels", "confusion" (row = true label, column = predicted), "per_class"; None likewise.
    top_features
        Label to its weightiest n-grams with their weights, best first.
    seconds
        Wall time by stage, with "ingest", "features", "train" and "total".
    worker_memory_bytes
        What the run said before it started that each worker needs at most.
    error
        What went wrong, where `state` is "failed".
    """

    job: str
    name: str
    state: str
    started_at: str
    store: str
    sources: tuple[SourceResult, ...] = ()
    ledger: Ledger = field(default_factory=Ledger)
    operations: tuple[OperationResult, ...] = ()
    dataset: DatasetResult | None = None
    label_counts: Mapping[str, int] = field(default_factory=dict)
    model: ModelResult | None = None
    metrics: Mapping[str, float | int] | None = None
    evaluation: Mapping[str, Any] | None = None
    top_features: Mapping[str, list[tuple[str, float]]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_memory_bytes: int = 0
    worker_memory_bytes: int = 0
    workers: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON; the keys that the command line promises keep their shapes."""
        return asdict(self)
