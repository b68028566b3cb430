"""A folder that scores texts without textmill."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import orjson

from pipeline.errors import ModelError
from pipeline.exporting import scorer
from pipeline.exporting.onnx_graph import onnx_model
from pipeline.text.unicode_tables import IDEOGRAPHS
from pipeline.train.model import TrainedModel
from storage.files import explained

#: Above this, weights go into a file beside the graph: protobuf holds two gigabytes at most.
_INSIDE_BYTES = 1 << 30


def export_onnx(model: TrainedModel, folder: Path, steps: Sequence[Any]) -> list[str]:
    """Names of the files written: ``model.onnx``, ``model.json``, ``weights.npz``, and ``scorer.py``.

    Parameters
    ----------
    model
        The model.
    folder
        New or empty; made where missing.
    steps
        How texts must be cleaned first, as plain values; they are told in ``model.json``.

    Raises
    ------
    ModelError
        If the folder holds something.
    DiskFullError, StoreNotWritableError
        If there is no room or no permission.
    """
    name = model.sha256[:12]
    if folder.exists() and any(folder.iterdir()):
        raise ModelError(name, f"the folder {folder} is not empty", "Choose a new folder, or empty this one")
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        large = model.weights.nbytes > _INSIDE_BYTES
        onnx.save_model(
            onnx_model(model), folder / "model.onnx", save_as_external_data=large, location="model.onnx.data"
        )
        np.savez(
            folder / "weights.npz",
            buckets=model.weighting.buckets,
            idf=model.weighting.idf,
            weights=model.weights,
            intercept=model.intercept,
        )
        facts = {**model.specification(), "sha256": model.sha256, "ideographs": IDEOGRAPHS, "steps": list(steps)}
        if "segmenter" in model.lineage:
            facts["segmenter"] = model.lineage["segmenter"]
        (folder / "model.json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
        (folder / "scorer.py").write_bytes(Path(scorer.__file__).read_bytes())
    return sorted(path.name for path in folder.iterdir())
