"""How many buckets n-grams are hashed into, chosen from the data and from the memory that weights may take.

It depends on the rows and the settings alone, never on the machine: another width is another model.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.execute import Execute, task_of
from pipeline.text.config import FeatureConfig
from pipeline.text.hashing import hash_texts
from pipeline.train.columns import as_text
from pipeline.train.config import TrainConfig
from storage.scan import Span, cut, read_spans
from storage.versions import Snapshot

#: Blocks looked at, spread over the version, and the width that n-grams are told apart by there.
_LOOKED_AT, _FINE_BITS = 16, 24
#: The fewest and most bits that are chosen.
_FEWEST, _MOST = 10, 24
#: Bytes of one weight while it is learned: itself, its squared gradients, and a copy.
_WEIGHT_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """A choice: bits, about how many different n-grams there are, and which of data and memory decided."""

    bits: int
    grams: int
    limited: bool

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        return {"bits": self.bits, "grams": self.grams, "limited_by_memory": self.limited}

    def __str__(self) -> str:
        why = ", fewer than these would fill, for [features] memory" if self.limited else ""
        return f"bits = {self.bits} was chosen for about {self.grams:,} different n-grams{why}."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sampled:
    """One block's rows, its labels, and which fine buckets they use, a bit each."""

    rows: int
    labels: tuple[str, ...]
    used: npt.NDArray[np.uint8]

    @property
    def progress_rows(self) -> int:
        """Rows done with it, for whoever shows progress."""
        return self.rows


def choose_width(snapshot: Snapshot, features: FeatureConfig, train: TrainConfig, execute: Execute) -> Width:
    """The fewest bits with as many buckets as there are different n-grams, within the memory for weights.

    Different n-grams are counted in a part of the blocks, by the buckets of a fine hash that stay empty (Whang,
    Vander-Zanden, Taylor 1990), and carried on to all rows at the rate at which the second half added to the first
    (Heaps' law).

    Parameters
    ----------
    snapshot
        The version; it has the columns that training needs.
    features, train
        The settings.
    execute
        Runs the tasks.
    """
    blocks = cut(snapshot, train.block_rows)
    step = max(1, -(-len(blocks) // _LOOKED_AT))
    fine = features.model_copy(update={"bits": _FINE_BITS})
    tasks = [task_of(sample_block, spans, snapshot.schema, train.text, train.label, fine) for spans in blocks[::step]]
    sampled: list[Sampled] = execute("look", tasks) if tasks else []
    grams = _grams(sampled, snapshot.version.rows)
    labels = len({label for part in sampled for label in part.labels})
    columns = 1 if labels <= 2 else labels
    wanted = min(max(max(grams - 1, 0).bit_length(), _FEWEST), _MOST)
    affordable = max(features.memory // (_WEIGHT_BYTES * columns), 2).bit_length() - 1
    return Width(bits=max(min(wanted, affordable), 1), grams=grams, limited=affordable < wanted)


def sample_block(spans: Sequence[Span], schema: pa.Schema, text: str, label: str, fine: FeatureConfig) -> Sampled:
    """What one block adds to the count."""
    table = read_spans(spans, (text, label), schema=schema)
    used = np.zeros(fine.width, np.bool_)
    used[hash_texts(as_text(table[text]), fine).indices] = True
    labels = pc.unique(as_text(table[label]).drop_null()).to_pylist()
    return Sampled(rows=table.num_rows, labels=tuple(sorted(labels)), used=np.packbits(used))


def _grams(sampled: Sequence[Sampled], rows: int) -> int:
    """About how many different n-grams all rows have."""
    seen = sum(part.rows for part in sampled)
    if not seen:
        return 0
    whole = _different(sampled)
    half = _different(sampled[: len(sampled) // 2]) if len(sampled) > 1 else 0.0
    half_rows = sum(part.rows for part in sampled[: len(sampled) // 2])
    grows = math.log(whole / half) / math.log(seen / half_rows) if half > 0 else 0.0
    return round(whole * math.pow(rows / seen, min(max(grows, 0.0), 1.0)))


def _different(sampled: Sequence[Sampled]) -> float:
    used = sampled[0].used.copy()
    for part in sampled[1:]:
        used |= part.used
    buckets = 1 << _FINE_BITS
    empty = max(buckets - int(np.bitwise_count(used).sum()), 1)
    return buckets * math.log(buckets / empty)
