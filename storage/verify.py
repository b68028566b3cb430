"""Every damage that can be found in a store: what is missing, cut short, changed, foreign or unreadable.

A file's name holds half of the SHA-256 of its bytes, so one look at each file is enough, and a broken log does not
keep the files from being checked.
"""

import re
from collections.abc import Container, Iterator

from storage.arranging.policy import is_automatic, policy_path
from storage.checkpoints import false_checkpoints
from storage.errors import StoreDamagedError, StoreError
from storage.files import ASIDE_SUFFIX
from storage.layout import OWN, DatasetLayout, StoreLayout, is_dataset_name, parse_part_name
from storage.log import entry_numbers, entry_path, read_entry, readable_lifetimes
from storage.parquet import footer, sha256_of
from storage.places import Place, below
from storage.problems import BROKEN_LOG, CHANGED, FOREIGN, MISSING, ORPHAN, TRUNCATED, Problem
from storage.seals import broken_seals, note_path
from storage.statistics import untrue
from storage.table import has_table, open_table
from storage.vacuumed import vacuumed_numbers

#: What writers of Delta logs leave there; what starts with "_" or "." is a hint, or a write that was cut off.
_LOG_FILE = re.compile(r"\d{20}\.(json|crc|checkpoint(\.\d{10}\.\d{10}|\.[0-9a-f-]{36})?\.(parquet|json))|[_.].*")
_OWN_FILE = re.compile(r"(vacuumed|newest|automatic)\.json|\..*" + re.escape(ASIDE_SUFFIX))
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
            yield self._entry(number, error.problem)
        yield from self._seals()
        if not _opens(self.layout):
            detail = "the table cannot be opened"
            yield self.problem(BROKEN_LOG, self.layout.log, detail, (), "Restore the log from a backup.")
        for number, path, detail in false_checkpoints(self.layout):
            cure = "Restore it from a backup, or remove it and `_last_checkpoint`: the entries say it all."
            yield self.problem(BROKEN_LOG, path, detail, (number,), cure)

    def _entry(self, number: int, detail: str) -> Problem:
        path = entry_path(self.layout.log, number)
        return self.problem(BROKEN_LOG, path, detail, (number,), "Restore the file from a backup.")

    def _seals(self) -> Iterator[Problem]:
        try:
            for number, detail in broken_seals(self.layout):
                if number not in self.broken:
                    yield self._entry(number, detail)
        except StoreDamagedError as error:
            yield self.problem(CHANGED, note_path(self.layout), error.problem, (), error.cure)

    def own(self) -> Iterator[Problem]:
        """Files beside the log that are not the store's, and the store's that cannot be understood."""
        for folder, known in ((self.layout.log, _LOG_FILE), (self.layout.folder / OWN, _OWN_FILE)):
            there: list[Place] = [path for path in folder.rglob("*") if path.is_file()]
            for path in sorted(there, key=str):
                if not known.fullmatch(path.name):
                    yield self.problem(FOREIGN, path, "the store did not write it here", (), "Move it elsewhere.")
        try:
            vacuumed_numbers(self.layout)
        except StoreDamagedError as error:
            yield self.problem(CHANGED, self.layout.vacuumed, error.problem, (), error.cure)
        try:
            is_automatic(self.layout)
        except StoreDamagedError as error:
            yield self.problem(CHANGED, policy_path(self.layout), error.problem, (), error.cure)

    def needed(self) -> dict[Place, tuple[int, list[int]]]:
        """File -> its size and the readable versions that need it, as far as the log can be read."""
        gone = self._vacuumed()
        numbers = [number for number in entry_numbers(self.layout.log) if number not in gone]
        needed: dict[Place, tuple[int, list[int]]] = {
            self.layout.folder / name: (life.size, life.within(numbers)) for name, life in self.lifetimes.items()
        }
        for number in numbers:
            for path, size in self._fates(number):
                needed.setdefault(path, (size, []))[1].append(number)
        return {path: facts for path, facts in needed.items() if facts[1]}

    def _vacuumed(self) -> frozenset[int]:
        try:
            return vacuumed_numbers(self.layout)
        except StoreDamagedError:
            return frozenset()

    def _fates(self, number: int) -> list[tuple[Place, int]]:
        try:
            facts = read_entry(self.layout.log, number).facts or {}
            return [(self.layout.fates / line["name"], int(line["bytes"])) for line in facts.get("fates", ())]
        except (StoreDamagedError, KeyError, TypeError, ValueError):
            return []  # the entry was told already

    def files(self, only: Container[str] | None = None) -> Iterator[Problem]:
        """What is wrong with the files; with `only`, of those whose path below the store is in it."""
        needed = self.needed()
        there: dict[Place, int] = {
            path: path.stat().st_size for path in self.layout.folder.rglob("*") if path.is_file()
        }
        for path, (size, versions) in sorted(needed.items(), key=lambda item: str(item[0])):
            if only is None or below(path, self.store.root) in only:
                yield from self._file(path, there.get(path), size, tuple(versions))
        for path in sorted(there, key=str):
            if path not in needed and not self._own(path) and (only is None or below(path, self.store.root) in only):
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
        # In this order, since a commit may land in between.
        last = entry_numbers(layout.log)[-1]
        return bool(open_table(layout).version() >= last)
    except StoreError:
        return False


def verify_dataset(store: StoreLayout, layout: DatasetLayout) -> list[Problem]:
    """The problems of one dataset or system table, those of the log first.

    A commit or a vacuum may be at work meanwhile: damage is what is still there at a second look, which reads only
    files that had a problem at the first.
    """
    found = _problems(store, layout)
    again = set(_problems(store, layout, {problem.path for problem in found})) if found else set()
    return [problem for problem in found if problem in again]


def _problems(store: StoreLayout, layout: DatasetLayout, only: Container[str] | None = None) -> list[Problem]:
    checker = _Checker(store, layout)
    return [*checker.log(), *checker.own(), *checker.files(only)]


def _without_log(store: StoreLayout, layout: DatasetLayout) -> Iterator[Problem]:
    """The files of a table that has no log: a first commit that died, or the log was lost."""
    if has_table(layout):
        return
    checker = _Checker(store, layout)
    if note_path(layout).is_file():
        detail, cure = "the log is not there, though versions were committed", "Restore the log from a backup."
        yield checker.problem(BROKEN_LOG, layout.log, detail, (), cure)
    files: list[Place] = [*layout.folder.rglob("*.parquet")]
    for file in sorted(files, key=str):
        detail = "its dataset has no log: a first commit died, or the log was lost"
        yield checker.problem(ORPHAN, file, detail, (), "Restore the log, or remove the folder.")


def verify_folders(store: StoreLayout) -> Iterator[Problem]:
    """Files in folders that could be datasets but have no log, and files that are no part of any store."""
    own = [str(path) for path in (store.mark, store.views, f"{store.views}.wal")]
    system = store.system("models").folder.parent
    tables: list[Place] = [*system.iterdir()] if system.is_dir() else []
    for table in sorted(tables, key=str):
        if table.is_dir() and not table.name.startswith("_"):
            yield from _without_log(store, store.system(table.name))
    found: list[Place] = [*store.root.iterdir()]
    for path in sorted(found, key=str):
        if path.is_dir() and is_dataset_name(path.name):
            yield from _without_log(store, store.dataset(path.name))
        elif path.is_file() and str(path) not in own:
            detail, cure = "the store did not write it here", "Move it elsewhere."
            yield Problem(dataset="", kind=FOREIGN, path=path.name, detail=detail, versions=(), cure=cure)
