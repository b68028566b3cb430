"""Files of one folder look at each other before a doubtful guess stands.

A short piece of a dataset may show too little to tell its delimiter or whether it begins with a header. The same rows
in one file or in seven have to be read alike, so the pieces that show more decide for those that show less.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from pipeline.ingest.reading.csv.guess import column_names
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.ingest.reading.text.inspection import Inspected


def family(name: str) -> str:
    """What the names of a dataset's pieces have in common: the name without its digits.

    Examples
    --------
    >>> family("raw/part-0007.csv") == family("raw/part-12.csv")
    True
    """
    return re.sub(r"\d+", "#", name)


def agreed(seen: Sequence[Inspected], config: SourceConfig) -> list[SourceConfig | None]:
    """For each file, the settings to look at it with once more; None where its guess stands.

    Parameters
    ----------
    seen
        What each file showed by itself.
    config
        What is declared.
    """
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, file in enumerate(seen):
        if file.format == "csv" and not (file.empty and not file.first_row):
            groups[str(PurePosixPath(file.opened.path).parent), file.opened.suffix].append(place)
    revised: list[SourceConfig | None] = [None] * len(seen)
    for places in groups.values():
        for place, updates in _outvoted([seen[place] for place in places]).items():
            open_updates = {key: value for key, value in updates.items() if getattr(config, key) in {"auto", None}}
            if open_updates:
                revised[places[place]] = config.model_copy(update=open_updates)
    return revised


def _outvoted(group: Sequence[Inspected]) -> dict[int, dict[str, object]]:
    updates: dict[int, dict[str, object]] = defaultdict(dict)
    if len(group) < 2:
        return updates
    for place, delimiter in _delimiters(group).items():
        updates[place]["delimiter"] = delimiter
    for place, header in _headers(group).items():
        updates[place]["header"] = header
    for place, names in _names(group).items():
        updates[place] |= {"header": False, "names": names}
    for place in _single_quoted(group):
        updates[place]["quote"] = "'"
    skipping = {file.dialect.delimiter for file in group if file.dialect.skip_spaces}
    for place, file in enumerate(group):
        if file.dialect.delimiter in skipping and not file.dialect.skip_spaces:
            updates[place]["skip_spaces"] = True
    return updates


def _delimiters(group: Sequence[Inspected]) -> dict[int, str]:
    """The group's delimiter for each file that shows one column only though its first line holds that character."""
    votes: dict[str, float] = defaultdict(float)
    for file in group:
        if len(file.first_row) > 1 and file.dialect.delimiter is not None:
            votes[file.dialect.delimiter] += file.share
    winner = max(votes, key=lambda mark: votes[mark]) if votes else None
    return {
        place: winner
        for place, file in enumerate(group)
        if winner is not None and len(file.first_row) < 2 and winner in file.first_lines.split("\n")[0]
    }


def _headers(group: Sequence[Inspected]) -> dict[int, bool]:
    """Whether each doubtful file has a header, by what the others show."""
    if _one_row_each(group):
        return dict.fromkeys(range(len(group)), False)
    shared = _shared_headers(group)
    bare = any(file.header == "no" and file.first_row not in shared for file in group)
    verdicts = {place: False for place, file in enumerate(group) if bare and file.header == "perhaps"}
    verdicts |= {place: file.first_row in shared for place, file in enumerate(group) if file.first_row in shared}
    return {place: verdict for place, verdict in verdicts.items() if verdict != (group[place].header != "no")}


def _names(group: Sequence[Inspected]) -> dict[int, tuple[str, ...]]:
    """Names for each file that has no header, where all that have one have the same, of as many columns.

    Such are the pieces of a file that was cut up: its header stayed with the first.
    """
    shared = _shared_headers(group)
    if len(shared) != 1:
        return {}
    (header,) = shared
    bare = [place for place, file in enumerate(group) if file.header == "no" and file.first_row != header]
    return {place: column_names(header) for place in bare if len(group[place].first_row) == len(header)}


def _single_quoted(group: Sequence[Inspected]) -> list[int]:
    """The files that show no other quotes than the single ones which stand around fields in files beside them."""
    delimiters = {file.dialect.delimiter for file in group if file.dialect.quote == "'"}
    return [
        place
        for place, file in enumerate(group)
        if file.dialect.delimiter in delimiters and file.dialect.quote == '"' and '"' not in file.first_lines
    ]


def _one_row_each(group: Sequence[Inspected]) -> bool:
    """Whether every file is one record that could be names or values, each another: then they are values.

    Two files of different names may hold nothing but the headers of two tables.
    """
    if len(group) < 3 and len({family(file.opened.name) for file in group}) > 1:
        return False
    rows = {file.first_row for file in group}
    widths = {len(row) for row in rows}
    lone = all(file.header == "perhaps" and file.empty for file in group)
    return lone and len(rows) == len(group) and len(widths) == 1


def _shared_headers(group: Sequence[Inspected]) -> set[tuple[str, ...]]:
    """First records that several files have: names, for no two files begin with the same row by chance."""
    counts = Counter(file.first_row for file in group)
    return {file.first_row for file in group if file.header == "yes" or counts[file.first_row] > 1}
