"""Which files a job's patterns mean, in which order, and what they are called in row ids."""

import difflib
import glob
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, TypeVar

from pipeline.errors import SourceError, SourceNotFoundError
from pipeline.ingest.reading.files.remote import Address, Options, explained, filesystem_of, is_uri

_MAGIC = re.compile(r"[*?\[]")
#: A folder's files that are data by their names; licences and notes that lie beside them are not.
_DATA_SUFFIXES = {".csv", ".tsv", ".tab", ".psv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".parq"}
_DIGITS = re.compile(r"(\d+)")
PathT = TypeVar("PathT", bound=PurePath)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """One input file.

    Attributes
    ----------
    name
        What it is called in row ids and messages: relative, with forward slashes, the same on every machine.
    path
        Where it is: an absolute local path or a URI.
    told
        What messages call it: written as the pattern is that found it.
    """

    name: str
    path: str
    told: str


def list_files(patterns: Sequence[str], root: Path, options: Options | None = None) -> tuple[FoundFile, ...]:
    """The files that `patterns` mean: in the patterns' order, matches of one pattern in natural order, each once.

    Parameters
    ----------
    patterns
        Paths, folders (the data files below them, or all files where no name tells), glob patterns (``**`` for any
        depth) and URIs; ``~`` is the home folder. Hidden files and those starting with an underscore are left out
        where they are not named.
    root
        The folder that relative patterns start from.
    options
        What URIs are opened with.

    Raises
    ------
    SourceNotFoundError
        If a pattern means no file at all.
    SourceError
        If a folder may not be listed.
    """
    names: dict[str, str] = {}
    written: dict[str, str] = {}
    for pattern in patterns:
        for path, name in _remote(Address(pattern, options or {})) if is_uri(pattern) else _local(pattern, root):
            names.setdefault(path, name)
            written.setdefault(path, _as_written(path, pattern, root))
    return tuple(FoundFile(name=name, path=path, told=written[path]) for path, name in _told_apart(names).items())


def _as_written(path: str, pattern: str, root: Path) -> str:
    """The path as a person wrote it: relative to `root` where the pattern is."""
    relative = not is_uri(pattern) and not Path(pattern).expanduser().is_absolute()
    return Path(os.path.relpath(path, root.absolute())).as_posix() if relative else path


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """A sort key under which ``part-2`` comes before ``part-10``."""
    parts = _DIGITS.split(name)
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts]


def hive_values(path: str) -> tuple[tuple[str, str | None], ...]:
    """Column and value of each ``key=value`` folder right above the file, outermost first; the default is null."""
    found: list[tuple[str, str | None]] = []
    for part in reversed(PurePosixPath(path.replace(os.sep, "/")).parts[:-1]):
        match = re.fullmatch(r"([^\W\d]\w*)=(.*)", part)
        if match is None:
            break
        value = _unquoted(match[2])
        found.append((match[1], None if value in {"__HIVE_DEFAULT_PARTITION__", ""} else value))
    return tuple(reversed(found))


def _unquoted(value: str) -> str:
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), value.encode())
    return raw.decode("utf-8", errors="replace")


def _local(pattern: str, root: Path) -> list[tuple[str, str]]:
    root = root.absolute()
    whole = Path(os.path.normpath(root / Path(pattern).expanduser()))
    if whole.is_file():
        paths, anchor = [whole], whole.parent
    elif whole.is_dir():
        paths, anchor = _files_below(whole), whole
    elif _MAGIC.search(str(pattern)):
        anchor = _literal_folder(whole)
        matches = [Path(match) for match in glob.glob(str(whole), recursive=True)]  # noqa: PTH207 - absolute patterns
        paths = [match for match in matches if match.is_file() and not _ignored(match.name)]
        if not paths:
            paths = [path for match in matches if match.is_dir() for path in _files_below(match)]
    else:
        paths, anchor = [], whole.parent
    if not paths:
        raise _nothing_found(pattern, whole, anchor)
    base = root if all(path.is_relative_to(root) for path in paths) else anchor
    named = [(str(path), path.relative_to(base).as_posix()) for path in paths]
    return sorted(named, key=lambda pair: natural_key(pair[1]))


