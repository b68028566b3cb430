"""What a language offers for writing tickets: sentences with slots, and the words that fill them."""

from collections.abc import Mapping
from dataclasses import dataclass

#: The classes of the corpus, in the order their shares are given.
LABELS = ("complaint", "inquiry", "suggestion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How one class speaks in one language.

    Attributes
    ----------
    openers
        First sentences that lean towards the class.
    cores
        What the ticket is about; the strongest signal of the class.
    requests
        What the customer wants; a weaker signal.
    stock
        Whole tickets people send word for word again and again; they have no slots.
    """

    openers: tuple[str, ...]
    cores: tuple[str, ...]
    requests: tuple[str, ...]
    stock: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """A language of the corpus.

    Sentences hold slots as ``%(product)s``; `words` says what fills them. Every sentence is already what cleaning
    makes of it (no double spaces, nothing at its ends), so that planted dirt can be taken off exactly.

    Attributes
    ----------
    language
        "en" or "zh".
    join
        What stands between two sentences.
    voices
        One voice a label of `LABELS`.
    details
        Sentences any class may contain.
    closers
        Last sentences any class may contain.
    facts
        What could be the core of any class: the tickets that even a person would sort either way.
    references
        Sentences that name the order by ``%(ref)s``.
    words
        The values of every slot but ``ref``, ``phone``, ``amount`` and ``days``, which are numbers.
    amount
        How an amount of money is written, from an integer and a two-digit fraction.
    phone
        How a telephone number is written, from nine digits as an integer.
    """

    language: str
    join: str
    voices: Mapping[str, Voice]
    details: tuple[str, ...]
    closers: tuple[str, ...]
    facts: tuple[str, ...]
    references: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]
    amount: str
    phone: str

    @property
    def stock(self) -> tuple[tuple[str, str], ...]:
        """All word-for-word tickets with their labels, in a fixed order."""
        return tuple((text, label) for label in LABELS for text in self.voices[label].stock)
