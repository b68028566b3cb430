"""An earlier version made the newest again; nothing is copied."""

import secrets
from typing import Any

from storage.commit import take_rounds
from storage.history import Head, newest_head, require_files
from storage.layout import DatasetLayout
from storage.locks import locked
from storage.table import open_table, restore_files
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

        return take_rounds(layout, run, play)


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
