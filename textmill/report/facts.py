"""What a report says, drawn from a run's result: the same facts for the terminal and for the page."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: A run's result as `RunResult.to_dict()` gives it; parts that a run does not have are missing, None or empty.
Result = Mapping[str, Any]

#: The fates in the order a report shows them.
FATES = ("kept", "duplicates", "filtered", "rejected")
#: Figures of a model beside accuracy, F1 and log loss, as people call them.
MORE_METRICS = {
    "decided": "Share decided",
    "roc_auc": "ROC AUC, mean of labels",
    "average_precision": "Average precision, mean of labels",
    "calibration_error": "Calibration error",
    "brier": "Brier score",
}
#: Spans of a run that hold other stages.
PHASES = ("ingest", "features", "train")


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Rows of the ledger that share a fate and a reason; `reason` is empty for kept rows."""

    fate: str
    reason: str
    rows: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassQuality:
    """How well one label is found. `support` counts its test rows; a share without a denominator is 0."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Test rows by true label (row) and predicted label (column); `undecided` ones got no label."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    undecided: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        """Test rows."""
        return sum(self.support)

    @property
    def support(self) -> tuple[int, ...]:
        """Test rows by true label."""
        undecided = self.undecided or (0,) * len(self.labels)
        return tuple(sum(row) + more for row, more in zip(self.counts, undecided, strict=True))

    def classes(self) -> list[ClassQuality]:
        """Each label's quality, in the order of the labels."""
        predicted = [sum(column) for column in zip(*self.counts, strict=True)]
        found = []
        for index, label in enumerate(self.labels):
            hits, support = self.counts[index][index], self.support[index]
            precision = hits / predicted[index] if predicted[index] else 0.0
            recall = hits / support if support else 0.0
            f1 = 2 * hits / (predicted[index] + support) if hits else 0.0
            found.append(ClassQuality(label=label, precision=precision, recall=recall, f1=f1, support=support))
        return found

    def mistakes(self, most: int) -> list[tuple[str, str, int]]:
        """True label, predicted label and rows of the `most` frequent mistakes, most frequent first."""
        pairs = [
            (self.labels[row], self.labels[column], count)
            for row, counts in enumerate(self.counts)
            for column, count in enumerate(counts)
            if row != column and count
        ]
        return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))[:most]

    @property
    def majority_share(self) -> float:
        """The accuracy of always answering with the most frequent label."""
        return max(self.support, default=0) / self.total if self.total else 0.0


def portions(result: Result) -> list[Portion]:
    """The ledger's portions that are not empty: kept first, then by fate, the largest first."""
    ledger = result.get("ledger") or {}
    read = ledger.get("read") or 0
    found = []
    for fate in FATES:
        counts = ledger.get(fate) or {}
        reasons = {"": counts} if isinstance(counts, int) else counts
        for reason, rows in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
            if rows:
                found.append(Portion(fate=fate, reason=reason, rows=rows, share=rows / read if read else 0.0))
    return found


def fate_totals(result: Result) -> dict[str, int]:
    """Rows by fate, in the order of `FATES`."""
    totals = dict.fromkeys(FATES, 0)
    for portion in portions(result):
        totals[portion.fate] += portion.rows
    return totals


def confusion(result: Result) -> Confusion | None:
    """The confusion matrix; None where nothing was evaluated."""
    evaluation = result.get("evaluation") or {}
    labels, counts = evaluation.get("labels") or (), evaluation.get("confusion") or ()
    if not labels or not counts:
        return None
    return Confusion(
        labels=tuple(map(str, labels)),
        counts=tuple(tuple(map(int, row)) for row in counts),
        undecided=tuple(map(int, evaluation.get("undecided") or ())),
    )


def more_metrics(result: Result) -> list[tuple[str, float]]:
    """Names and values of the figures beside accuracy, F1 and log loss that the run has."""
    metrics = result.get("metrics") or {}
    return [(name, metrics[key]) for key, name in MORE_METRICS.items() if metrics.get(key) is not None]


def label_shares(result: Result) -> list[tuple[str, int, float]]:
    """Label, rows and share of all labelled rows, the most frequent first."""
    counts: Mapping[str, int] = result.get("label_counts") or {}
    whole = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(label, rows, rows / whole if whole else 0.0) for label, rows in ordered]


def phase_seconds(result: Result) -> list[tuple[str, float]]:
    """The phases of the run with their wall time, and "other" for the rest of the total."""
    seconds: Mapping[str, float] = result.get("seconds") or {}
    found = [(phase, seconds[phase]) for phase in PHASES if seconds.get(phase)]
    rest = seconds.get("total", 0.0) - sum(value for _, value in found)
    return [*found, ("other", rest)] if rest > 0.005 and found else found


def stage_seconds(result: Result) -> list[tuple[str, float]]:
    """The stages within the phases with their wall time, in the order the run gives them."""
    seconds: Mapping[str, float] = result.get("seconds") or {}
    return [(stage, value) for stage, value in seconds.items() if stage not in (*PHASES, "total")]


def input_bytes(result: Result) -> int:
    """Bytes of all sources."""
    return sum(source.get("bytes") or 0 for source in result.get("sources") or ())


def places(result: Result) -> list[tuple[str, str]]:
    """What lies where: a word for the thing, and its path."""
    dataset, model = result.get("dataset") or {}, result.get("model") or {}
    found = {
        "store": result.get("store"),
        "dataset": dataset.get("path"),
        "model": model.get("path"),
        "page": result.get("page"),
    }
    return [(name, str(path)) for name, path in found.items() if path]


def next_commands(result: Result, *, store: str | None = None, new: str = "NEW.csv") -> list[tuple[str, str]]:
    """Commands worth trying after this run, each with what it shows; they work when pasted.

    Parameters
    ----------
    result
        The run.
    store
        What to give to ``--store``; the run's own store where not given. An empty text leaves the option out.
    new
        A file of rows to label.
    """
    dataset, model = result.get("dataset") or {}, result.get("model") or {}
    store = str(result.get("store") or "") if store is None else store
    option = f" --store {shlex.quote(store)}" if store else ""
    commands = []
    if dataset:
        name = dataset["name"]
        commands += [(f"textmill show {name}{option}", "the dataset's columns, size and history")]
        commands += [(f'textmill query "{_query(name, result)}"{option}', "ask it anything")]
        if any(portion.fate != "kept" for portion in portions(result)):
            commands += [(f"textmill fates {name} --limit 20{option}", "what became of the rows that were not kept")]
    if model:
        commands += [(f"textmill model {model['id']}{option}", "what the model is made of")]
        commands += [
            (f"textmill predict {model['id']} {shlex.quote(new)} --output scored.csv{option}", "label new rows")
        ]
        commands += [(f"textmill reproduce {model['id']}{option}", "train it again and compare the bytes")]
    if result.get("job"):
        commands += [(f"textmill report {result['job']} --open{option}", "this run as a page in the browser")]
    return commands


def _query(name: str, result: Result) -> str:
    """SQL for a person to paste; nothing here runs it."""
    label = ((result.get("settings") or {}).get("train") or {}).get("label") or "label"
    if result.get("label_counts") and label.isidentifier():
        return f"SELECT {label}, count(*) AS texts FROM {name} GROUP BY 1 ORDER BY 2 DESC"  # noqa: S608
    return f"SELECT * FROM {name} LIMIT 10"  # noqa: S608


def shortened(items: Sequence[Any], most: int) -> tuple[Sequence[Any], int]:
    """The first `most` items, and how many more there are; one more is shown rather than counted."""
    if len(items) <= most + 1:
        return items, 0
    return items[:most], len(items) - most
