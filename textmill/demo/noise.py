"""The dirt on the corpus: dressing that cleaning takes off, spellings of labels, and values that are none."""

from collections.abc import Sequence

from textmill.demo.grammar import LABELS
from textmill.demo.rates import Rates, threshold

#: Spellings of each label that every encoding can write; the first is the label itself.
LATIN_SPELLINGS = {
    "complaint": ("complaint", "Complaint", "COMPLAINT", "complain", "complaints"),
    "inquiry": ("inquiry", "Inquiry", "INQUIRY", "enquiry", "question"),
    "suggestion": ("suggestion", "Suggestion", "SUGGESTION", "suggest", "suggestions"),
}
CHINESE_SPELLINGS = {
    "complaint": ("投诉", "投訴"),
    "inquiry": ("咨询", "諮詢"),
    "suggestion": ("建议", "建議"),
}
UNKNOWN_LABELS = ("other", "spam", "test", "unsorted")
BAD_AMOUNTS = ("n/a", "12o.50", "unknown", "12.50 EUR")
BAD_TIMES = ("2026-02-30T10:00:00Z", "yesterday", "2026-13-01T00:00:00Z")
EMPTY_LATIN = ("", " ", "   ", "<br/>", "&nbsp;", "<p></p>")
EMPTY_ANY = (*EMPTY_LATIN, "\u3000", "\u200b", "\ufeff ")

_FULL_WIDTH = str.maketrans({code: code + 0xFEE0 for code in (*range(0x30, 0x3A), *range(0x41, 0x5B))})
_SPACES = (("  ", ""), ("", " "), (" ", "   "), ("\t", ""))
_HTML = (("<p>", "</p>"), ("", "<br/>"), ("<div>", "<br></div>"), ("", "&nbsp;"), ("<b></b>", ""))


def spellings(label: str, *, latin_only: bool) -> tuple[str, ...]:
    """All ways `label` is written, itself first."""
    return LATIN_SPELLINGS[label] if latin_only else LATIN_SPELLINGS[label] + CHINESE_SPELLINGS[label]


def label_map() -> dict[str, str]:
    """Every spelling of the corpus that is not a label itself, with the label it means."""
    return {spelling: label for label in LABELS for spelling in spellings(label, latin_only=False) if spelling != label}


def _slip_in(text: str, character: str, draw: int) -> str:
    place = draw % (len(text) + 1)
    return text[:place] + character + text[place:]


class Dresser:
    """Dresses texts so that cleaning gives back exactly what they were.

    Parameters
    ----------
    rates
        How often each kind of dressing is put on.
    latin_only
        Whether the file's encoding has neither full-width nor zero-width characters.
    """

    KINDS = ("full_width", "zero_width", "html", "spaces")

    def __init__(self, rates: Rates, *, latin_only: bool) -> None:
        shares = (rates.full_width, rates.zero_width, rates.html, rates.spaces)
        self._limits = tuple(
            0 if latin_only and kind in ("full_width", "zero_width") else threshold(share)
            for kind, share in zip(self.KINDS, shares, strict=True)
        )
        self.counts = dict.fromkeys(self.KINDS, 0)
        self._latin_only = latin_only

    def dress(self, text: str, draws: Sequence[int], detail: int) -> str:
        """`text` with what the draws, one of 32 bits a kind, say; `detail` chooses places and variants."""
        limits = self._limits
        full, zero, html, space = draws
        if full < limits[0]:
            text = self.full_width(text)
        if zero < limits[1]:
            text = self.zero_width(text, detail)
        if html < limits[2]:
            text = self.html(text, detail)
        if space < limits[3]:
            text = self.spaces(text, detail)
        return text

    def change(self, text: str, detail: int) -> str:
        """`text` dressed in one way that certainly changes it."""
        if self._latin_only or detail & 1:
            return self.spaces(text, detail >> 1) if detail & 2 else self.html(text, detail >> 1)
        return self.zero_width(text, detail >> 1)

    def full_width(self, text: str) -> str:
        """Digits and capitals in their full-width forms."""
        self.counts["full_width"] += 1
        return text.translate(_FULL_WIDTH)

    def zero_width(self, text: str, detail: int) -> str:
        """A zero-width space somewhere, or a byte order mark in front."""
        self.counts["zero_width"] += 1
        return "\ufeff" + text if detail % 5 == 0 else _slip_in(text, "\u200b", detail)

    def html(self, text: str, detail: int) -> str:
        """Tags or an entity around the text."""
        self.counts["html"] += 1
        before, after = _HTML[detail % len(_HTML)]
        return f"{before}{text}{after}"

    def spaces(self, text: str, detail: int) -> str:
        """White space at the ends."""
        self.counts["spaces"] += 1
        before, after = _SPACES[detail % len(_SPACES)]
        return f"{before}{text}{after}"
