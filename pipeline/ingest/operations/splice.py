"""Texts with some rows exchanged: unchanged stretches are copied in bulk, however many rows they span."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.ingest.dedupe.murmur import text_buffers
from pipeline.ingest.reading.csv.runs import copied
from storage.compiled import kernel
from storage.memory import new_array

#: Bytes of text that an array of the type `string` can hold.
_MOST_BYTES = 2**31 - 1


class Rows(NamedTuple):
    """New texts for some rows.

    Attributes
    ----------
    rows
        Which rows, ascending.
    data
        Bytes that hold the new texts.
    starts, stops
        Where each of them lies in `data`.
    """

    rows: npt.NDArray[np.int64]
    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]


@kernel
def _splice(
    data: Any,
    offsets: Any,
    rows: Any,
    other: Any,
    starts: Any,
    stops: Any,
    out: Any,
    places: Any,
) -> None:
    used, source, row = 0, np.int64(offsets[0]), 0
    for k in range(len(rows)):
        changed = rows[k]
        shift = used - source
        for r in range(row, changed + 1):
            places[r] = offsets[r] + shift
        used = copied(data, source, np.int64(offsets[changed]), out, used)
        used = copied(other, starts[k], stops[k], out, used)
        source, row = np.int64(offsets[changed + 1]), changed + 1
    shift = used - source
    for r in range(row, len(offsets)):
        places[r] = offsets[r] + shift
    copied(data, source, np.int64(offsets[len(offsets) - 1]), out, used)


def spliced(texts: pa.Array, new: Rows) -> pa.Array:
    """The texts with those of `new` in the place of their rows; type and nulls stay.

    Raises
    ------
    DataError
        If the texts grow beyond what one array can hold.
    """
    if not len(new.rows):
        return texts
    wide = pa.types.is_large_string(texts.type)
    kind = np.dtype(np.int64 if wide else np.int32)
    validity, at, content = texts.buffers()
    offsets = np.frombuffer(at, kind, len(texts) + 1, texts.offset * kind.itemsize)
    data = np.frombuffer(content, np.uint8) if content is not None and content.size else np.zeros(0, np.uint8)
    old = int((offsets[new.rows + 1] - offsets[new.rows]).astype(np.int64).sum())
    size = int(offsets[-1]) - int(offsets[0]) - old + int((new.stops - new.starts).sum())
    if size > _MOST_BYTES and not wide:
        raise DataError(f"the texts of one block grow to {size} bytes in cleaning", "Choose a smaller [source] block")
    places, out = pa.allocate_buffer(at_least_one(kind.itemsize * len(offsets))), pa.allocate_buffer(at_least_one(size))
    target = np.frombuffer(out, np.uint8)
    _splice(
        data,
        offsets,
        new.rows,
        new.data,
        new.starts,
        new.stops,
        target,
        np.frombuffer(places, kind),
    )
    if texts.offset and validity is not None:
        validity = pa.array(np.asarray(pc.is_valid(texts))).buffers()[1]
    return pa.Array.from_buffers(texts.type, len(texts), [validity, places, out], texts.null_count)


@kernel
def _gather(data: Any, starts: Any, stops: Any, out: Any) -> None:
    used = 0
    for k in range(len(starts)):
        for i in range(starts[k], stops[k]):
            out[used] = data[i]
            used += 1


def texts_of(new: Rows, kind: pa.DataType) -> pa.Array:
    """The new texts alone, as an array of text type `kind`."""
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(new.stops - new.starts)])
    if len(new.rows) and np.array_equal(new.starts[1:], new.stops[:-1]):
        out = new.data[new.starts[0] : new.stops[-1]]
    else:
        out = new_array(int(offsets[-1]), np.uint8)
        _gather(new.data, new.starts, new.stops, out)
    places = offsets.astype(np.int64 if pa.types.is_large_string(kind) else np.int32)
    return pa.Array.from_buffers(kind, len(new.rows), [None, pa.py_buffer(places), pa.py_buffer(out)], 0)


class Overlay:
    """A text array that several steps change, one after the other, and that is copied once, at the end.

    A step looks at the array for rows that no step before it changed, and at the few new texts for those: the rows that
    one step was the first to change are a layer.

    Parameters
    ----------
    texts
        The array as it is.
    """

    def __init__(self, texts: pa.Array) -> None:
        self._texts = texts
        self._layers: list[tuple[npt.NDArray[np.int64], pa.Array]] = []
        self._untouched = np.ones(len(texts), np.bool_)

    def change(
        self, rewritten: Callable[[pa.Array, npt.NDArray[np.bool_]], Rows], wanted: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.int64]:
        """Rows that the step changed.

        Parameters
        ----------
        rewritten
            The step: from texts and which of them to look at, to the new texts of those that it changes.
        wanted
            Which rows to look at, shape (rows,).
        """
        changed = []
        for place, (rows, new) in enumerate(self._layers):
            again = rewritten(new, wanted[rows])
            self._layers[place] = rows, spliced(new, again)
            changed.append(rows[again.rows])
        first = rewritten(self._texts, wanted & self._untouched)
        if len(first.rows):
            self._layers.append((first.rows, texts_of(first, self._texts.type)))
            self._untouched[first.rows] = False
        return np.concatenate([*changed, first.rows])

    def result(self) -> pa.Array:
        """The array after all steps; type and nulls stay."""
        if not self._layers:
            return self._texts
        rows = np.concatenate([rows for rows, _ in self._layers])
        order = np.argsort(rows, kind="stable")
        data, starts, stops, used = [], [], [], 0
        for _, new in self._layers:
            content, offsets, _valid = text_buffers(new)
            places = offsets.astype(np.int64) + used
            data.append(content)
            starts.append(places[:-1])
            stops.append(places[1:])
            used += len(content)
        together = np.concatenate(data, out=new_array(used, np.uint8))
        new_rows = Rows(rows[order], together, np.concatenate(starts)[order], np.concatenate(stops)[order])
        return spliced(self._texts, new_rows)


def at_least_one(size: int) -> int:
    """A size of memory that may be asked for."""
    return max(size, 1)
