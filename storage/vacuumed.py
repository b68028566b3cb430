"""The list of versions whose files a vacuum gave up.

It is written before the first file goes, so that no version counts as readable while its files are being removed.
"""

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
        return frozenset(map(int, json.loads(layout.vacuumed.read_bytes())["versions"]))
    except FileNotFoundError:
        return frozenset()
    except (ValueError, KeyError, TypeError) as error:
        raise StoreDamagedError(
            str(layout.vacuumed),
            f"the list of versions that were given up cannot be understood ({error})",
            'Restore the file from a backup, or write {"versions": []} into it, with the numbers of those versions.',
        ) from error


def add_vacuumed(layout: DatasetLayout, numbers: Iterable[int]) -> None:
    """Nothing; the versions are on the list afterwards. The caller holds the dataset's lock."""
    known = vacuumed_numbers(layout) | set(numbers)
    write_atomic(layout.vacuumed, json.dumps({"versions": sorted(known)}).encode())
