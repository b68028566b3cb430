"""A trained model as Python uses it: texts in, labels out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.scoring import cleaned_texts, text_steps
from pipeline.train.model import TrainedModel


class Model:
    """A trained model; get one with `textmill.load_model`.

    Texts are cleaned as the model's job cleaned the texts it learned from, then scored.

    Parameters
    ----------
    trained
        What it computes.
    folder
        Where it lies.
    allow_code
        Whether its job may call Python functions on texts.

    Examples
    --------
    >>> model = textmill.load_model("MODEL", store="textmill-demo/store")  # doctest: +SKIP
    >>> model.predict(["Where is my parcel?", "我要退钱"])  # doctest: +SKIP
    ['inquiry', 'complaint']
    """

    def __init__(self, trained: TrainedModel, folder: Path, *, allow_code: bool = False) -> None:
        self._trained = trained
        self._steps = text_steps(trained, allow_code=allow_code)
        self.folder = folder

    def __repr__(self) -> str:
        return f"<Model {self.folder.name}: {len(self.labels)} labels, sha256 {self.sha256[:12]}>"

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels, sorted."""
        return self._trained.labels

    @property
    def sha256(self) -> str:
        """SHA-256 of what it computes."""
        return self._trained.sha256

    @property
    def lineage(self) -> Mapping[str, Any]:
        """What it stems from: dataset, version, settings, libraries."""
        return self._trained.lineage

    @property
    def metrics(self) -> Mapping[str, float | int]:
        """How good it was on the rows that it did not learn from."""
        return self._trained.metrics

    def predict(self, texts: Sequence[str | None]) -> list[str | None]:
        """The label of each text; None for None, and where no label reaches its threshold."""
        places = self._trained.decide(self.predict_proba(texts)).tolist()
        return [
            None if text is None or place < 0 else self.labels[place] for text, place in zip(texts, places, strict=True)
        ]

    def predict_proba(self, texts: Sequence[str | None]) -> npt.NDArray[np.float64]:
        """The probability of each label, in the order of `labels`, shape (texts, labels); rows add up to one."""
        if isinstance(texts, str):
            raise TypeError(f"{texts[:40]!r} is one text; give a list of texts")
        column = pa.chunked_array([pa.array(texts, pa.string())])
        return self._trained.predict_proba(cleaned_texts(column, self._steps, self._trained.text))
