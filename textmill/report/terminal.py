"""The report in the terminal: what came in, what became of it, the version, the model, and where to go from here."""

from collections.abc import Iterable, Sequence
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from textmill.report import facts
from textmill.report.facts import Confusion, Result
from textmill.report.units import count, counted, duration, score, share, size, visible, visible_lines

FATE_STYLES = {"kept": "green", "duplicates": "blue", "filtered": "yellow", "rejected": "red"}
STATE_STYLES = {"succeeded": "bold green", "failed": "bold red", "cancelled": "bold yellow"}
_MOST_SOURCES = 12
_MOST_CLASSES = 12
_MOST_MATRIX = 6
_MOST_LABELS = 8
_MOST_NGRAMS = 8
_BAR_CELLS = 24


def print_report(result: Result, console: Console, *, store: str | None = None, new: str = "NEW.csv") -> None:
    """Nothing; the whole report is on `console`.

    Parameters
    ----------
    result
        A run as `RunResult.to_dict()` gives it; what it lacks is left out.
    console
        Where to print; colours and width are the console's own business.
    store, new
        What the proposed commands name; see `textmill.report.facts.next_commands`.
    """
    console.print(_headline(result))
    for title, body in _sections(result, console):
        console.print()
        console.print(Text(title, style="bold"))
        console.print(Padding(body, (0, 0, 0, 2)))
    print_commands(facts.next_commands(result, store=store, new=new), console)


def print_commands(commands: Sequence[tuple[str, str]], console: Console) -> None:
    """Nothing; each command is on a line of its own, never broken, so that it works when pasted."""
    if not commands:
        return
    console.print()
    console.print(Text("What to try next", style="bold"))
    for command, meaning in commands:
        console.print(Text(f"  # {meaning}", style="dim"), soft_wrap=True)
        console.print(Text(f"  {command}", style="cyan"), soft_wrap=True)


def _headline(result: Result) -> Text:
    state = str(result.get("state", ""))
    line = Text()
    line.append(visible(result.get("name") or "run"), "bold")
    line.append("  ")
    line.append(state, STATE_STYLES.get(state, "bold"))
    total = (result.get("seconds") or {}).get("total")
    if total:
        line.append(f" in {duration(total)}")
    if result.get("job"):
        line.append(f"  run {result['job']}", "dim")
    return line


def _sections(result: Result, console: Console) -> Iterable[tuple[str, RenderableType]]:
    bar = "█" if console.encoding.startswith("utf") else "#"
    matrix = facts.confusion(result)
    made: list[tuple[str, RenderableType | None]] = [
        ("What went wrong", Text(visible_lines(result["error"]), "red") if result.get("error") else None),
        ("What came in", _sources(result)),
        ("What became of it", _ledger(result, bar)),
        ("The version", _version(result)),
        ("The model", _model(result, matrix)),
        ("Where it errs", _mistakes(matrix) if matrix else None),
        ("What speaks for a label", _features(result)),
        ("Time and memory", _resources(result)),
        ("Worth knowing", _warnings(result)),
        ("Where things lie", _pairs(facts.places(result)) if facts.places(result) else None),
    ]
    return ((title, body) for title, body in made if body is not None)


