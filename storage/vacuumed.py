"""The list of versions whose files a vacuum gave up.

It is written before the first file goes, so that no version counts as readable while its files are being removed.
"""

import json
from collections.abc import Iterable

from storage.files import write_atomic
from storage.layout import DatasetLayout


def vacuumed_numbers(layout: DatasetLayout) -> frozenset[int]:
    """The numbers of the versions that cannot be read any more."""
    try:
        return frozenset(json.loads(layout.vacuumed.read_bytes())["versions"])
    except FileNotFoundError:
        return frozenset()


def add_vacuumed(layout: DatasetLayout, numbers: Iterable[int]) -> None:
    """Nothing; the versions are on the list afterwards. The caller holds the dataset's lock."""
    known = vacuumed_numbers(layout) | set(numbers)
    write_atomic(layout.vacuumed, json.dumps({"versions": sorted(known)}).encode())
