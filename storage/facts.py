"""What a log entry says about the version it makes: one dict, built in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from storage.fingerprint import Fingerprint
from storage.schema import content_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """The facts of a version that is about to be committed.

    Attributes
    ----------
    run, mode, message, author, ledger, origin, changes, copied_from
        As in `storage.versions.Version`.
    rows, bytes, files
        Of the whole version.
    fingerprint
        Over its content.
    schema
        Its columns.
    uniform
        Whether every file has all of them.
    fates
        Its fates files: name, rows, bytes.
    ordinal
        How many versions there are with it; None where that is not known.
    arranged
        How its files were last arranged on purpose: ``sort``, ``z_order``, ``partition``, ``target_bytes``.
    """

    run: str
    mode: str
    message: str
    author: str
    ledger: Mapping[str, Any]
    rows: int
    bytes: int
    files: int
    fingerprint: Fingerprint
    schema: pa.Schema
    uniform: bool
    fates: Sequence[Mapping[str, Any]]
    ordinal: int | None
    origin: int | None = None
    changes: Mapping[str, int] = field(default_factory=dict)
    copied_from: str = ""
    arranged: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The facts as JSON."""
        return {
            "format": 1,
            "run": self.run,
            "mode": self.mode,
            "message": self.message,
            "author": self.author,
            "ledger": dict(self.ledger),
            "rows": self.rows,
            "bytes": self.bytes,
            "files": self.files,
            "fingerprint": self.fingerprint.to_dict(),
            "digest": self.fingerprint.digest(content_schema(self.schema)),
            "columns": self.schema.names,
            "uniform": self.uniform,
            "origin": self.origin,
            "fates": [dict(line) for line in self.fates],
            "ordinal": self.ordinal,
            "changes": dict(self.changes),
            "copied_from": self.copied_from,
            "arranged": dict(self.arranged),
        }
