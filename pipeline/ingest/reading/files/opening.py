"""First contact with an input file: is it readable, packed, of which format, in which encoding."""

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pipeline.errors import SourceError, SourceNotFoundError
from pipeline.ingest.reading.files.bytes_in import read_range, size_in_bytes
from pipeline.ingest.reading.files.compression import compression_of, unpack
from pipeline.ingest.reading.files.listing import FoundFile
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.ingest.reading.text.encoding import (
    declared_encoding,
    marked_encoding,
    mistaken_encoding,
    unmarked_wide_encoding,
)
from pipeline.ingest.reading.text.transcoding import LineMap, transcode

_HEAD_BYTES = 1 << 16
_PACKED_SUFFIXES = {".gz", ".zst", ".zstd", ".bz2", ".xz"}
_PARQUET = b"PAR1"
_TAR, _TAR_PLACE = b"ustar", 257
#: What files that are no text begin with, and what to do about them.
_FOREIGN = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "Unpack it, or save the sheet as CSV"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Save the sheet as CSV"),
    b"%PDF": ("a PDF document", "Extract its table as CSV"),
    b"SQLite format 3": ("a SQLite database", "Export the table as CSV or Parquet"),
    b"ORC": ("an ORC file", "Convert it to Parquet"),
    b"Obj\x01": ("an Avro file", "Convert it to Parquet"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedFile:
    """What is known of a file before its records are looked at.

    Attributes
    ----------
    index, name, path, told, bytes, compression
        As in `SourceFile`.
    suffix
        The suffix of its name, lower case, without that of a compression.
    parquet
        Whether it is Parquet.
    encoding
        The text encoding; "" while only the whole file can tell.
    mark_bytes
        Length of the byte order mark at the start of `data_path`.
    data_path, data_bytes
        Where its plain bytes are, and how many.
    lines
        The way back to raw positions, for a rewritten file.
    """

    index: int
    name: str
    path: str
    told: str
    bytes: int
    compression: str | None
    suffix: str
    parquet: bool
    encoding: str
    mark_bytes: int
    data_path: str
    data_bytes: int
    lines: LineMap | None = None


def open_file(index: int, found: FoundFile, config: SourceConfig, scratch: Path) -> OpenedFile:
    """What the first bytes of `found` tell; a packed file is unpacked into `scratch`.

    Raises
    ------
    SourceError
        If it cannot be read, is damaged, or is of a kind that no format covers.
    """
    try:
        size = size_in_bytes(found.path)
        head = read_range(found.path, 0, _HEAD_BYTES).tobytes()
    except PermissionError as error:
        raise SourceError(
            found.told, "it may not be read (permission denied)", "Allow reading it and run again."
        ) from error
    except FileNotFoundError as error:
        raise SourceNotFoundError(
            found.told, "it vanished after it was listed", "Run again when the input is complete."
        ) from error
    compression = compression_of(head)
    data_path, data_bytes = found.path, size
    if compression is not None:
        target = scratch / f"{index:06d}.plain"
        scratch.mkdir(parents=True, exist_ok=True)
        data_path, data_bytes = str(target), unpack(found.told, found.path, compression, target)
        head = read_range(data_path, 0, _HEAD_BYTES).tobytes()
    suffix = _suffix(found.name)
    _refuse_foreign(found.told, head, compression)
    encoding, mark_bytes = _encoding(found.told, head, config)
    return OpenedFile(
        index=index,
        name=found.name,
        path=found.path,
        told=found.told,
        bytes=size,
        compression=compression,
        suffix=suffix,
        parquet=_is_parquet(suffix, head, config),
        encoding=encoding,
        mark_bytes=mark_bytes,
        data_path=data_path,
        data_bytes=data_bytes,
    )


def rewrite(opened: OpenedFile, encoding: str, scratch: Path, joined: str | None = None) -> OpenedFile:
    """The same file with its text rewritten from `encoding` as UTF-8 in `scratch`, with one mark for `joined`."""
    scratch.mkdir(parents=True, exist_ok=True)
    target = scratch / f"{opened.index:06d}.utf8"
    lines = transcode(opened.told, opened.data_path, encoding, opened.mark_bytes, target, joined)
    return replace(
        opened,
        encoding=encoding,
        mark_bytes=0,
        data_path=str(target),
        data_bytes=target.stat().st_size,
        lines=lines,
    )


def _suffix(name: str) -> str:
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    if suffixes and suffixes[-1] in _PACKED_SUFFIXES:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _encoding(told: str, head: bytes, config: SourceConfig) -> tuple[str, int]:
    marked, mark_bytes = marked_encoding(head)
    if marked:
        return marked, mark_bytes
    if config.encoding != "auto":
        encoding = declared_encoding(config.encoding, head)
        if mistake := mistaken_encoding(encoding, head):
            raise SourceError(
                told,
                f"it cannot be text in {encoding}, which [source] encoding declares: {mistake}",
                'Declare the encoding that it is in, or "auto"; nothing was committed.',
            )
        return encoding, 0
    return unmarked_wide_encoding(head) or "", 0


def _is_parquet(suffix: str, head: bytes, config: SourceConfig) -> bool:
    """Whether it is or ought to be Parquet; what is not, though it ought to be, shows when its footer is read."""
    ought = config.format == "parquet" or (config.format == "auto" and suffix in {".parquet", ".pq", ".parq"})
    return ought or head.startswith(_PARQUET)


def _refuse_foreign(name: str, head: bytes, compression: str | None) -> None:
    inner = compression_of(head) if compression is not None else None
    if inner is not None:
        raise SourceError(
            name, f"it is {inner} data packed once more by {compression}", "Unpack it once, then run again."
        )
    if head[_TAR_PLACE : _TAR_PLACE + len(_TAR)] == _TAR:
        raise SourceError(name, "it is a tar archive, not a text or Parquet file", "Unpack it, then run again.")
    for magic, (kind, cure) in _FOREIGN.items():
        if head.startswith(magic):
            raise SourceError(name, f"it is {kind}, not a text or Parquet file", f"{cure}, then run again.")
