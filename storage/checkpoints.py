"""Whether the checkpoints of a log say what its entries say: readers trust them, and a wrong one loses rows."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from storage.layout import DELTA_LOG, DatasetLayout
from storage.log import entry_numbers, entry_path
from storage.parquet import open_parquet
from storage.places import Place

_NAME = re.compile(r"(\d{20})\.checkpoint\.parquet")
#: What decides how a table is read. Files that are no longer part of it are left out after a while.
_COMPARED = {
    "add": ("path", "size", "stats", "modificationTime"),
    "txn": ("appId", "version"),
    "metaData": ("id", "schemaString", "configuration", "partitionColumns"),
    "protocol": ("minReaderVersion", "minWriterVersion", "readerFeatures", "writerFeatures"),
}


def checkpoints(log: Place) -> dict[int, Place]:
    """Version number -> its checkpoint, ascending."""
    found = {int(match[1]): path for path in log.glob("*.parquet") if (match := _NAME.fullmatch(path.name))}
    return dict(sorted(found.items()))


def false_checkpoints(layout: DatasetLayout) -> Iterator[tuple[int, Place, str]]:
    """Number, file and what is wrong of each checkpoint that does not say what the entries up to it say.

    Entries that cannot be read are the caller's to tell; nothing is compared with them.
    """
    there = checkpoints(layout.log)
    if not there:
        return
    with TemporaryDirectory(prefix="textmill-log-") as folder:
        log = Path(folder) / DELTA_LOG
        log.mkdir()
        for number in entry_numbers(layout.log):
            if number <= max(there):
                (log / f"{number:020d}.json").write_bytes(entry_path(layout.log, number).read_bytes())
        for number, path in there.items():
            try:
                DeltaTable(folder, version=number).create_checkpoint()
                expected = _actions(log / path.name)
                (log / path.name).unlink()
            except (DeltaError, OSError, ValueError):
                continue
            try:
                same = _actions(path) == expected
            except (OSError, ValueError, pa.ArrowException) as error:
                yield number, path, f"the checkpoint cannot be read ({error})"
            else:
                if not same:
                    yield number, path, "the checkpoint does not say what the entries of the log say"


def _actions(path: Place) -> Counter[str]:
    with open_parquet(str(path)) as parquet:
        rows: list[dict[str, Any]] = parquet.read().to_pylist()
    return Counter(
        repr((kind, [_plain(row[kind].get(field)) for field in fields]))
        for row in rows
        for kind, fields in _COMPARED.items()
        if row.get(kind) is not None
    )


def _plain(value: Any) -> Any:
    """Lists in one order: maps and features have none."""
    return sorted(value, key=repr) if isinstance(value, list) else value
