"""A trained model: what it computes, what it stems from, and its folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy import sparse

from pipeline.errors import ModelError
from pipeline.text.config import FeatureConfig
from pipeline.text.hashing import hash_texts, read_only
from pipeline.text.ranks import Ranks, count_members
from pipeline.text.segmentation import segmenter
from pipeline.text.tfidf import Weighting
from pipeline.train.calibration import Calibration
from pipeline.train.decision import Decision
from pipeline.train.logistic_kernel import probabilities, row_scores
from pipeline.train.state import LearningState

FORMAT = 1
_PARTS = ("buckets", "idf", "weights", "intercept")


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedModel:
    """A classifier of texts.

    Attributes
    ----------
    labels
        Its labels, sorted.
    weighting
        From hashed counts to features.
    weights
        Shape (features, columns), float32; one column for two labels (log-odds of the second), else one a label.
    intercept
        Shape (columns,), float32.
    text
        The column it was trained on.
    calibration
        What makes its probabilities mean what they say; None where it has none.
    decision
        Its thresholds; None where the likeliest label is taken.
    lineage
        What it stems from: dataset, version, settings, libraries. No part of its content.
    state
        What learning can go on from. No part of its content; None for one that was loaded, or found by lbfgs.
    metrics, evaluation
        How good it was on its test rows, in short and in full. No part of its content.
    """

    labels: tuple[str, ...]
    weighting: Weighting
    weights: npt.NDArray[np.float32]
    intercept: npt.NDArray[np.float32]
    text: str
    calibration: Calibration | None = None
    decision: Decision | None = None
    lineage: Mapping[str, Any] = field(default_factory=dict)
    state: LearningState | None = None
    metrics: Mapping[str, float | int] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over specification, labels and weights, hexadecimal: equal for models that compute the same.

        Times, paths, lineage and metrics are not in it.
        """
        digest = sha256(orjson.dumps(self.specification(), option=orjson.OPT_SORT_KEYS))
        for name, array in self._arrays().items():
            little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            digest.update(orjson.dumps([name, little.dtype.str, little.shape]))
            digest.update(little.tobytes())
        return digest.hexdigest()

    def probabilities(self, hashed: sparse.csr_matrix) -> npt.NDArray[np.float64]:
        """Probabilities of all labels for hashed counts, shape (rows, labels)."""
        scores = self.scores(hashed)
        return probabilities(scores) if self.calibration is None else self.calibration.chances(scores)

    def scores(self, hashed: sparse.csr_matrix) -> npt.NDArray[np.float32]:
        """Raw scores of hashed counts, before any calibration, shape (rows, columns)."""
        return self._scores(self.weighting.weigh(hashed, self._ranks))

    def known(self, hashed: sparse.csr_matrix) -> int:
        """How many items of hashed counts are in buckets that the model knows."""
        return count_members(self._ranks, hashed.indices)

    def decide(self, chances: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The number of the label that each row of probabilities gets, -1 for none, shape (rows,)."""
        return chances.argmax(axis=1).astype(np.int64) if self.decision is None else self.decision.labels(chances)

    def hashed(self, texts: pa.Array | pa.ChunkedArray) -> sparse.csr_matrix:
        """Hashed counts of texts, shape (texts, buckets); errors are those of `require_segmenter`."""
        self.require_segmenter()
        return hash_texts(texts, self.weighting.features)

    def require_segmenter(self) -> None:
        """Nothing where texts become what they became in training.

        Raises
        ------
        ModelError
            If words would be found by another version.
        PackageMissingError
            If there is nothing to find them.
        """
        trained, found = self.lineage.get("segmenter"), segmenter(self.weighting.features).get("segmenter")
        if trained is not None and found != trained:
            raise ModelError(
                self.sha256[:12],
                f"it learned from words that {trained} found, and {found} may find others",
                f"Install that: pip install {trained.replace(' ', '==')}, or train it again",
            )

    def features(self, texts: pa.Array | pa.ChunkedArray) -> sparse.csr_matrix:
        """Weighted features of texts, shape (rows, features)."""
        return self.weighting.weigh(self.hashed(texts), self._ranks)

    def predict_proba(self, texts: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.float64]:
        """Probabilities of all labels, in the order of `labels`, shape (rows, labels).

        A text without any feature, a null too, gets what the intercept alone says: how frequent labels are.
        """
        return self.probabilities(self.hashed(texts))

    def save(self, folder: Path | str) -> None:
        """Writes the model into `folder`, made where it is missing.

        Its files: model.json, weights.safetensors, lineage.json, metrics.json, evaluation.json, and state.safetensors
        where it has a state.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: np.ascontiguousarray(array) for name, array in self._arrays().items()},
            folder / "weights.safetensors",
        )
        if self.state is not None:
            self.state.save(folder)
        for name, facts in (
            ("model", {**self.specification(), "sha256": self.sha256}),
            ("lineage", self.lineage),
            ("metrics", self.metrics),
            ("evaluation", self.evaluation),
        ):
            (folder / f"{name}.json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))

    @cached_property
    def _ranks(self) -> Ranks:
        return self.weighting.ranks()

    def _scores(self, rows: sparse.csr_matrix) -> npt.NDArray[np.float32]:
        bounds, indices = rows.indptr.astype(np.int64), rows.indices
        return row_scores(*map(read_only, (bounds, indices, rows.data, self.weights, self.intercept)))

    def specification(self) -> dict[str, Any]:
        """What the model computes, but for its numbers, as plain values for JSON."""
        features = self.weighting.features
        parts = {
            name: part.to_dict()
            for name, part in (("calibration", self.calibration), ("decision", self.decision))
            if part is not None
        }
        # What computes the same as before a setting was known does not tell it.
        skips_punctuation = features.analyzer == "chinese" and not features.keep_punctuation
        told = {"stop_words": bool(features.stop_words), "keep_punctuation": skips_punctuation, "memory": False}
        unsaid = {name for name, tells in told.items() if not tells}
        return {
            **parts,
            "format": FORMAT,
            "kind": "logistic",
            "text": self.text,
            "labels": list(self.labels),
            "features": {**features.model_dump(mode="json", exclude=unsaid), "ngrams": list(features.ngram_range)},
        }

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = (self.weighting.buckets, self.weighting.idf, self.weights, self.intercept)
        return dict(zip(_PARTS, arrays, strict=True))


def load_model(folder: Path | str) -> TrainedModel:
    """The model that `TrainedModel.save` wrote into `folder`.

    Raises
    ------
    ModelError
        If it is missing, damaged, or of a later format.
    """
    folder = Path(folder)
    try:
        facts, lineage, metrics, evaluation = (
            orjson.loads((folder / f"{name}.json").read_bytes())
            for name in ("model", "lineage", "metrics", "evaluation")
        )
        arrays = load_file(folder / "weights.safetensors")
    except (OSError, orjson.JSONDecodeError, SafetensorError) as error:
        raise ModelError(
            str(folder), f"its files cannot be read ({error})", "Give the folder of a trained model"
        ) from error
    if facts["format"] > FORMAT:
        raise ModelError(
            str(folder), f"its format {facts['format']} is later than {FORMAT}", "Use a newer version of textmill"
        )
    model = TrainedModel(
        labels=tuple(facts["labels"]),
        weighting=Weighting(
            features=FeatureConfig.recorded(facts["features"]), buckets=arrays["buckets"], idf=arrays["idf"]
        ),
        weights=arrays["weights"],
        intercept=arrays["intercept"],
        text=facts["text"],
        calibration=Calibration.from_dict(facts["calibration"]) if "calibration" in facts else None,
        decision=Decision.from_dict(facts["decision"]) if "decision" in facts else None,
        lineage=lineage,
        metrics=metrics,
        evaluation=evaluation,
    )
    if model.sha256 != facts["sha256"]:
        raise ModelError(
            str(folder),
            f"its content has SHA-256 {model.sha256}, but {facts['sha256']} was written",
            "The folder is damaged; train the model again",
        )
    return model
