"""Files in other encodings, rewritten as UTF-8, with the way back from each line to its raw bytes.

Decoding comes before splitting: in several encodings a byte of a longer character can look like a delimiter or an
escape. What cannot be decoded becomes a byte sequence that is not UTF-8, so that it costs its record and no more.
"""

import codecs
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import SourceError
from pipeline.ingest.reading.files.bytes_in import open_bytes
from pipeline.ingest.reading.text.encoding import unit_bytes

_CHUNK_BYTES = 1 << 20
#: One character in place of a delimiter of several.
STAND_IN = "\x1f"
#: Characters that a codec gives for bytes which its encoding leaves undefined.
_UNDEFINED = {"cp932": dict.fromkeys([0x80, 0xA0, *range(0xF8F0, 0xF8F4)], "\udcff")}
#: A lone surrogate: encoded, it is three bytes that no UTF-8 text holds.
_UNDECODABLE = "\udcff"


def _mark_one_byte(error: UnicodeError) -> tuple[str, int]:
    """Go on one byte further: a line feed behind a broken character must stay a line feed."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _UNDECODABLE, error.start + 1


def _mark_unit(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _UNDECODABLE, error.end


codecs.register_error("textmill-mark-byte", _mark_one_byte)
codecs.register_error("textmill-mark-unit", _mark_unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMap:
    """Where each line of a rewritten file was in its raw form: two files of int64, sorted, of equal length.

    Attributes
    ----------
    text
        Path of the offsets behind each line feed and carriage return in the rewritten file, 0 first.
    raw
        Path of the raw offsets of the same places.
    """

    text: str
    raw: str

    def raw_offsets(self, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Raw offsets of places that begin a line in the rewritten file, in the shape of `offsets`."""
        if offsets.size == 0:
            return offsets
        known = np.memmap(self.text, dtype=np.int64, mode="r")
        raw = np.memmap(self.raw, dtype=np.int64, mode="r")
        return np.asarray(raw[np.searchsorted(known, offsets, side="right") - 1])


def transcode(name: str, path: str, encoding: str, mark_bytes: int, target: Path, joined: str | None = None) -> LineMap:
    """The line map of `target`, the file at `path` rewritten as UTF-8 without its byte order mark.

    Memory is bounded; the files appear only when they are complete.

    Parameters
    ----------
    name
        What messages call the file.
    path, encoding, mark_bytes
        Where it is, its encoding, and the length of its byte order mark.
    target
        Where the copy goes, and its line map beside it.
    joined
        A delimiter of several characters, which becomes `STAND_IN`; None for none.

    Raises
    ------
    SourceError
        If the encoding's line ends cannot be told from its bytes, or the text holds `STAND_IN`.
    """
    unit = unit_bytes(encoding)
    undefined = _UNDEFINED.get(encoding)
    decoder = codecs.getincrementaldecoder(encoding)(errors="textmill-mark-byte" if unit == 1 else "textmill-mark-unit")
    paths = {kind: target.with_name(f"{target.name}.{kind}") for kind in ("text", "raw")}
    aside = {path: path.with_name(path.name + ".part") for path in (target, *paths.values())}
    counts = [0, 0]
    raw_at, text_at = mark_bytes, 0
    held = ""
    with (
        open_bytes(path) as source,
        open(aside[target], "wb") as rewritten,
        open(aside[paths["text"]], "wb") as text_map,
        open(aside[paths["raw"]], "wb") as raw_map,
    ):
        source.seek(mark_bytes)
        text_map.write(np.int64(0).tobytes())
        raw_map.write(np.int64(mark_bytes).tobytes())
        more = True
        while more:
            chunk = source.read(_CHUNK_BYTES)
            more = bool(chunk)
            decoded = decoder.decode(chunk, final=not more)
            if undefined:
                decoded = decoded.translate(undefined)
            if joined:
                _refuse_stand_in(name, decoded, joined)
                decoded, held = _joined_replaced(held + decoded, joined, more)
            text = decoded.encode("utf-8", "surrogatepass")
            rewritten.write(text)
            for side, (data, width, base, place) in enumerate(
                ((text, 1, text_at, text_map), (chunk, unit, raw_at, raw_map))
            ):
                ends = _line_ends(data, width, encoding) + base
                counts[side] += ends.size
                place.write(ends.tobytes())
            raw_at += len(chunk)
            text_at += len(text)
    if counts[0] != counts[1]:
        raise SourceError(
            name,
            f"line ends cannot be followed through the encoding {encoding} "
            f"({counts[0]} in the text, {counts[1]} in the bytes)",
            "Convert the file to UTF-8 first, for example with iconv.",
        )
    for final, part in aside.items():
        part.replace(final)
    return LineMap(text=str(paths["text"]), raw=str(paths["raw"]))


def _refuse_stand_in(name: str, text: str, joined: str) -> None:
    if STAND_IN in text:
        raise SourceError(
            name,
            f"it holds the character U+001F, which has to stand for the delimiter {joined!r}",
            "Take the character out of the file, or write it with a delimiter of one character.",
        )


def _joined_replaced(text: str, joined: str, more: bool) -> tuple[str, str]:
    """The text with `STAND_IN` for `joined`, and its end where a `joined` may begin that more text completes."""
    replaced = text.replace(joined, STAND_IN)
    held = 0
    if more:
        # What was replaced is not looked at again: `|||` is one `||` and the start of another.
        rest = replaced.rpartition(STAND_IN)[2]
        held = next((size for size in range(len(joined) - 1, 0, -1) if rest.endswith(joined[:size])), 0)
    return replaced[: len(replaced) - held], replaced[len(replaced) - held :]


def _line_ends(data: bytes, width: int, encoding: str) -> npt.NDArray[np.int64]:
    """Offsets behind each line feed and carriage return."""
    kind = f"{'>' if encoding.endswith('be') else '<'}u{width}"
    units = np.frombuffer(data[: len(data) // width * width], dtype=kind)
    return (np.flatnonzero((units == 10) | (units == 13)).astype(np.int64) + 1) * width
