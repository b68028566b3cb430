"""Records that kill the process that works on them: remembered by their row ids, and rejected by name."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline import frame
from pipeline.ledger import REJECTED
from storage.files import write_atomic

#: The reason of a record that killed its process.
CRASHED = "crashed"
_FOLDER = "crashes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """A record that killed its process, by its row id."""

    source: str
    position: int

    def __str__(self) -> str:
        return f"{self.source} at {self.position}"


def without_crashes(table: pa.Table, folder: Path) -> pa.Table:
    """The frame with the records that are known to kill their process rejected.

    Parameters
    ----------
    table
        A frame as it was read.
    folder
        The run's staging folder.
    """
    known = known_crashes(folder)
    if not known or not table.num_rows:
        return table
    positions = table[frame.POSITION].to_numpy()
    near = np.flatnonzero(np.isin(positions, [crash.position for crash in known]))
    sources = table[frame.SOURCE].take(pa.array(near)).to_pylist()
    mask = np.zeros(table.num_rows, np.bool_)
    for row, source in zip(near, sources, strict=True):
        mask[row] = Crash(source=source, position=int(positions[row])) in known
    return frame.condemn(table, mask, REJECTED, CRASHED)


def known_crashes(folder: Path) -> frozenset[Crash]:
    """All records of the run that killed their process so far."""
    place = folder / _FOLDER
    if not place.is_dir():
        return frozenset()
    found = [json.loads(path.read_bytes()) for path in sorted(place.glob("*.json"))]
    return frozenset(Crash(source=source, position=position) for pairs in found for source, position in pairs)


def remember_crashes(crashes: Sequence[Crash], folder: Path) -> None:
    """Nothing; whoever reads these records from now on knows."""
    if crashes:
        pairs = [[crash.source, crash.position] for crash in crashes]
        write_atomic(folder / _FOLDER / f"{secrets.token_hex(8)}.json", json.dumps(pairs).encode())
