"""Column names that differ in case alone: SQL takes them for one, so files that spell them otherwise are united."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from pipeline.ingest.reading.notes import quoted


class Spelling:
    """Which spelling stands for all that differ from it in case alone.

    Where one file has two of them, or the job names two, they are different columns, and none stands for another.

    Parameters
    ----------
    names
        The column names of each file.
    preferred
        Names as the job spells them, which count more than those of the first file.
    """

    def __init__(self, names: Sequence[Collection[str]], preferred: Collection[str]) -> None:
        self._names = names
        spelled: dict[str, dict[str, None]] = defaultdict(dict)
        for name in (name for each in names for name in each):
            spelled[name.casefold()][name] = None
        wanted = [name for name in preferred if name in spelled[name.casefold()]]
        apart = {name for each in (*names, wanted) for name in _twins(each)}
        self._chosen: dict[str, str] = {}
        self._united: list[tuple[str, ...]] = []
        for folded, found in spelled.items():
            if len(found) > 1 and folded not in apart:
                chosen = next((name for name in wanted if name in found), next(iter(found)))
                self._chosen |= dict.fromkeys(found, chosen)
                self._united.append((chosen, *(name for name in found if name != chosen)))

    def of(self, name: str) -> str:
        """What a file's column `name` is called here."""
        return self._chosen.get(name, name)

    def own_names(self, names: Iterable[str]) -> Mapping[str, str]:
        """A file's own names by what they are called here."""
        return {self.of(name): name for name in names}

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each name that stands for others."""
        return tuple(
            f'columns {quoted(spellings)} are read as one, called "{spellings[0]}": case does not count in names'
            for spellings in self._united
        )


def _twins(names: Iterable[str]) -> set[str]:
    """Names, case-folded, that several of `names` have."""
    folded = [name.casefold() for name in dict.fromkeys(names)]
    return {name for name in folded if folded.count(name) > 1}
