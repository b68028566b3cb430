"""What a person should hear about the labels before the version is committed, in sentences."""

from collections.abc import Sequence

from pipeline.ingest.disagreements import Disagreement
from pipeline.ingest.label_leaks import Conflict, LabelSample, find_conflicts, find_leaks

_SHOWN = 3
_SHOWN_CHARACTERS = 60


def label_warnings(sample: LabelSample, disagreements: Sequence[Disagreement]) -> tuple[str, ...]:
    """One sentence a finding: words that give labels away, then equal texts with several labels.

    Parameters
    ----------
    sample
        Labelled texts of the whole input.
    disagreements
        What deduplication found; where it looked for repeats, its exact counts take the place of the sample's.
    """
    warnings = [f"label leak: {leak}" for leak in find_leaks(sample)]
    counted = [str(found) for found in disagreements if found.rows]
    conflicts = find_conflicts(sample)
    if not disagreements and conflicts:
        counted = [_sentence(conflicts, sample.rows.num_rows)]
    return (*warnings, *counted)


def _sentence(conflicts: Sequence[Conflict], pairs: int) -> str:
    shown = "; ".join(f'"{_short(found.text)}" is {_either(found.labels)}' for found in conflicts[:_SHOWN])
    return (
        f"equal texts have different labels: {len(conflicts)} among a sample of {pairs} labelled texts: {shown}. "
        "A classifier cannot learn both: correct the labels, or keep the first of such rows with [dedupe] exact"
    )


def _either(labels: Sequence[str]) -> str:
    return " and ".join(f'"{label}"' for label in labels)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
