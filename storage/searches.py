"""Trials of searches for settings: an append-only table of what was tried on which version, and how well it did."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from storage.layout import StoreLayout, require_id
from storage.system import SystemTable

_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("search", "job", "dataset")]
    + [("version", pa.int64()), ("trial", pa.int64()), ("settings", pa.string())]
    + [("epochs", pa.int64()), ("validation_loss", pa.float64()), ("place", pa.int64())]
)


class Searches:
    """The searches of a store."""

    def __init__(self, layout: StoreLayout) -> None:
        self.table = SystemTable(layout.system("searches"), _SCHEMA)

    def put(self, search: str, job: str, dataset: tuple[str, int], trials: Sequence[Mapping[str, Any]]) -> None:
        """Nothing; the trials are in the table afterwards.

        Parameters
        ----------
        search
            The id of the search.
        job
            The job's name.
        dataset
            Dataset and version.
        trials
            Best first, each with "trial", "settings" (anything JSON can hold), "epochs" and "validation_loss".
        """
        whose = {"search": require_id(search, "search id"), "job": job, "dataset": dataset[0], "version": dataset[1]}
        rows = [
            {**whose, **trial, "settings": json.dumps(trial["settings"], sort_keys=True), "place": place}
            for place, trial in enumerate(trials, start=1)
        ]
        self.table.append(rows)
