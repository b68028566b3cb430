"""The part of the store's facade that keeps runs and models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from storage.layout import StoreLayout
from storage.locks import locked
from storage.registry import Models, Runs, dataset_of
from storage.searches import Searches
from storage.stages import STAGES, StageChange, Stages
from storage.table import has_table


class Records:
    """The runs and models of a store.

    Parameters
    ----------
    layout
        The store's paths.
    """

    def __init__(self, layout: StoreLayout) -> None:
        self.layout = layout
        self._runs = Runs(layout)
        self._models = Models(layout)
        self._stages = Stages(layout)
        self._searches = Searches(layout)

    def record_run(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Nothing; the run has this record (anything JSON can hold) from now on."""
        self._runs.put(run_id, record)

    def runs(self) -> list[dict[str, Any]]:
        """The records of all runs, newest first, each with its id under ``"run"``."""
        return self._runs.all()

    def run(self, run_id: str) -> dict[str, Any]:
        """The record of a run by its id or the start of it; raises `RunNotFoundError`."""
        return self._runs.get(run_id)

    def save_model(self, model_id: str, staged_folder: Path, record: Mapping[str, Any]) -> Path:
        """The model's folder in the store, moved there in one step from `staged_folder`.

        The version that the record names by ``"dataset"`` and ``"version"`` keeps its files as long as the model is
        there.

        Raises
        ------
        ModelExistsError
            If a different model has this id.
        ModelNotFoundError
            If there is no staged folder.
        """
        dataset, _ = dataset_of(record)
        if dataset is None or not has_table(self.layout.dataset(dataset)):
            return self._models.put(model_id, staged_folder, record)
        # A vacuum holds the same lock: the version cannot go while the model appears.
        with locked(self.layout.dataset(dataset).lock):
            return self._models.put(model_id, staged_folder, record)

    def models(self) -> list[dict[str, Any]]:
        """The records of all models, newest first, each with its id under ``"id"`` and its ``"stage"`` if any."""
        stages = self._stages.now()
        return [_staged(record, stages) for record in self._models.all()]

    def model(self, model_id: str) -> dict[str, Any]:
        """The record of a model by its id, the start of it, or ``NAME@STAGE``, with its "stage" if it has one.

        Raises
        ------
        ModelNotFoundError
            If there is none.
        """
        record = self._models.get(self._model_id(model_id))
        return _staged(record, self._stages.now())

    def model_path(self, model_id: str) -> Path:
        """The folder of a model by its id, the start of it, or ``NAME@STAGE``; raises `ModelNotFoundError`."""
        return self._models.path(self._model_id(model_id))

    def set_stage(self, model_id: str, stage: str, *, message: str = "", author: str = "") -> list[StageChange]:
        """The changes made; a model that takes another's place in production retires it.

        Parameters
        ----------
        model_id
            As for `model`.
        stage
            "candidate", "production" or "retired".
        message, author
            For people.

        Raises
        ------
        ModelNotFoundError
            If there is no such model.
        ValueError
            If there is no such stage.
        """
        if stage not in STAGES:
            raise ValueError(f"{stage!r} is no stage; there are {', '.join(STAGES)}")
        record = self.model(model_id)
        name = str(record.get("name") or record["id"])
        with locked(self.layout.system("stages").lock.with_name("stages-put.lock")):
            return self._stages.put(record["id"], name, stage, message=message, author=author)

    def stages(self) -> dict[str, str]:
        """Model -> its stage, of the models that have one."""
        return self._stages.now()

    def stage_history(self, model_id: str) -> list[StageChange]:
        """What stages a model has been in, the oldest first; raises `ModelNotFoundError`."""
        return self._stages.history(self.model(model_id)["id"])

    def record_search(
        self, search_id: str, job: str, dataset: tuple[str, int], trials: Sequence[Mapping[str, Any]]
    ) -> None:
        """Nothing; the trials of a search are in `_system.searches` from now on; see `Searches.put`."""
        self._searches.put(search_id, job, dataset, trials)

    def _model_id(self, wanted: str) -> str:
        name, separator, stage = wanted.rpartition("@")
        return self._stages.find(name, stage, list(self._models.rows())) if separator and stage in STAGES else wanted


def _staged(record: dict[str, Any], stages: Mapping[str, str]) -> dict[str, Any]:
    stage = stages.get(record["id"])
    return record if stage is None else {**record, "stage": stage}