def _ignored(name: str) -> bool:
    return name.startswith((".", "_"))


def _files_below(folder: Path) -> list[Path]:
    if not os.access(folder, os.R_OK | os.X_OK):
        raise SourceError(
            str(folder), "the folder may not be listed (permission denied)", "Allow reading it and run again."
        )
    files: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _ignored(name)]
        files += [Path(parent, name) for name in names if not _ignored(name)]
    telling = [file for file in files if _DATA_SUFFIXES & {suffix.lower() for suffix in file.suffixes[-2:]}]
    return telling or files


def _literal_folder(pattern: PathT) -> PathT:
    parts = []
    for part in pattern.parts[:-1]:
        if _MAGIC.search(part):
            break
        parts.append(part)
    return type(pattern)(*parts)


def _nothing_found(pattern: str, whole: Path, anchor: Path) -> SourceError:
    if whole.is_dir():
        return SourceNotFoundError(pattern, "the folder holds no file", "Put the input there, or name its folder.")
    if anchor.is_dir() and not os.access(anchor, os.R_OK | os.X_OK):
        return SourceError(
            pattern, f"the folder {anchor} may not be listed (permission denied)", "Allow reading it and run again."
        )
    if not anchor.is_dir():
        return SourceNotFoundError(
            pattern,
            f"the folder {anchor} does not exist",
            "Correct [source] files; relative paths start at the job file.",
        )
    names = sorted(path.name for path in anchor.iterdir())
    near = difflib.get_close_matches(whole.name, names, n=1, cutoff=0.6)
    hint = f'Did you mean "{near[0]}"?' if near else f"There: {', '.join(names[:5]) or 'nothing'}."
    what = "matches no file" if _MAGIC.search(pattern) else "no such file"
    return SourceNotFoundError(pattern, f"{what} in {anchor}", f"{hint} Correct [source] files.")


def _remote(pattern: Address) -> list[tuple[str, str]]:
    filesystem, inner = filesystem_of(pattern)
    with explained(pattern):
        # A listing kept from before would hide files that have come since.
        filesystem.invalidate_cache()
        paths, anchor = _remote_paths(filesystem, inner)
    if not paths:
        what = "matches no object" if _MAGIC.search(inner) else "no such object or folder (not found)"
        raise SourceNotFoundError(pattern, what, "Correct [source] files.")
    named = [
        (Address(filesystem.unstrip_protocol(path), pattern.options), path.removeprefix(anchor).lstrip("/"))
        for path in paths
    ]
    return sorted(named, key=lambda pair: natural_key(pair[1]))


def _remote_paths(filesystem: Any, inner: str) -> tuple[list[str], str]:
    """The files that a path or pattern means, and the folder that their names start below."""
    if _MAGIC.search(inner):
        found = filesystem.glob(inner, detail=True)
        anchor = _literal_folder(PurePosixPath(inner)).as_posix()
    else:
        about = filesystem.info(inner)
        if about["type"] != "directory":
            return [inner], str(PurePosixPath(inner).parent)
        found, anchor = filesystem.find(inner, detail=True), inner
    below = anchor.rstrip("/")
    files = [path for path, about in found.items() if about["type"] == "file" and not path.endswith("/")]
    return [path for path in files if not _any_ignored(path.removeprefix(below))], below


def _any_ignored(path: str) -> bool:
    return any(_ignored(part) for part in PurePosixPath(path).parts if part != "/")


def _told_apart(names: dict[str, str]) -> dict[str, str]:
    """The same files with longer names, parent folders first, where several had the same."""
    names = dict(names)
    for depth in range(2, 64):
        counts = Counter(names.values())
        clashing = [path for path, name in names.items() if counts[name] > 1]
        if not clashing:
            break
        for path in clashing:
            parts = PurePosixPath(path.replace(os.sep, "/")).parts
            name_parts = PurePosixPath(names[path]).parts
            names[path] = "/".join(parts[-max(depth, len(name_parts) + 1) :]).replace("//", "/")
    return names
