"""Which source files the rows of a version came from: counted once for each stored file, which never changes."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping

import pyarrow.compute as pc

from storage.errors import StoreError
from storage.files import write_atomic
from storage.history import entries
from storage.layout import StoreLayout
from storage.log import lifetimes
from storage.scan import file_schema, iter_file
from storage.schema import selected
from storage.vacuumed import vacuumed_numbers
from storage.versions import DataFile

#: The column that names a row's source file.
SOURCE = "_source"


def version_sources(layout: StoreLayout, name: str) -> dict[int, dict[str, int]]:
    """Version number -> source file -> its rows there, of all versions that still have their files.

    Rows without a source file are left out.

    Raises
    ------
    StoreDamagedError
        If the log cannot be read in full.
    """
    dataset = layout.dataset(name)
    gone = vacuumed_numbers(dataset)
    numbers = sorted(entry.number for entry in entries(dataset) if entry.number not in gone)
    found: dict[int, Counter[str]] = {number: Counter() for number in numbers}
    within = {path: life.within(numbers) for path, life in lifetimes(dataset.log).items()}
    counts = _counts(layout, name, [path for path, users in within.items() if users])
    for path, users in within.items():
        for number in users:
            found[number].update(counts[path])
    return {number: dict(sorted(rows.items())) for number, rows in found.items()}


def _counts(layout: StoreLayout, name: str, paths: Iterable[str]) -> dict[str, dict[str, int]]:
    """Stored file -> source file -> rows; what was counted before is read from the cache."""
    cache = layout.cache("sources", f"{name}.json")
    try:
        known: dict[str, dict[str, int]] = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        known = {}
    counts = {path: known[path] if path in known else _count(layout, name, path) for path in paths}
    if counts.keys() - known.keys():
        try:
            write_atomic(cache, json.dumps(counts, ensure_ascii=False).encode())
        except (OSError, StoreError):  # a store that cannot be written can still be asked
            return counts
    return counts


def _count(layout: StoreLayout, name: str, path: str) -> dict[str, int]:
    file = DataFile(path=str(layout.dataset(name).folder / path), rows=0, bytes=0)
    schema = file_schema(file)
    if SOURCE not in schema.names:
        return {}
    whole = DataFile(path=file.path, rows=1 << 62, bytes=0)
    rows: Counter[str] = Counter()
    for batch in iter_file(whole, selected(schema, [SOURCE])):
        rows.update({each["values"]: each["counts"] for each in pc.value_counts(batch.column(0)).to_pylist()})
    return {source: count for source, count in rows.items() if source is not None}


def reached(sources: Mapping[int, Mapping[str, int]], source: str) -> dict[int, int]:
    """Version number -> rows of this source file, where there are any."""
    return {number: rows[source] for number, rows in sources.items() if source in rows}
