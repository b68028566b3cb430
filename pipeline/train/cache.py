"""The cache of hashed rows: what is kept when it grows."""

import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: What the cache may hold, and how long a part of it is left alone: another run may be at work with it.
KEPT_BYTES = 20 * 10**9
_QUIET_S = 24 * 3600.0
_USED = "used"
#: What is renamed, or removed, once it has served.
_UNFINISHED = re.compile(r"\.part(\.npy)?$|^model-[0-9a-f]{16}$|^point-[0-9a-f]{16}\.npy$")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedPart:
    """The hashed rows of one version with one specification: its folder's name, size, and when it was last used."""

    name: str
    bytes: int
    used_at: float


def mark_used(folder: Path) -> None:
    """Remembers that a part of the cache is in use now."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _USED).touch()


def plan_pruning(parts: Sequence[CachedPart], kept_bytes: int, quiet_before: float) -> list[str]:
    """Names of the parts to drop, least recently used first, until the others fit.

    Parameters
    ----------
    parts
        All there are.
    kept_bytes
        What may stay.
    quiet_before
        Parts used later than this stay, whatever their size.
    """
    surplus = sum(part.bytes for part in parts) - kept_bytes
    dropped = []
    for part in sorted(parts, key=lambda one: (one.used_at, one.name)):
        if surplus <= 0 or part.used_at > quiet_before:
            break
        dropped.append(part.name)
        surplus -= part.bytes
    return dropped


def prune(cache: Path, kept_bytes: int = KEPT_BYTES, *, quiet_s: float = _QUIET_S) -> list[str]:
    """Names of the parts that were dropped from `cache`; what cannot be removed is left for the next time."""
    parts = [_measured(folder) for folder in cache.iterdir() if folder.is_dir()] if cache.is_dir() else []
    dropped = plan_pruning(parts, kept_bytes, time.time() - quiet_s)
    for name in dropped:
        shutil.rmtree(cache / name, ignore_errors=True)
    return dropped


def drop_unfinished(cache: Path, oldest_s: float) -> list[str]:
    """Names of what runs that died left half written in `cache`, and that was last touched before `oldest_s`; dropped.

    Parameters
    ----------
    cache
        The folder that parts lie in.
    oldest_s
        Seconds since 1970.
    """
    dropped = []
    for path in sorted(cache.glob("*/**/*")) if cache.is_dir() else ():
        if _UNFINISHED.search(path.name) and path.exists() and path.stat().st_mtime <= oldest_s:
            dropped.append(str(path.relative_to(cache)))
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    return dropped


def _measured(folder: Path) -> CachedPart:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    mark = folder / _USED
    return CachedPart(name=folder.name, bytes=sum(sizes), used_at=(mark if mark.exists() else folder).stat().st_mtime)
