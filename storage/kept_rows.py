"""Rows of a query that has pages, kept in order so that a page costs the same wherever it starts.

The first page is computed alone. A later one computes the result from where it starts and keeps it as a window: rows
in a file of small batches, of which a page opens those that it needs. A window ends at a size; a page past its end
makes the next one. So the disk that pages take is bounded, and a result is computed once a window, not once a page.

Windows lie in the store's cache, by the text of the query and the versions it sees. They may vanish at any time.
"""

import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from storage.errors import QueryError
from storage.files import ASIDE_SUFFIX, explained

WINDOW_BYTES = 256 << 20
#: Of the windows of one store: those that nobody has read for so long, or that were read least lately, go.
_MOST_BYTES, _MOST_AGE_S = 1 << 30, 24 * 3600
_BATCH_ROWS = 1024
_NAME = re.compile(r"\w+-(?P<start>\d{15})-(?P<stop>\d{15})(?P<last>-last)?\.arrow")
#: What does not give the same rows twice: chance, and the time.
_FICKLE = re.compile(
    r"\b(random|setseed|uuid|uuidv4|uuidv7|gen_random_uuid|nextval|currval|now|today|age|txid_current"
    r'|transaction_timestamp)"?\s*\(|\b(\w*current_\w+|localtime|localtimestamp|tablesample|using\s+sample)\b',
    re.IGNORECASE,
)


def is_fickle(query: str) -> bool:
    """Whether a query may give other rows each time it runs; a name that only looks so counts too."""
    return _FICKLE.search(query) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """Rows ``start <= row < stop`` of a result in a file, and whether they are its last."""

    path: Path
    start: int
    stop: int
    is_last: bool

    def holds(self, start: int, rows: int) -> bool:
        """Whether `rows` rows from `start` on, or as many as there are, lie within."""
        return self.start <= start and (self.is_last or start + rows <= self.stop)


class KeptRows:
    """The windows of one result.

    Parameters
    ----------
    cache
        The folder of all windows of the store.
    key
        What stands for the result: letters and digits.
    require
        Raises where the result must not be read any more, because a vacuum gave up a version that it sees.
    """

    def __init__(self, cache: Path, key: str, require: Callable[[], None]) -> None:
        self._cache, self._key, self._require = cache, key, require

    def find(self, start: int, rows: int) -> pa.RecordBatchReader | None:
        """Up to `rows` rows from `start` on; None where no window holds them."""
        self._require()
        for window in _windows(self._cache, self._key):
            if window.holds(start, rows):
                try:
                    os.utime(window.path)
                    return _read(window, start, rows)
                except (OSError, pa.ArrowInvalid):  # gone this moment, or damaged
                    with suppress(OSError):
                        window.path.unlink()
        return None

    def keep(self, reader: pa.RecordBatchReader, start: int, rows: int) -> pa.RecordBatchReader:
        """Up to `rows` rows from `start` on, where `reader` starts; a window has them and more afterwards.

        Raises
        ------
        DiskFullError, StoreNotWritableError
            If there is no place for a window.
        """
        with explained(self._cache):
            self._cache.mkdir(parents=True, exist_ok=True)
            path = self._cache / f"{secrets.token_hex(8)}{ASIDE_SUFFIX}"
            try:
                with open(path, "xb") as file:
                    count, is_last = self._write(reader, file, rows)
                last = "-last" if is_last else ""
                stop = start + count
                path = path.replace(self._cache / f"{self._key}-{start:015d}-{stop:015d}{last}.arrow")
                self._require()
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        found = _read(_Window(path=path, start=start, stop=stop, is_last=is_last), start, rows)
        _trim(self._cache, path)
        return found

    def _write(self, reader: pa.RecordBatchReader, file: BinaryIO, rows: int) -> tuple[int, bool]:
        """Rows written, and whether there are no more."""
        count = 0
        with pa.ipc.new_file(file, reader.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            for batch in _even(reader):
                if count >= rows and file.tell() >= WINDOW_BYTES:
                    return count, False
                writer.write_batch(batch)
                count += batch.num_rows
        return count, True


def drop_kept_rows(cache: Path) -> None:
    """Nothing; no window is left, and whoever turns a page computes it anew."""
    for path in cache.glob("*.arrow"):
        path.unlink(missing_ok=True)


def lost_rows() -> QueryError:
    """The error for a page that cannot be computed again."""
    return QueryError(
        "cursor",
        "the query depends on chance or on the time, and the rows of its first page are no longer kept",
        "Start again without a cursor.",
    )


def _windows(cache: Path, key: str) -> Iterator[_Window]:
    for path in sorted(cache.glob(f"{key}-*.arrow")):
        if match := _NAME.fullmatch(path.name):
            yield _Window(
                path=path, start=int(match["start"]), stop=int(match["stop"]), is_last=match["last"] is not None
            )


def _even(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The rows in batches of `_BATCH_ROWS`; the last may be shorter."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in reader:
        while rows + batch.num_rows >= _BATCH_ROWS:
            head = batch.slice(0, _BATCH_ROWS - rows)
            batch = batch.slice(head.num_rows)
            yield pa.concat_batches([*waiting, head]) if waiting else head
            waiting, rows = [], 0
        if batch.num_rows:
            waiting.append(batch)
            rows += batch.num_rows
    if waiting:
        yield pa.concat_batches(waiting) if len(waiting) > 1 else waiting[0]


def _read(window: _Window, start: int, rows: int) -> pa.RecordBatchReader:
    file = pa.ipc.open_file(pa.memory_map(str(window.path)))
    first, skipped = divmod(start - window.start, _BATCH_ROWS)

    def batches() -> Iterator[pa.RecordBatch]:
        room, left_out = rows, skipped
        for number in range(first, file.num_record_batches):
            if room <= 0:
                return
            batch = file.get_batch(number).slice(left_out, room)
            room, left_out = room - batch.num_rows, 0
            yield batch

    return pa.RecordBatchReader.from_batches(file.schema, batches())


def _trim(cache: Path, newest: Path) -> None:
    """Nothing; windows beyond the bounds of age and size are gone, `newest` aside."""
    found = []
    for path in cache.iterdir():
        try:
            facts = path.stat()
        except FileNotFoundError:
            continue
        found.append((facts.st_mtime, facts.st_size, path))
    room, oldest = float(_MOST_BYTES), time.time() - _MOST_AGE_S
    for read_at, size, path in sorted(found, reverse=True):
        room -= size
        if path != newest and (room < 0 or read_at < oldest):
            path.unlink(missing_ok=True)
