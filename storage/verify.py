"""Every damage that can be found in a store: what is missing, cut short, changed, foreign or unreadable.

A file's name holds half of the SHA-256 of its bytes, so one look at each file is enough, and a broken log does not
keep the files from being checked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from storage.errors import StoreDamagedError, StoreError
from storage.files import ASIDE_SUFFIX
from storage.layout import OWN, DatasetLayout, StoreLayout, is_dataset_name, parse_part_name
from storage.log import entry_numbers, entry_path, read_entry, readable_lifetimes
from storage.parquet import footer, sha256_of
from storage.places import Place, below
from storage.registry import Models, saved_files
from storage.statistics import untrue
from storage.table import has_table, open_table
from storage.vacuumed import vacuumed_numbers

#: Kinds of problems. An orphan is no damage: a run that died left it, and a vacuum removes it.
MISSING, TRUNCATED, CHANGED, FOREIGN, BROKEN_LOG, ORPHAN = (
    "missing",
    "truncated",
    "changed",
    "foreign",
    "broken_log",
    "orphan",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in the store that is not as the store wrote it.

    Attributes
    ----------
    dataset
        The dataset's, system table's or model's name.
    kind
        "missing", "truncated", "changed", "foreign", "broken_log" or "orphan".
    path
        Relative to the store.
    detail
        What was found and what was expected.
    versions
        The versions that need the file; empty where none does.
    cure
        What to do next.
    """

    dataset: str
    kind: str
    path: str
    detail: str
    versions: tuple[int, ...]
    cure: str

    def __str__(self) -> str:
        needed = f" (versions {', '.join(map(str, self.versions[:8]))})" if self.versions else ""
        return f"{self.path}: {self.kind}, {self.detail}{needed}. {self.cure}"


_RESTORE = "Restore the file from a backup, or roll back to a version without it."


class _Checker:
    """One dataset being checked."""

    def __init__(self, store: StoreLayout, layout: DatasetLayout) -> None:
        self.store = store
        self.layout = layout
        self.lifetimes, self.broken = readable_lifetimes(layout.log)

    def problem(self, kind: str, path: Place, detail: str, versions: tuple[int, ...], cure: str) -> Problem:
        relative = below(path, self.store.root)
        return Problem(dataset=self.layout.name, kind=kind, path=relative, detail=detail, versions=versions, cure=cure)

    def log(self) -> Iterator[Problem]:
        """What is wrong with the log."""
        for number, error in self.broken.items():
            path = entry_path(self.layout.log, number)
            yield self.problem(BROKEN_LOG, path, error.problem, (number,), "Restore the file from a backup.")
        if not _opens(self.layout):
            detail = "the table cannot be opened"
            yield self.problem(BROKEN_LOG, self.layout.log, detail, (), "Restore the log from a backup.")

    def needed(self) -> dict[Place, tuple[int, list[int]]]:
        """File -> its size and the readable versions that need it, as far as the log can be read."""
        gone = vacuumed_numbers(self.layout)
        numbers = [number for number in entry_numbers(self.layout.log) if number not in gone]
        needed: dict[Place, tuple[int, list[int]]] = {
            self.layout.folder / name: (life.size, life.within(numbers)) for name, life in self.lifetimes.items()
        }
        for number in numbers:
            for path, size in self._fates(number):
                needed.setdefault(path, (size, []))[1].append(number)
        return {path: facts for path, facts in needed.items() if facts[1]}

    def _fates(self, number: int) -> list[tuple[Place, int]]:
        try:
            facts = read_entry(self.layout.log, number).facts or {}
        except StoreDamagedError:
            return []
        return [(self.layout.fates / line["name"], int(line["bytes"])) for line in facts.get("fates", ())]

    def files(self) -> Iterator[Problem]:
        needed = self.needed()
        there: dict[Place, int] = {
            path: path.stat().st_size for path in self.layout.folder.rglob("*") if path.is_file()
        }
        for path, (size, versions) in sorted(needed.items(), key=lambda item: str(item[0])):
            yield from self._file(path, there.get(path), size, tuple(versions))
        for path in sorted(there, key=str):
            if path not in needed and not self._own(path):
                yield self._stray(path)

    def _own(self, path: Place) -> bool:
        return below(path, self.layout.folder).partition("/")[0] in (self.layout.log.name, OWN)

    def _file(self, path: Place, found: int | None, size: int, versions: tuple[int, ...]) -> Iterator[Problem]:
        name = parse_part_name(path.name)
        if found is None:
            yield self.problem(MISSING, path, "the file is not there", versions, _RESTORE)
        elif found != size:
            kind = TRUNCATED if found < size else CHANGED
            yield self.problem(kind, path, f"{found} bytes instead of {size}", versions, _RESTORE)
        elif name is not None and not sha256_of(path).startswith(name.sha):
            yield self.problem(CHANGED, path, "its content does not fit its name", versions, _RESTORE)
        elif problem := self._untrue(path):
            cure = "Restore the entries of the log that name it from a backup."
            yield self.problem(BROKEN_LOG, path, problem, versions, cure)

    def _untrue(self, path: Place) -> str:
        """What the log says wrongly of a file that is as the store wrote it."""
        life = self.lifetimes.get(below(path, self.layout.folder))
        if life is None or not life.statistics or parse_part_name(path.name) is None:
            return ""
        return untrue(life.statistics, footer(path))

    def _stray(self, path: Place) -> Problem:
        name = parse_part_name(path.name)
        ours = name is not None and sha256_of(path).startswith(name.sha)
        if ours or path.name.endswith(ASIDE_SUFFIX):
            detail = "no version names it: a run ended before its commit, or a version was vacuumed"
            return self.problem(ORPHAN, path, detail, (), "`textmill vacuum` removes it.")
        return self.problem(FOREIGN, path, "the store did not write it here", (), "Move it elsewhere.")


