"""Stages of models: an append-only table of who put which model where, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from storage.errors import ModelNotFoundError
from storage.layout import StoreLayout
from storage.system import SERIAL, SystemTable
from storage.versions import iso_time

#: All stages: a model on trial, the one that is at work, and one that was taken from work.
STAGES = ("candidate", "production", "retired")
_SCHEMA = pa.schema([(name, pa.string()) for name in ("model", "name", "stage", "message", "author")])


@dataclass(frozen=True, slots=True, kw_only=True)
class StageChange:
    """A model's step into a stage; `name` is that of the models it is one of, `at` is ISO 8601 in UTC."""

    model: str
    name: str
    stage: str
    message: str
    author: str
    at: str


class Stages:
    """The stages of a store's models."""

    def __init__(self, layout: StoreLayout) -> None:
        self.table = SystemTable(layout.system("stages"), _SCHEMA)

    def history(self, model: str | None = None) -> list[StageChange]:
        """All changes of one model, or of all, the oldest first."""
        rows: list[dict[str, Any]] = self.table.read().to_pylist()
        return [
            StageChange(at=iso_time(row[SERIAL] // 1_000_000), **{field.name: row[field.name] for field in _SCHEMA})
            for row in rows
            if model in (None, row["model"])
        ]

    def now(self) -> dict[str, str]:
        """Model -> its stage, of the models that were ever given one."""
        return {change.model: change.stage for change in self.history()}

    def put(self, model: str, name: str, stage: str, *, message: str = "", author: str = "") -> list[StageChange]:
        """The changes made: the model's own, and that of the model whose place in production it takes.

        Parameters
        ----------
        model
            Its id.
        name
            What its kind is called: of one name, one model is in production.
        stage
            One of `STAGES`.
        message, author
            For people.
        """
        rows = [{"model": model, "name": name, "stage": stage, "message": message, "author": author}]
        if stage == "production":
            names = {change.model: change.name for change in self.history()}
            held = [one for one, now in self.now().items() if now == stage and names[one] == name and one != model]
            rows += [
                {"model": one, "name": name, "stage": "retired", "message": f"replaced by {model}", "author": author}
                for one in held
            ]
        if self.now().get(model) == stage:
            return []
        self.table.append(rows)
        changed = {row["model"] for row in rows}
        return [change for change in self.history() if change.model in changed][-len(rows) :]

    def find(self, name: str, stage: str, known: Sequence[str]) -> str:
        """The newest model of this name in this stage.

        Raises
        ------
        ModelNotFoundError
            If there is none.
        """
        found: dict[str, str] = {}
        for change in self.history():
            found.pop(change.model, None)
            if change.name == name and change.stage == stage and change.model in known:
                found[change.model] = change.stage
        if not found:
            raise ModelNotFoundError(
                f"model {name}@{stage}",
                f"no model of {name} is in stage {stage}",
                "Put one there with `textmill model ID --stage STAGE`, or see `textmill models`.",
            )
        return [*found][-1]
