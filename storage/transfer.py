"""Files on their way into a store and back: renamed on disk, uploaded to a bucket.

A staged file that was uploaded stays until its version is committed, so that whoever goes on after a death finds it.
What was uploaded for a commit that did not land is removed again.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from storage.files import explained
from storage.places import ObjectPath, Place

_UPLOADS = 8


def bring(staged: Path, now: Place, target: Place) -> Place:
    """`target`, where the file lies afterwards.

    Parameters
    ----------
    staged
        Where it was staged.
    now
        Where it lies: there, or in the store under the name of a round that was lost.

    Raises
    ------
    DiskFullError, StoreNotWritableError
        If it cannot be written.
    """
    if now == target:
        return target
    with explained(target):
        if isinstance(target, Path) and isinstance(now, Path):
            now.rename(target)
        elif isinstance(target, ObjectPath) and isinstance(now, ObjectPath):
            now.copy_to(target)
            now.unlink()
        elif isinstance(target, ObjectPath):
            target.upload(staged)
    return target


def take_back(staged: Path, now: Place) -> Place:
    """Where the file lies afterwards: where it was staged, as if nothing had been tried, if there is such a folder."""
    if isinstance(now, ObjectPath) and staged.exists():
        now.unlink()
        return staged
    if isinstance(now, Path) and now != staged and staged.parent.is_dir() and now.exists() and not staged.exists():
        return now.rename(staged)
    return now


def for_each(count: int, act: Callable[[int], None], folder: Place) -> None:
    """Nothing; `act` was called for each number below `count`: several at once where `folder` is in a bucket."""
    if isinstance(folder, Path):
        for index in range(count):
            act(index)
        return
    with ThreadPoolExecutor(_UPLOADS) as pool:
        # All come to their end before the first error is told: nothing is written after it.
        errors = [outcome.exception() for outcome in [pool.submit(act, index) for index in range(count)]]
    for error in errors:
        if error is not None:
            raise error
