"""What the store tells of a dataset and what it is asked to commit: plain records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from storage.fingerprint import Fingerprint
from storage.parquet import StagedPart

#: How a version came to be.
REPLACE, APPEND, ROLLBACK, EXTERNAL = "replace", "append", "rollback", "external"
DELETE, UPSERT, COLUMNS, COMPACT, COPY, IMPORT = "delete", "upsert", "columns", "compact", "copy", "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a dataset.

    Attributes
    ----------
    dataset
        The dataset's name.
    number
        Its number in the Delta log; numbers rise but may skip.
    fingerprint
        ``"sha256:..."`` over its content; empty for a version that another program wrote.
    rows, bytes, files
        Rows, size of its Parquet files, and how many there are.
    created_at
        When it was committed, ISO 8601 in UTC.
    run
        The run that made it.
    mode
        How it came to be: "replace", "append", "delete", "upsert", "columns", "compact", "rollback", "copy",
        "import", or "external" for a version that another program wrote.
    message, author
        As given with the commit.
    ledger
        What became of every record read for it.
    tags
        The tags that name it, sorted.
    origin
        The version that a rollback brought back, or that a copy was made of; None otherwise.
    changes
        What an edit did to the version before: rows "deleted", "inserted", "updated", files "rewritten".
    copied_from
        The dataset or folder that a copy or import was made of; empty otherwise.
    """

    dataset: str
    number: int
    fingerprint: str
    rows: int
    bytes: int
    files: int
    created_at: str
    run: str
    mode: str
    message: str
    author: str
    ledger: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    origin: int | None = None
    changes: Mapping[str, int] = field(default_factory=dict)
    copied_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """A dataset's newest version in short.

    Attributes
    ----------
    name
        The dataset's name.
    version
        The newest version's number.
    rows, bytes
        Of the newest version.
    updated_at
        When it was committed, ISO 8601 in UTC.
    versions
        How many versions there are.
    files
        Of the newest version.
    hint
        What would make it cheaper to read, in words; empty where nothing would.
    """

    name: str
    version: int
    rows: int
    bytes: int
    updated_at: str
    versions: int
    files: int = 0
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """One Parquet file of a version: absolute path, rows, and size in bytes."""

    path: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is needed to read a version.

    Attributes
    ----------
    version
        Which one.
    schema
        All its columns; files that lack one hold nulls there.
    files
        In row order: by the version that brought them, then by part.
    uniform
        Whether every file has all columns of `schema`.
    """

    version: Version
    schema: pa.Schema
    files: tuple[DataFile, ...]
    uniform: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRequest:
    """Staged files to become a version.

    Attributes
    ----------
    dataset
        The dataset's name; made where it is new.
    mode
        "replace" (the version has these rows alone), "append" (after those already there), or "import" (as
        "replace", of a version that was made elsewhere).
    parts
        Staged files in row order.
    schema
        Their columns.
    fingerprint
        Of the content of all parts.
    run
        The id of the run; a run commits to a dataset once.
    message, author
        For people.
    ledger
        What became of every record read.
    fates
        Staged files of `storage.fates.FATE_SCHEMA`: the rows that were not kept, and why.
    copied_from
        Where an import came from; empty otherwise.
    """

    dataset: str
    mode: str
    parts: tuple[StagedPart, ...]
    schema: pa.Schema
    fingerprint: Fingerprint
    run: str
    message: str = ""
    author: str = ""
    ledger: Mapping[str, Any] = field(default_factory=dict)
    fates: tuple[StagedPart, ...] = ()
    copied_from: str = ""


def iso_time(milliseconds: int) -> str:
    """ISO 8601 in UTC with milliseconds, of milliseconds since 1970."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime | None:
    """The moment that an ISO 8601 text names (UTC where it names no zone), or None where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
