"""An earlier version made the newest again; nothing is copied."""

import secrets
from typing import Any

from deltalake.exceptions import DeltaError

from storage.commit import take_rounds
from storage.errors import StoreDamagedError
from storage.history import Head, head_before, newest_head, require_files
from storage.layout import DatasetLayout
from storage.locks import locked
from storage.table import open_table, restore_files
from storage.vacuumed import add_vacuumed, vacuumed_numbers
from storage.versions import ROLLBACK


def rollback(layout: DatasetLayout, target: Head, *, message: str, author: str) -> int:
    """The number of a new version with the files and columns of `target`; nothing is copied.

    Where `target` is the newest version already, that is its own number.

    Raises
    ------
    VersionVacuumedError
        If the target has lost its files.
    DiskFullError, StoreNotWritableError, StoreBusyError, CommitConflictError
        If it cannot be committed.
    """
    run = f"rollback-{secrets.token_hex(8)}"
    with locked(layout.lock):
        require_files(layout, target.version)

        def play() -> int:
            table = open_table(layout)
            if table.version() == target.version.number:
                return target.version.number
            facts = rollback_facts(target, newest_head(layout), run, message, author)
            number = table.version() + 1
            restore_files(layout, table, target.version.number, facts=facts, run=run, number=number)
            return number

        try:
            number = take_rounds(layout, run, play)
        except DeltaError as error:
            require_files(layout, target.version)
            cure = "Run `textmill verify` to see what is damaged."
            raise StoreDamagedError(str(layout.folder), f"the version cannot be restored ({error})", cure) from error
        if number != target.version.number and target.version.number in vacuumed_numbers(layout):
            # A vacuum on another machine may have taken its files, see `storage.vacuum`.
            _undo(layout, number, author)
            require_files(layout, target.version)
        return number


def _undo(layout: DatasetLayout, number: int, author: str) -> None:
    """Nothing; the version before `number`, which is given up, is the newest again if no other has become that."""
    before = head_before(layout, number - 1)
    run = f"rollback-{secrets.token_hex(8)}"

    def play() -> int:
        table = open_table(layout)
        if table.version() == number:
            message = f"rollback of version {number}, whose files a vacuum gave up"
            facts = rollback_facts(before, newest_head(layout), run, message, author)
            restore_files(layout, table, before.version.number, facts=facts, run=run, number=number + 1)
        return number

    take_rounds(layout, run, play)
    add_vacuumed(layout, [number])


def rollback_facts(target: Head, newest: Head, run: str, message: str, author: str) -> dict[str, Any]:
    """What the log entry of a rollback from `newest` to `target` says."""
    version = target.version
    return {
        "format": 1,
        "run": run,
        "mode": ROLLBACK,
        "message": message,
        "author": author,
        "ledger": dict(version.ledger),
        "rows": version.rows,
        "bytes": version.bytes,
        "files": version.files,
        "fingerprint": None if target.fingerprint is None else target.fingerprint.to_dict(),
        "digest": version.fingerprint,
        "columns": list(target.columns),
        "uniform": target.uniform,
        "origin": version.number,
        "fates": list(target.fates),
        "ordinal": newest.next_ordinal,
        "arranged": dict(target.arranged),
    }
