"""What a run has worked out before it commits, kept so that a driver that dies in the commit needs no cluster again."""

import hashlib
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from storage.files import write_atomic

if TYPE_CHECKING:
    from pipeline.ingest.prepared import Prepared
    from pipeline.train.fit import FitResult

_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """All that is left to do is to commit it.

    Attributes
    ----------
    work
        What was done, see `cluster.inputs.work_digest`.
    prepared
        The rows, staged; without what belongs to the process that staged them.
    fitted
        The model; None where the job trains none.
    trained_on
        The fingerprint of the rows that it learned from.
    seconds
        Wall time by stage.
    """

    work: str
    prepared: "Prepared"
    fitted: "FitResult | None"
    trained_on: str
    seconds: dict[str, float]

    def save(self, folder: Path) -> None:
        """Nothing; it is on disk."""
        kept = replace(self, prepared=replace(self.prepared, comparison=None))
        payload = pickle.dumps(kept, protocol=5)
        write_atomic(folder / "outcome.pickle", hashlib.sha256(payload).digest() + payload)

    @classmethod
    def saved(cls, folder: Path) -> "Outcome | None":
        """The outcome in a run's staging folder; None where there is none."""
        try:
            content = (folder / "outcome.pickle").read_bytes()
        except FileNotFoundError:
            return None
        digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() != digest:
            return None
        found: Outcome = pickle.loads(payload)  # noqa: S301 - this run's own, and whole
        return found
