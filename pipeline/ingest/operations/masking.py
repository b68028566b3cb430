"""Masking of personal data in Chinese and English texts."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

from pipeline.ingest.operations.operation import TextOperation
from pipeline.ingest.operations.rows import each_text, on_rows

Kind = Literal["url", "email", "ip", "id_number", "bank_card", "phone"]

_URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,15}://|(?<![a-z0-9.@])www\.)[a-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.IGNORECASE
)
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
_IPV4 = re.compile(r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9]|\.[0-9])")
_IPV6 = re.compile(r"(?<![0-9A-Fa-f:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![0-9A-Fa-f:])")
_ID_18 = re.compile(r"(?<![0-9])[1-9][0-9]{16}[0-9Xx](?![0-9A-Za-z])")
_SSN = re.compile(r"(?<![0-9-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![0-9-])")
_CARD = re.compile(r"(?<![0-9+])(?:[0-9][ -]?){12,}[0-9](?![0-9])")
# First digits and lengths that issuers use (ISO/IEC 7812): times and order numbers pass the Luhn check one time in ten.
_ISSUED = re.compile(r"4(?:\d{12}|\d{15}|\d{18})|5\d{15}|3[0-9]\d{12,14}|[69]\d{15,18}|2[2-7]\d{14}")
_SHORTEST_CARD = 13
#: In how many groups of digits a card's number is written at most.
_MOST_GROUPS = 6
_PHONE = re.compile(
    r"(?<![0-9])(?:"
    r"(?:(?:\+|00)?86[ -]?)?1[3-9][0-9](?:[ -]?[0-9]{4}){2}"  # Chinese mobile: 138 1234 5678
    r"|(?:(?:\+|00)86[ -]?)?\(?0[1-9][0-9]{1,2}\)?[ -]?[2-9][0-9]{3}[ -]?[0-9]{3,4}"  # landline: 010-62345678
    r"|[48]00[ -]?[0-9]{3}[ -]?[0-9]{4}"  # service lines: 400-123-4567
    r"|(?:\+?1[ .-]?)?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}"  # (212) 555-0100
    r"|\+[1-9][0-9]{0,2}(?:[ .-]?\(?[0-9]{2,4}\)?){2,5}"  # any country: +44 20 7946 0958
    r")(?![0-9])"
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def is_id_number(number: str) -> bool:
    """Whether an 18-digit Chinese id number has a right check digit (GB 11643, ISO 7064 MOD 11-2) and a real birthday.

    Examples
    --------
    >>> is_id_number("11010519491231002X")
    True
    """
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number, strict=False))
    if "10X98765432"[total % 11] != number[17].upper():
        return False
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    return born.year >= 1850


def is_card_number(text: str) -> bool:
    """Whether the digits of `text` are a bank card's: issued first digits and length, and a right Luhn check digit.

    Examples
    --------
    >>> is_card_number("4111 1111 1111 1111")
    True
    """
    number = re.sub("[^0-9]", "", text)
    if _ISSUED.fullmatch(number) is None:
        return False
    digits = [int(digit) for digit in number]
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return len(text) > 4


def _always(text: str) -> bool:
    return bool(text)


#: For each kind, what can be one, in order: pattern and proof.
_FINDERS: dict[Kind, tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...]] = {
    "url": ((_URL, _always),),
    "email": ((_EMAIL, _always),),
    "ip": ((_IPV4, _is_address), (_IPV6, _is_address)),
    "id_number": ((_ID_18, is_id_number), (_SSN, _always)),
    "bank_card": ((_CARD, is_card_number),),
    "phone": ((_PHONE, _always),),
}
#: For each kind, a pattern found in every text that holds one, for the compiled search.
_HINTS: dict[Kind, str] = {
    "url": r"://|(?i)www\.",
    "email": "@",
    "ip": r"[0-9]\.[0-9]|:[0-9A-Fa-f]*:",
    "id_number": r"[0-9]{17}|[0-9][-－][0-9]{2}[-－][0-9]",
    "bank_card": r"(?:[0-9][ 　－-]?){13}",
    "phone": r"(?:[0-9][ 　()（）.－-]{0,3}){7}",
}
#: Full-width characters -> their usual forms, one for one: whoever types Chinese may type these.
_USUAL = {0xFF01 + place: chr(0x21 + place) for place in range(94)} | {0x3000: " "}
#: A text whose personal data is written full-width holds one of these.
_WIDE_HINT = "[０-９＠．／ｗＷ]|：[^，。]{0,4}[:：]|:[^，。]{0,4}："


class Mask(TextOperation):
    """Replace personal data by the name of its kind: URLs, e-mail and IP addresses, id and card numbers, phone numbers.

    Numbers are proved before they are masked: Chinese id numbers by check digit and birthday, bank cards by Luhn, IP
    addresses by their grammar. Full-width digits, letters and signs count as their usual forms. Kinds are looked for in
    the order of this list, whatever order they are given in.

        op = "mask"
        kinds = ["email", "phone"]
    """

    op: Literal["mask"] = "mask"
    kinds: tuple[Kind, ...] = Field(default=tuple(_FINDERS), min_length=1)
    """What to mask; everything where not given."""
    replacement: str = "<{kind}>"
    """What to put in its place; ``{kind}`` stands for the name of the kind."""

    @field_validator("replacement")
    @classmethod
    def _known_place(cls, replacement: str) -> str:
        if re.search(r"\{(?!kind\})", replacement):
            raise ValueError(f'"{replacement}" may have no other place in braces than {{kind}}')
        return replacement

    def transform(self, texts: pa.Array) -> pa.Array:
        """The texts with personal data masked."""
        kinds = [kind for kind in _FINDERS if kind in self.kinds]
        hints = "|".join(f"(?:{hint})" for hint in [*(_HINTS[kind] for kind in kinds), _WIDE_HINT])
        return on_rows(texts, pc.match_substring_regex(texts, hints), lambda some: each_text(some, self._masked))

    def _masked(self, text: str) -> str:
        usual = text.translate(_USUAL)
        for kind, finders in _FINDERS.items():
            if kind in self.kinds:
                mask = self.replacement.replace("{kind}", kind)
                for pattern, proof in finders:
                    spans = list(_found(usual, pattern, proof))
                    text, usual = _replaced(text, spans, mask), _replaced(usual, spans, mask)
        return text


def _found(text: str, pattern: re.Pattern[str], proof: Callable[[str], bool]) -> Iterator[tuple[int, int]]:
    """Where the pattern matches something that is proved."""
    for match in pattern.finditer(text):
        if pattern is _CARD:
            yield from ((match.start() + start, match.start() + stop) for start, stop in _cards(match[0]))
        elif proof(match[0]):
            yield match.span()


def _replaced(text: str, spans: Sequence[tuple[int, int]], mask: str) -> str:
    """The text with the mask in the place of each span."""
    starts = [0, *(stop for _, stop in spans)]
    stops = [*(start for start, _ in spans), len(text)]
    return mask.join(text[start:stop] for start, stop in zip(starts, stops, strict=True))


def _cards(digits: str) -> Iterator[tuple[int, int]]:
    """Where card numbers lie in a row of digits in groups: an amount or a date may stand beside them."""
    groups = [found.span() for found in re.finditer("[0-9]+", digits)]
    first = 0
    while first < len(groups):
        start = groups[first][0]
        stops = [stop for _, stop in groups[first : first + _MOST_GROUPS] if stop - start >= _SHORTEST_CARD]
        stop = next((stop for stop in reversed(stops) if is_card_number(digits[start:stop])), None)
        first += 1
        if stop is not None:
            yield start, stop
            while first < len(groups) and groups[first][0] < stop:
                first += 1
