"""Training a model again from its lineage, to see that the same bits come out."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pipeline.errors import ModelError
from pipeline.execute import Execute
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.fit import FitResult, fit_model
from pipeline.train.model import TrainedModel
from storage.versions import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reproduction:
    """What came out of training again.

    Attributes
    ----------
    expected, actual
        SHA-256 of the model that was given, and of the one trained now.
    result
        The new model and what is known about it.
    """

    expected: str
    actual: str
    result: FitResult

    @property
    def equal(self) -> bool:
        """Whether both models are the same."""
        return self.expected == self.actual


def reproduce_model(model: TrainedModel, snapshot: Snapshot, scratch: Path, execute: Execute) -> Reproduction:
    """The model trained again from the settings in its lineage.

    Parameters
    ----------
    model
        The model to reproduce.
    snapshot
        The version that its lineage names as "dataset" and "version".
    scratch
        An empty folder, so that nothing of the first training is used again.
    execute
        Runs tasks.

    Raises
    ------
    ModelError
        If the lineage lacks its settings, or names another version than `snapshot`.
    """
    lineage = model.lineage
    version = snapshot.version
    named = (lineage.get("dataset"), lineage.get("version"))
    if named != (version.dataset, version.number):
        raise ModelError(
            model.sha256[:12],
            f"it was trained on {named[0]} version {named[1]}, not on {version.dataset} version {version.number}",
            "Give the version that its lineage names",
        )
    try:
        features = FeatureConfig.model_validate(lineage.get("features"))
        train = TrainConfig.model_validate(lineage.get("train"))
    except ValidationError as error:
        raise ModelError(
            model.sha256[:12],
            f"its lineage holds settings that this version of textmill does not know ({error.error_count()} problems)",
            "Use the version of textmill that its lineage names under libraries",
        ) from error
    result = fit_model(snapshot, features, train, scratch, execute, lineage)
    return Reproduction(expected=model.sha256, actual=result.model.sha256, result=result)
