"""From uniform draws to a ticket's text: the grammar at work."""

from collections.abc import Sequence

from textmill.demo.chinese import CHINESE
from textmill.demo.english import ENGLISH
from textmill.demo.grammar import LABELS, Grammar
from textmill.demo.rates import Rates, threshold

#: Draws of 32 bits that one text takes.
TEXT_DRAWS = 16
GRAMMARS = {"en": ENGLISH, "zh": CHINESE}

# The ten-digit numbers of orders: a bijection of the row number modulo a prime, so that no two rows share one and
# therefore no two regular texts are equal.
_PRIME = 9_999_999_967
_STEP = 6_180_339_887


def order_number(row: int, seed: int) -> str:
    """Ten digits that no other row of the corpus has, for up to 9,999,999,967 rows."""
    return f"{(row * _STEP + seed * 2_718_281_828 + 1_234_567) % _PRIME:010d}"


class Composer:
    """Writes texts of one language.

    Parameters
    ----------
    grammar
        The language.
    rates
        How often texts are ambiguous, mixed, or broken into lines.
    """

    NOISE = ("ambiguous", "mixed", "newlines")

    def __init__(self, grammar: Grammar, rates: Rates) -> None:
        self._grammar = grammar
        self._voices = tuple(grammar.voices[label] for label in LABELS)
        self._words = tuple(grammar.words[name] for name in ("product", "city", "agent", "feature", "weekday", "time"))
        self._ambiguous = threshold(rates.ambiguous)
        self._mixed = threshold(rates.mixed)
        self._newlines = threshold(rates.newlines)
        self.counts = dict.fromkeys(self.NOISE, 0)

    def _slots(self, reference: str, draws: Sequence[int]) -> dict[str, object]:
        """Values for every slot, from five draws of 32 bits; low and high halves serve different slots."""
        first, second, third, fourth, fifth = draws
        products, cities, agents, features, weekdays, times = self._words
        return {
            "ref": reference,
            "product": products[(first & 0xFFFF) * len(products) >> 16],
            "city": cities[(first >> 16) * len(cities) >> 16],
            "agent": agents[(second & 0xFFFF) * len(agents) >> 16],
            "feature": features[(second >> 16) * len(features) >> 16],
            "weekday": weekdays[(third & 0xFFFF) * len(weekdays) >> 16],
            "time": times[(third >> 16) * len(times) >> 16],
            "days": 2 + (fourth & 0xFFFF) % 28,
            "amount": self._grammar.amount % (5 + (fourth >> 16) % 995, fifth % 100),
            "phone": self._grammar.phone % (fifth % 1_000_000_000),
        }

    def text(self, label: int, reference: str, draws: Sequence[int]) -> str:
        """A ticket of class number `label` that names the order `reference`, from `TEXT_DRAWS` draws of 32 bits."""
        slots = self._slots(reference, draws[:5])
        kind, opener, core, other, detail, request, closer, where, which, lines, _ = draws[5:TEXT_DRAWS]
        grammar = self._grammar
        reference_line = grammar.references[which * len(grammar.references) >> 32]
        if kind < self._ambiguous:
            self.counts["ambiguous"] += 1
            sentences = self._plain(core, detail, closer)
        else:
            sentences = self._voiced(label, opener, core, detail, request, closer)
            if other < self._mixed:
                self.counts["mixed"] += 1
                strange = self._voices[(label + 1 + (which & 1)) % 3].cores
                sentences.insert(1 + (which >> 1 & 1), strange[(where >> 8) % len(strange)])
        sentences.insert(where % (len(sentences) + 1), reference_line)
        join = grammar.join
        if lines < self._newlines:
            self.counts["newlines"] += 1
            join = "\n"
        return join.join(sentences) % slots

    def _plain(self, core: int, detail: int, closer: int) -> list[str]:
        grammar = self._grammar
        sentences = [grammar.facts[core * len(grammar.facts) >> 32]]
        if detail & 1:
            sentences.append(grammar.details[detail * len(grammar.details) >> 32])
        if closer & 1:
            sentences.append(grammar.closers[closer * len(grammar.closers) >> 32])
        return sentences

    def _voiced(self, label: int, opener: int, core: int, detail: int, request: int, closer: int) -> list[str]:
        grammar, voice = self._grammar, self._voices[label]
        sentences = []
        if opener & 3 == 0:
            sentences.append(voice.openers[opener * len(voice.openers) >> 32])
        sentences.append(voice.cores[core * len(voice.cores) >> 32])
        if detail & 1:
            sentences.append(grammar.details[detail * len(grammar.details) >> 32])
        if request & 3 == 0:
            sentences.append(voice.requests[request * len(voice.requests) >> 32])
        if closer & 3 == 0:
            sentences.append(grammar.closers[closer * len(grammar.closers) >> 32])
        return sentences
