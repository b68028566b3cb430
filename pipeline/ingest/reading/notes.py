"""What a person should know about how the input was read: said once, however many files it is true of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_NAMED_FILES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A fact about one file.

    Attributes
    ----------
    alone
        What is said of the file: "5 NUL characters left out".
    several
        What is said of files that have it in common, behind their number: "with NUL characters left out".
    count
        Something to add up over these files; 0 for nothing.
    """

    alone: str
    several: str
    count: int = 0


def nuls_left_out(count: int) -> Note:
    """The note about NUL characters in a text file."""
    return Note(
        alone=f"{count} NUL character{'s' if count > 1 else ''} left out",
        several="with NUL characters left out",
        count=count,
    )


def in_one_line(notes: Sequence[Note]) -> str:
    """All that is said of one file; "" for nothing."""
    return "; ".join(note.alone for note in notes)


def told_once(noted: Iterable[tuple[str, Sequence[Note]]]) -> tuple[str, ...]:
    """One sentence for each fact, in order of first appearance.

    Parameters
    ----------
    noted
        File names, as messages have them, with their notes.

    Examples
    --------
    >>> note = Note(alone="read as gb18030 (detected)", several="read as gb18030 (detected)")
    >>> told_once([("a.csv", [note])])
    ('a.csv: read as gb18030 (detected)',)
    >>> told_once([(name, [note]) for name in ("a.csv", "b.csv", "c.csv", "d.csv")])
    ('4 files read as gb18030 (detected): a.csv, b.csv and 2 more',)
    """
    found: dict[str, list[tuple[str, Note]]] = {}
    for name, notes in noted:
        for note in notes:
            found.setdefault(note.several, []).append((name, note))
    return tuple(_sentence(facts) for facts in found.values())


def _sentence(facts: Sequence[tuple[str, Note]]) -> str:
    if len(facts) == 1:
        name, note = facts[0]
        return f"{name}: {note.alone}"
    total = sum(note.count for _, note in facts)
    counted = f" ({total} in all)" if total else ""
    return f"{len(facts)} files {facts[0][1].several}{counted}: {listed([name for name, _ in facts])}"


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many there are besides."""
    if len(names) <= _NAMED_FILES + 1:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED_FILES])} and {len(names) - _NAMED_FILES} more"


def quoted(names: Sequence[str]) -> str:
    """The names in quotes, as a sentence lists them.

    Examples
    --------
    >>> quoted(["a", "b", "c"])
    '"a", "b" and "c"'
    """
    *others, last = [f'"{name}"' for name in names]
    return f"{', '.join(others)} and {last}" if others else last
