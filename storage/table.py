"""The Delta log through `deltalake`: open a table, commit files that are already written.

Every commit is tried once for one number (`max_commit_retries=0`): what it says about the whole version, like the
fingerprint and the row count, holds for exactly the base it was computed from. Whoever loses the number computes
anew. The run id goes into the log as a Delta application transaction, so that one look at the newest snapshot tells
whether the run has landed, however many versions there are.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt
from deltalake import CommitProperties, DeltaTable, Schema, TableFeatures, Transaction
from deltalake.exceptions import DeltaError, DeltaProtocolError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from storage.buckets import storage_options
from storage.errors import DatasetNotFoundError, StoreDamagedError
from storage.files import explained, sync_file, sync_folder
from storage.layout import DELTA_LOG, DatasetLayout
from storage.log import KEY, entry_path
from storage.parquet import footer
from storage.places import ObjectPath, Place
from storage.seals import note_newest, sealed
from storage.statistics import file_statistics
from storage.versions import DataFile

_CONFIGURATION = {"delta.enableExpiredLogCleanup": "false"}
#: In a bucket every entry since the last checkpoint is a request of its own.
_IN_A_BUCKET = {"delta.checkpointInterval": "10"}


@contextmanager
def _understood(layout: DatasetLayout) -> Iterator[None]:
    try:
        with explained(layout.folder):
            yield
    except TableNotFoundError as error:
        raise DatasetNotFoundError(
            layout.name, "there is no such dataset", "List them with `textmill datasets`."
        ) from error
    except (DeltaProtocolError, DeltaError) as error:
        raise StoreDamagedError(
            str(layout.log),
            f"the log cannot be read ({str(error).splitlines()[0]})",
            "Run `textmill verify` to see what is damaged, and restore it from a backup.",
        ) from error


def has_table(layout: DatasetLayout) -> bool:
    """Whether there is a Delta table."""
    return any(True for _ in layout.log.glob("*.json"))


def open_table(layout: DatasetLayout, number: int | None = None) -> DeltaTable:
    """The table at a version; the newest one for None.

    Raises
    ------
    DatasetNotFoundError
        If there is no table.
    StoreDamagedError
        If its log cannot be read.
    """
    with _understood(layout):
        uri = str(layout.folder)
        return DeltaTable(uri, version=number, storage_options=storage_options(uri))


def find_table(layout: DatasetLayout) -> DeltaTable | None:
    """The table as it is now, or None where there is none; raises `StoreDamagedError` where its log cannot be read."""
    if isinstance(layout.folder, Path) and not has_table(layout):
        return None
    try:
        return open_table(layout)
    except DatasetNotFoundError:
        return None


def table_schema(table: DeltaTable) -> pa.Schema:
    """The table's columns."""
    return pa.schema(table.schema().to_arrow())


def file_actions(table: DeltaTable) -> pa.Table:
    """A row for each file as the log tells of it: `path`, size, rows, and ``min.c`` and ``max.c`` of columns c."""
    # `pa.table` would load pandas to see whether this is a frame of it, which takes longer than a query.
    return pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=True)).read_all()


def table_files(layout: DatasetLayout, table: DeltaTable) -> tuple[DataFile, ...]:
    """The table's files in row order: sorted by name."""
    return listed_files(layout, file_actions(table))


def listed_files(layout: DatasetLayout, actions: pa.Table) -> tuple[DataFile, ...]:
    """As `table_files`, of what `file_actions` gave."""
    lines = zip(
        actions["path"].to_pylist(),
        actions["num_records"].to_pylist(),
        actions["size_bytes"].to_pylist(),
        strict=True,
    )
    # Joined as texts: a `Path` for each of 10,000 files would cost more than reading the log.
    folder = str(layout.folder)
    return tuple(
        DataFile(path=path, rows=_rows(path, rows), bytes=size)
        for path, rows, size in ((f"{folder}/{name}", rows, size) for name, rows, size in sorted(lines))
    )


def _rows(path: str, known: int | None) -> int:
    # Other programs may leave the count out.
    return known if known is not None else int(footer(path).num_rows)


def landed(table: DeltaTable, run: str) -> int | None:
    """The number of the version that this run committed, or None."""
    return table.transaction_version(run)