def _opens(layout: DatasetLayout) -> bool:
    try:
        return bool(open_table(layout).version() == entry_numbers(layout.log)[-1])
    except StoreError:
        return False


def verify_dataset(store: StoreLayout, layout: DatasetLayout) -> Iterator[Problem]:
    """The problems of one dataset or system table, those of the log first."""
    checker = _Checker(store, layout)
    yield from checker.log()
    yield from checker.files()


def verify_models(store: StoreLayout) -> Iterator[Problem]:
    """Files of models that are not as they were saved, and folders among the models that no record names."""
    models = Models(store)
    rows = models.rows()
    for name in sorted(models.folders()):
        if name not in rows:
            path = below(store.models / name, store.root)
            detail, cure = "no record names this model", "Move it elsewhere."
            yield Problem(dataset=name, kind=FOREIGN, path=path, detail=detail, versions=(), cure=cure)
        else:
            yield from _model_files(store, name, rows[name])


def _model_files(store: StoreLayout, name: str, row: Mapping[str, Any]) -> Iterator[Problem]:
    for file, sha in saved_files(row).items():
        path = store.models / name / file
        try:
            found = sha256_of(path)
        except FileNotFoundError:
            kind, detail = MISSING, "the model's file is not there"
        else:
            if found == sha:
                continue
            kind, detail = CHANGED, "the model's file is not as it was saved"
        cure = "Restore the file from a backup, or train the model again: see `textmill reproduce`."
        where = below(path, store.root)
        yield Problem(dataset=name, kind=kind, path=where, detail=detail, versions=(), cure=cure)


def verify_folders(store: StoreLayout) -> Iterator[Problem]:
    """Files in folders that could be datasets but have no log, and files that are no part of any store."""
    own = [str(path) for path in (store.mark, store.views, f"{store.views}.wal")]
    found: list[Place] = [*store.root.iterdir()]
    for path in sorted(found, key=str):
        if path.is_dir() and is_dataset_name(path.name) and not has_table(store.dataset(path.name)):
            checker = _Checker(store, store.dataset(path.name))
            files: list[Place] = [*path.rglob("*.parquet")]
            for file in sorted(files, key=str):
                detail = "its dataset has no log: a first commit died, or the log was lost"
                yield checker.problem(ORPHAN, file, detail, (), "Restore the log, or remove the folder.")
        elif path.is_file() and str(path) not in own:
            detail, cure = "the store did not write it here", "Move it elsewhere."
            yield Problem(dataset="", kind=FOREIGN, path=path.name, detail=detail, versions=(), cure=cure)
