"""Compressed inputs, recognised by their first bytes and unpacked as streams."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

import zstandard

from pipeline.errors import SourceError
from pipeline.ingest.reading.files.bytes_in import open_bytes

MAGIC_BYTES = 8
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
}
_CHUNK_BYTES = 1 << 20
_ZSTD_CHUNK_BYTES = 1 << 16


def compression_of(magic: bytes) -> str | None:
    """The compression (gzip, zstd, bzip2, xz) told by a file's first `MAGIC_BYTES`; None for anything else."""
    return next((name for start, name in _MAGIC.items() if magic.startswith(start)), None)


def unpack(name: str, path: str, compression: str, target: Path) -> int:
    """How many bytes were unpacked from `path` into `target`, which appears only when it is complete.

    Members and frames that follow each other are one stream.

    Raises
    ------
    SourceError
        If the compressed data is damaged or ends early.
    """
    aside = target.with_name(target.name + ".part")
    size = 0
    try:
        with open_bytes(path) as packed, open(aside, "wb") as plain:
            for chunk in _chunks(packed, compression):
                plain.write(chunk)
                size += len(chunk)
    except (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, gzip.BadGzipFile) as error:
        raise _broken(name, compression, size, str(error)) from error
    except OSError as error:
        if error.errno is not None:
            raise
        # bz2 reports damaged data as a plain OSError.
        raise _broken(name, compression, size, str(error)) from error
    aside.replace(target)
    return size


def _broken(name: str, compression: str, size: int, detail: str) -> SourceError:
    return SourceError(
        name,
        f"its {compression} data is damaged or ends early, after {size} unpacked bytes ({detail})",
        "Get the file again, or take it out of [source] files; nothing was committed.",
    )


def _chunks(packed: BinaryIO, compression: str) -> Iterator[bytes]:
    if compression == "zstd":
        yield from _zstd_chunks(packed)
        return
    openers = {"gzip": gzip.GzipFile, "bzip2": bz2.BZ2File, "xz": lzma.LZMAFile}
    arguments = {"fileobj": packed} if compression == "gzip" else {"filename": packed}
    with cast("IO[bytes]", openers[compression](mode="rb", **arguments)) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk


def _zstd_chunks(packed: BinaryIO) -> Iterator[bytes]:
    """All frames, one after the other; the library's own reader takes a cut-off frame for the end."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    begun = False
    while chunk := packed.read(_ZSTD_CHUNK_BYTES):
        while chunk:
            begun = True
            yield frame.decompress(chunk)
            chunk = b""
            if frame.eof:
                chunk = frame.unused_data
                frame = zstandard.ZstdDecompressor().decompressobj()
                begun = False
    if begun:
        raise EOFError("the last frame is cut off")
