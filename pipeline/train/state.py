"""What learning needs to go on from a model: how far each weight's steps have shrunk, and how many rows it has seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pipeline.errors import ModelError

_FILE = "state.safetensors"
_ARRAYS = ("squares", "intercept_squares")
_COUNTS = "counts"


@dataclass(frozen=True, kw_only=True, eq=False)
class LearningState:
    """The state of learning in which a model was kept. It is no part of what the model computes.

    Attributes
    ----------
    squares
        Sums of squared gradients, shape (features, columns), float32.
    intercept_squares
        Those of the intercept, shape (columns,), float32.
    rows_seen
        Rows learned, repetitions counted.
    label_rows
        Rows that trained by label, once each, those of the models before it counted.
    """

    squares: npt.NDArray[np.float32]
    intercept_squares: npt.NDArray[np.float32]
    rows_seen: int
    label_rows: Mapping[str, int]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all of it, hexadecimal."""
        digest = sha256(orjson.dumps([self.rows_seen, dict(self.label_rows)], option=orjson.OPT_SORT_KEYS))
        for array in (self.squares, self.intercept_squares):
            digest.update(orjson.dumps(array.shape))
            digest.update(np.ascontiguousarray(array, "<f4").tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Writes it beside the model in `folder`."""
        told = orjson.dumps({"rows_seen": self.rows_seen, "label_rows": dict(self.label_rows)}).decode()
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        # One entry of metadata: the library writes several in an order that chance decides.
        save_file(arrays, folder / _FILE, metadata={_COUNTS: told})


def open_state(folder: Path) -> LearningState:
    """The state that lies beside the model in `folder`.

    Raises
    ------
    ModelError
        If there is none, or it is damaged.
    """
    try:
        with safe_open(folder / _FILE, "numpy") as file:
            told = orjson.loads(file.metadata()[_COUNTS])
            arrays = {name: file.get_tensor(name) for name in _ARRAYS}
    except FileNotFoundError as error:
        raise ModelError(
            folder.name,
            "it keeps no state that learning could go on from",
            'Start from a model that this version of textmill trained with solver = "incremental"',
        ) from error
    except (OSError, SafetensorError) as error:
        raise ModelError(
            folder.name, f"its {_FILE} cannot be read ({error})", "The folder is damaged; train the model again"
        ) from error
    return LearningState(**arrays, rows_seen=told["rows_seen"], label_rows=told["label_rows"])
