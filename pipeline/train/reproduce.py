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
from pipeline.train.start import Start
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


def reproduce_model(
    model: TrainedModel, snapshot: Snapshot, scratch: Path, execute: Execute, start: Start | None = None
) -> Reproduction:
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
    start
        What learning went on from, where the lineage names a model for that under "start".

    Raises
    ------
    ModelError
        If the lineage lacks its settings, or names another version than `snapshot`, or another start.
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
        features = FeatureConfig.recorded(lineage.get("features"))
        train = TrainConfig.model_validate(lineage.get("train"))
    except ValidationError as error:
        raise ModelError(
            model.sha256[:12],
            f"its lineage holds settings that this version of textmill does not know ({error.error_count()} problems)",
            "Use the version of textmill that its lineage names under libraries",
        ) from error
    _require_start(model, start)
    result = fit_model(snapshot, features, train, scratch, execute, lineage, start)
    return Reproduction(expected=model.sha256, actual=result.model.sha256, result=result)


def _require_start(model: TrainedModel, start: Start | None) -> None:
    wanted, given = model.lineage.get("start"), None if start is None else start.to_dict()
    if (wanted is None) != (given is None):
        raise ModelError(
            model.sha256[:12],
            f"it learned on from {wanted['model']}, which is not given" if wanted else "it learned on from no model",
            "Give the model that its lineage names under start, and no other",
        )
    differing = [name for name in given or () if (wanted or {}).get(name) != (given or {})[name]]
    if differing:
        raise ModelError(
            model.sha256[:12],
            f"it learned on from another model than {(given or {})['model']}: {', '.join(differing)} differ",
            "Give the model that its lineage names under start",
        )