def remove_action(file: DataFile, *, data_change: bool) -> RemoveAction:
    """The log's word that a file is no longer part of the dataset."""
    return RemoveAction(Path(file.path).name, data_change, int(time.time() * 1000), file.bytes)


def add_action(
    path: Place, metadata: pq.FileMetaData, size: int, *, data_change: bool = True, shown: Sequence[str] = ()
) -> AddAction:
    """The log's record of a file, with what `storage.statistics` tells of its columns."""
    # A bucket would have to be asked for the time; the file came there this moment.
    written = path.stat().st_mtime if isinstance(path, Path) else time.time()
    return AddAction(path.name, size, {}, int(written * 1000), data_change, file_statistics(metadata, shown))


def _properties(facts: Mapping[str, Any], run: str | None, number: int) -> CommitProperties:
    return CommitProperties(
        custom_metadata={KEY: dict(facts)},
        max_commit_retries=0,
        app_transactions=[Transaction(run, number)] if run is not None else None,
    )


def commit_files(
    layout: DatasetLayout,
    base: DeltaTable | None,
    adds: Sequence[AddAction],
    schema: pa.Schema,
    *,
    removes: Sequence[RemoveAction] = (),
    replace: bool,
    facts: Mapping[str, Any],
    run: str | None,
    number: int,
) -> None:
    """Nothing; the log has entry `number` with these files afterwards, safely on disk.

    Parameters
    ----------
    removes
        Files of `base` that the version does not have; all of them go where `replace` is given.

    Raises
    ------
    deltalake.exceptions.DeltaError
        If another writer took the number, or the outcome is unknown: see `landed`.
    DiskFullError, StoreNotWritableError
        If the log cannot be written.
    """
    with explained(layout.log):
        properties = _properties(sealed(layout, number, facts), run, number)
        if base is None:
            create_table_with_add_actions(
                str(layout.folder),
                Schema.from_arrow(schema),
                list(adds),
                mode="error",
                configuration=_CONFIGURATION | (_IN_A_BUCKET if isinstance(layout.folder, ObjectPath) else {}),
                storage_options=storage_options(str(layout.folder)),
                commit_properties=properties,
            )
        else:
            base.create_write_transaction(
                [*adds, *removes],
                "overwrite" if replace else "append",
                Schema.from_arrow(schema),
                commit_properties=properties,
            )
        _settle(layout, number)


def _settle(layout: DatasetLayout, number: int) -> None:
    """Nothing; the log entry is on disk, and known as the newest."""
    sync_file(entry_path(layout.log, number))
    sync_folder(layout.folder / DELTA_LOG)
    note_newest(layout, number)


def restore_files(
    layout: DatasetLayout, base: DeltaTable, target: int, *, facts: Mapping[str, Any], run: str, number: int
) -> None:
    """Nothing; the log has entry `number` with the files and columns of version `target` afterwards."""
    with explained(layout.log):
        properties = _properties(sealed(layout, number, facts), run, number)
        base.restore(target, protocol_downgrade_allowed=True, commit_properties=properties)
        _settle(layout, number)


def prepare_columns(layout: DatasetLayout, base: DeltaTable, schema: pa.Schema, *, append: bool) -> bool:
    """Whether the log had to get an entry that makes room for `schema`; the base is out of date then.

    An append cannot bring columns by itself, and times without a zone need a feature of the Delta protocol.
    """
    prepared = False
    if any(pt.is_timestamp(kind) and kind.tz is None for kind in schema.types) and "timestampNtz" not in (
        base.protocol().reader_features or []
    ):
        base.alter.add_feature(
            TableFeatures.TimestampWithoutTimezone,
            allow_protocol_versions_increase=True,
            commit_properties=_step(layout, base),
        )
        prepared = True
    known = set(table_schema(base).names)
    if append and any(name not in known for name in schema.names):
        fresh = [field for field in Schema.from_arrow(schema).fields if field.name not in known]
        base.alter.add_columns(fresh, commit_properties=_step(layout, base))
        prepared = True
    return prepared


def _step(layout: DatasetLayout, base: DeltaTable) -> CommitProperties:
    return _properties(sealed(layout, base.version() + 1, {"step": "schema"}), None, 0)
