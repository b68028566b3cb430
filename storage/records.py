"""The part of the store's facade that keeps runs and models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.layout import StoreLayout
from storage.locks import locked
from storage.registry import Models, Runs, dataset_of
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
        """The records of all models, newest first, each with its id under ``"id"``."""
        return self._models.all()

    def model(self, model_id: str) -> dict[str, Any]:
        """The record of a model by its id or the start of it; raises `ModelNotFoundError`."""
        return self._models.get(model_id)

    def model_path(self, model_id: str) -> Path:
        """The folder of a model by its id or the start of it; raises `ModelNotFoundError`."""
        return self._models.path(model_id)
