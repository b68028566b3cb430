"""A job as it was submitted: the file's own text, where it lay, and what was said beside it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cluster.secrets import by_name, passwords_in
from pipeline.config import JobConfig, load_job
from pipeline.errors import JobFileError
from storage.files import write_atomic

_FACTS = "submission.json"
_TEXT = "job.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a driver needs to know of a job.

    The text keeps its ``${NAME}`` as they are: secrets come from the environment of whoever drives the job, and are
    written down nowhere.

    Attributes
    ----------
    name
        The job's name from its file.
    text
        The job file.
    origin
        Where it lay; relative paths in it start in its folder.
    here
        The folder that relative paths in `overrides` start from.
    overrides
        Texts like ``"train.epochs=3"``, applied in order.
    store
        The store's directory.
    workers
        Instead of the job file's number.
    allow_code
        Whether operations may run functions named in the job file.
    after
        Ids of jobs that must have succeeded first.
    notify
        A command to run when the job has ended.
    """

    name: str
    text: str
    origin: str
    here: str
    store: str
    overrides: tuple[str, ...] = ()
    workers: int | None = None
    allow_code: bool = False
    after: tuple[str, ...] = ()
    notify: str | None = None

    def save(self, folder: Path) -> None:
        """Nothing; it lies in the job's folder. Secrets of the environment lie there by name, wherever they stood."""
        kept = replace(
            self,
            text=by_name(self.text),
            overrides=tuple(map(by_name, self.overrides)),
            notify=by_name(self.notify) if self.notify is not None else None,
        )
        facts = asdict(kept)
        write_atomic(folder / _TEXT, facts.pop("text").encode())
        write_atomic(folder / _FACTS, json.dumps(facts, ensure_ascii=False, indent=1).encode())

    @classmethod
    def saved(cls, folder: Path) -> "Submission | None":
        """The submission in a job's folder; None where the job was started without a file."""
        try:
            facts: Mapping[str, Any] = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
            text = (folder / _TEXT).read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return None
        lists = {name: tuple(facts[name]) for name in ("overrides", "after")}
        return cls(**{**facts, **lists}, text=text)

    def require_no_passwords(self) -> None:
        """Nothing where no secret stands in the job file or beside it, since both are kept in the store.

        Raises
        ------
        JobFileError
            Naming the places.
        """
        problems = tuple(
            f"{place} holds a secret, and job files are kept in the store; write ${{NAME}} instead of it, and set NAME "
            "in the environment"
            for text in (by_name(self.text), *map(by_name, self.overrides), by_name(self.notify or ""))
            for place in passwords_in(text)
        )
        if problems:
            raise JobFileError(problems, self.origin)

    def job(self) -> JobConfig:
        """The job that is to run.

        Raises
        ------
        JobFileError
            With every problem found: a variable that is not set in this environment, for one.
        """
        job = load_job(self.origin, self.overrides, text=self.text, here=Path(self.here))
        job = job.model_copy(update={"store": self.store})
        if self.workers is not None:
            job = job.model_copy(update={"cluster": job.cluster.model_copy(update={"workers": self.workers})})
        return job
