"""An estimator on disk: exact, so that learning goes on from it as if it had never stopped."""

import secrets
import shutil
from pathlib import Path

import numpy as np
import orjson
from safetensors.numpy import load_file, save_file

from pipeline.train.learner import OnlineLearner
from storage.files import explained

_ARRAYS = ("classes_", "state_", "intercept_", "intercept_squares_")
_RECORD = "estimator.json"


def save_estimator(estimator: OnlineLearner, folder: Path) -> None:
    """Writes what an estimator has learned; `folder` is there afterwards, complete, or as it was.

    Raises
    ------
    DiskFullError, StoreNotWritableError
        If there is no room or no permission.
    """
    aside = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.part")
    with explained(folder):
        aside.mkdir(parents=True)
        save_file(
            {name: np.ascontiguousarray(getattr(estimator, name)) for name in _ARRAYS}, aside / "state.safetensors"
        )
        record = {
            "rows_seen": estimator.rows_seen_,
            "loss": estimator.loss_ if np.isfinite(estimator.loss_) else None,
            "losses": estimator.losses_,
        }
        (aside / _RECORD).write_bytes(orjson.dumps(record))
    try:
        aside.rename(folder)
    except OSError:
        shutil.rmtree(aside)
        if not is_saved(folder):
            raise


def is_saved(folder: Path) -> bool:
    """Whether a whole estimator is in `folder`."""
    return (folder / _RECORD).exists()


def saved_rows(folder: Path | None) -> int:
    """Rows that the estimator in `folder` has learned; 0 for None."""
    return 0 if folder is None else int(orjson.loads((folder / _RECORD).read_bytes())["rows_seen"])


def open_estimator(blank: OnlineLearner, folder: Path | str) -> OnlineLearner:
    """An estimator with the parameters of `blank` and what the one in `folder` has learned."""
    estimator = OnlineLearner(**blank.get_params())
    for name, array in load_file(Path(folder) / "state.safetensors").items():
        setattr(estimator, name, array)
    record = orjson.loads((Path(folder) / _RECORD).read_bytes())
    estimator.rows_seen_ = record["rows_seen"]
    estimator.loss_ = np.nan if record["loss"] is None else record["loss"]
    estimator.losses_ = [tuple(pair) for pair in record["losses"]]
    estimator.n_features_in_ = len(estimator.state_)
    estimator.torn_ = False
    return estimator
