"""The part of the store's facade that decides how files lie."""

import logging
from dataclasses import replace

from storage.arranging.merging import Merging
from storage.arranging.plan import ENOUGH_FILES, Advice, Arrangement, Observed, advise
from storage.arranging.policy import forget, is_automatic, observed, set_automatic
from storage.arranging.sorting import Sorting
from storage.edits.facade import Edits
from storage.edits.landing import Note, carry_out
from storage.errors import StoreError
from storage.sandbox import DEFAULT_MEMORY_BYTES
from storage.versions import COMPACT, DatasetSummary, Version

_LOG = logging.getLogger(__name__)


class Arranging(Edits):
    """Compaction: asked for, advised, or by the dataset's own policy."""

    def compact(
        self,
        name: str,
        arrangement: Arrangement | None = None,
        *,
        at_least: int = 2,
        run: str | None = None,
        message: str = "",
        author: str = "",
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
    ) -> Version:
        """The version with the same rows in better files; the newest one where they are as wanted.

        Rows keep their order unless the arrangement asks for another. The fingerprint stays the same in any case, and
        earlier versions keep their own files.

        Parameters
        ----------
        arrangement
            How files are wanted; None for how they were last arranged.
        at_least
            Small files side by side that are worth putting together.

        Raises
        ------
        SchemaMismatchError
            If the arrangement names a column that is not there.
        DatasetNotFoundError
            If there is no such dataset.
        """
        wanted = arrangement or Arrangement.from_dict(self._head(name, None).arranged)
        with self._work("compact", run) as (run, staging):
            work = (
                Sorting(
                    arrangement=wanted, staging=staging, cache=self.layout.cache("spill"), memory_bytes=memory_bytes
                ).work_out
                if wanted.reorders
                else Merging(arrangement=wanted, at_least=at_least, staging=staging).work_out
            )
            note = Note(run=run, mode=COMPACT, message=message, author=author)
            number = carry_out(self.layout.dataset(name), note, work)
        forget(self.layout, name)
        return self._made(name, number)

    def advice(self, name: str) -> Advice:
        """Whether compacting the newest version pays, and why; raises `DatasetNotFoundError`."""
        arrangement = Arrangement.from_dict(self._head(name, None).arranged)
        return advise(self.snapshot(name).files, arrangement, self.observed(name))

    def datasets(self) -> list[DatasetSummary]:
        """As in `storage.datasets.Datasets`, each with what would make it cheaper to read."""
        return [replace(each, hint=self.hint(each.name, each.files)) for each in super().datasets()]

    def hint(self, name: str, files: int) -> str:
        """Why compacting the newest version, which has so many files, pays; empty where it does not."""
        if files < ENOUGH_FILES:
            return ""  # nothing has to be opened to know
        told = self.advice(name)
        return told.reason if told.pays else ""

    def observed(self, name: str) -> dict[str, Observed]:
        """What queries did to a dataset since it was last compacted, by the column they filtered by."""
        return observed(self.layout, name)

    def set_automatic(self, name: str, *, on: bool) -> None:
        """Nothing; from now on the dataset compacts itself after commits where that pays, or no longer does."""
        self.version(name)
        set_automatic(self.layout.dataset(name), on=on)

    def is_automatic(self, name: str) -> bool:
        """Whether the dataset compacts itself."""
        return is_automatic(self.layout.dataset(name))

    def compact_if_asked(self, name: str) -> Version | None:
        """The version that the dataset's own policy made of the newest one; None where it did nothing.

        A compaction that fails is logged: the version that was committed before stands.
        """
        try:
            if not self.is_automatic(name):
                return None
            advice = self.advice(name)
            if not advice.pays:
                return None
            arrangement = Arrangement(sort=advice.sort) if advice.sort else None
            text = f"automatic: {advice.reason}"
            return self.compact(name, arrangement, at_least=ENOUGH_FILES, message=text, author="textmill")
        except (StoreError, OSError) as error:
            _LOG.warning("%s was not compacted: %s", name, error)
            return None
