"""The list of versions whose files a vacuum gave up.

It is written before the first file goes, so that no version counts as readable while its files are being removed.
"""

import hashlib
import json
from collections.abc import Iterable

from storage.errors import StoreDamagedError
from storage.files import write_atomic
from storage.layout import DatasetLayout


def vacuumed_numbers(layout: DatasetLayout) -> frozenset[int]:
    """The numbers of the versions that cannot be read any more.

    Raises
    ------
    StoreDamagedError
        If their list cannot be understood.
    """
    try:
        told = json.loads(layout.vacuumed.read_bytes())
        numbers = [int(number) for number in told["versions"]]
        _require_digest(told.get("sha256"), numbers)
        return frozenset(numbers)
    except FileNotFoundError:
        return frozenset()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreDamagedError(
            str(layout.vacuumed),
            f"the list of versions that were given up cannot be understood ({error})",
            'Restore the file from a backup, or write {"versions": []} into it, with the numbers of those versions.',
        ) from error


def add_vacuumed(layout: DatasetLayout, numbers: Iterable[int]) -> None:
    """Nothing; the versions are on the list afterwards. The caller holds the dataset's lock."""
    _write(layout, vacuumed_numbers(layout) | set(numbers))


def remove_vacuumed(layout: DatasetLayout, numbers: Iterable[int]) -> None:
    """Nothing; the versions, whose files are all there, are not on the list. The caller holds the dataset's lock."""
    known = vacuumed_numbers(layout)
    if left := known & set(numbers):
        _write(layout, known - left)


def _write(layout: DatasetLayout, numbers: frozenset[int]) -> None:
    known = sorted(numbers)
    write_atomic(layout.vacuumed, json.dumps({"versions": known, "sha256": _digest(known)}).encode())


def _digest(numbers: list[int]) -> str:
    return hashlib.sha256(json.dumps(numbers).encode()).hexdigest()


def _require_digest(told: str | None, numbers: list[int]) -> None:
    if told not in (None, _digest(numbers)):
        raise ValueError("its numbers are not those that were written")