def _table(*columns: str | Column) -> Table:
    made = [
        column if isinstance(column, Column) else Column(column.lstrip(">"), justify=_side(column))
        for column in columns
    ]
    return Table(*made, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")


def _side(column: str) -> Literal["left", "right"]:
    return "right" if column.startswith(">") else "left"


def _pairs(pairs: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(Column(style="dim"), Column(overflow="fold"), padding=(0, 2, 0, 0))
    for name, value in pairs:
        table.add_row(name, Text(value))
    return table


def _sources(result: Result) -> RenderableType | None:
    sources = result.get("sources") or ()
    if not sources:
        return None
    shown, more = facts.shortened(sources, _MOST_SOURCES)
    table = _table("file", "read as", ">rows", ">size", "note")
    for source in shown:
        read_as = " ".join(
            visible(source[key]) for key in ("format", "compression", "encoding", "dialect") if source.get(key)
        )
        table.add_row(
            Text(visible(source["file"])),
            Text(read_as),
            count(source.get("rows") or 0),
            size(source.get("bytes") or 0),
            Text(visible(source.get("note") or ""), "dim"),
        )
    if more:
        table.add_row(Text(f"and {count(more)} more", "dim"))
    if len(sources) > 1:
        rows = sum(source.get("rows") or 0 for source in sources)
        table.add_row(f"{count(len(sources))} files", "", count(rows), size(facts.input_bytes(result)), style="bold")
    return table


def _ledger(result: Result, bar: str) -> RenderableType | None:
    if not result.get("ledger"):
        return None
    read = result["ledger"].get("read") or 0
    table = _table("fate", "reason", ">rows", ">share", "")
    table.add_row("read", "", count(read), "", "", style="bold")
    for portion in facts.portions(result):
        style = FATE_STYLES[portion.fate]
        cells = max(1, round(portion.share * _BAR_CELLS))
        table.add_row(
            Text(portion.fate, style),
            Text(visible(portion.reason)),
            count(portion.rows),
            share(portion.rows, read),
            Text(bar * cells, style),
        )
    return table


def _version(result: Result) -> RenderableType | None:
    dataset = result.get("dataset")
    if not dataset:
        return None
    columns = ", ".join(f"{visible(name)} ({kind})" for name, kind in (dataset.get("columns") or {}).items())
    pairs = [
        ("dataset", f"{dataset['name']}, version {dataset['version']}"),
        ("fingerprint", str(dataset.get("fingerprint", ""))),
        ("rows", f"{count(dataset.get('rows') or 0)} in {counted(dataset.get('files') or 0, 'file')}, "
                 f"{size(dataset.get('bytes') or 0)}"),
        ("columns", columns),
    ]  # fmt: skip
    labels = facts.label_shares(result)
    if labels:
        shown, more = facts.shortened(labels, _MOST_LABELS)
        told = ", ".join(f"{visible(label)} {share(part, 1)}" for label, _, part in shown)
        pairs.append(("labels", told + (f" and {more} more" if more else "")))
    return _pairs(pairs)


def _model(result: Result, matrix: Confusion | None) -> RenderableType | None:
    model, metrics = result.get("model"), result.get("metrics") or {}
    if not model:
        return None
    accuracy = score(metrics.get("accuracy"))
    if matrix is not None:
        accuracy += f"  (always the most frequent label: {score(matrix.majority_share)})"
    pairs = [("id", str(model["id"])), ("sha256", str(model.get("sha256", "")))]
    pairs += [("accuracy", accuracy)]
    pairs += [(name.replace("_", " "), score(metrics.get(name))) for name in ("macro_f1", "log_loss")]
    pairs += [(name.lower(), score(value)) for name, value in facts.more_metrics(result)]
    if metrics.get("test_rows"):
        trained = f", trained on {count(metrics['train_rows'])}" if metrics.get("train_rows") else ""
        pairs.append(("tested on", f"{counted(metrics['test_rows'], 'row')}{trained}"))
    parts: list[RenderableType] = [_pairs(pairs)]
    if matrix is not None:
        parts += [Text(), _classes(matrix)]
    return Group(*parts)


def _classes(matrix: Confusion) -> Table:
    classes = matrix.classes()
    cut = len(classes) > _MOST_CLASSES
    if cut:
        classes = sorted(classes, key=lambda each: (each.f1, each.label))[:_MOST_CLASSES]
    table = _table("the weakest labels" if cut else "label", ">precision", ">recall", ">F1", ">test rows")
    for each in classes:
        table.add_row(
            Text(visible(each.label)), score(each.precision), score(each.recall), score(each.f1), count(each.support)
        )
    return table


def _mistakes(matrix: Confusion) -> RenderableType | None:
    if len(matrix.labels) <= _MOST_MATRIX:
        table = _table("true, down; predicted, across", *(f">{visible(label)}" for label in matrix.labels))
        for row, (label, counts) in enumerate(zip(matrix.labels, matrix.counts, strict=True)):
            cells = [
                Text(count(value), "green" if row == column else "red" if value else "dim")
                for column, value in enumerate(counts)
            ]
            table.add_row(Text(visible(label)), *cells)
        return table
    mistakes = matrix.mistakes(_MOST_LABELS)
    if not mistakes:
        return None
    table = _table("true label", "predicted", ">rows")
    for true, predicted, rows in mistakes:
        table.add_row(Text(visible(true)), Text(visible(predicted)), count(rows))
    return table


def _features(result: Result) -> RenderableType | None:
    features = result.get("top_features") or {}
    if not features:
        return None
    shown, more = facts.shortened(list(features.items()), _MOST_LABELS)
    lines = [
        (visible(label), ", ".join(visible(ngram) for ngram, _ in weighted[:_MOST_NGRAMS])) for label, weighted in shown
    ]
    if more:
        lines.append((f"{more} more", "in the page"))
    return _pairs(lines)


def _resources(result: Result) -> RenderableType | None:
    phases = facts.phase_seconds(result)
    total = (result.get("seconds") or {}).get("total") or 0.0
    if not total:
        return None
    told = ", ".join(f"{phase} {duration(seconds)}" for phase, seconds in phases)
    pairs = [("time", duration(total) + (f" ({told})" if told else ""))]
    ingest = dict(phases).get("ingest")
    if ingest and facts.input_bytes(result):
        rows = (result.get("ledger") or {}).get("read") or 0
        pairs.append(("ingest", f"{count(rows / ingest)} rows/s, {size(facts.input_bytes(result) / ingest)}/s"))
    if result.get("peak_memory_bytes"):
        pairs.append(("memory", f"{size(result['peak_memory_bytes'])} at most"))
    if result.get("workers"):
        pairs.append(("workers", str(result["workers"])))
    return _pairs(pairs)


def _warnings(result: Result) -> RenderableType | None:
    warnings = result.get("warnings") or ()
    return Group(*(Text(f"! {visible(line)}", "yellow") for line in warnings)) if warnings else None
