"""The rows of one part, batch by batch: texts, labels, faults and copies, from the seed alone."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from textmill.demo.compose import GRAMMARS, TEXT_DRAWS, Composer, order_number
from textmill.demo.grammar import LABELS
from textmill.demo.layout import PartLayout
from textmill.demo.noise import (
    BAD_AMOUNTS,
    BAD_TIMES,
    EMPTY_ANY,
    EMPTY_LATIN,
    UNKNOWN_LABELS,
    Dresser,
    spellings,
)
from textmill.demo.planted import STOCK, Planted
from textmill.demo.rates import STRUCTURAL, Rates, threshold

BATCH_ROWS = 4096
CHANNELS = ("app", "web", "phone", "email", "wechat", "shop")
#: Cumulative shares of complaint, inquiry, suggestion.
CLASS_LIMITS = (threshold(0.42), threshold(0.78))
_ROW_DRAWS = 12
_POOL_ROWS = 512
_FIRST_TIME = np.datetime64("2025-01-01T00:00:00", "s")


#: Regular texts as composed and as written, with their class numbers.
Pool = deque[tuple[str, str, int]]


@dataclass(slots=True)
class Row:
    """One record before it is written; `fault` is "" or the structural fault that the writer makes."""

    ticket: str
    created_at: str
    channel: str
    amount: str
    message: str
    category: str
    fault: str


def _is_latin(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


class PartRows:
    """Makes the rows of one part and counts what it plants.

    Parameters
    ----------
    layout
        The part.
    seed
        The corpus' seed.
    rates
        What is planted how often.
    """

    def __init__(self, layout: PartLayout, seed: int, rates: Rates) -> None:
        self.layout, self.seed, self.rates = layout, seed, rates
        self._limits = rates.limits()
        self._last = self._limits[-1][1]
        self._chinese = 0 if layout.latin_only else threshold(rates.chinese)
        self._spelling, self._mislabelled = threshold(rates.spelling), threshold(rates.mislabelled)
        self._composers = {language: Composer(grammar, rates) for language, grammar in GRAMMARS.items()}
        self._dresser = Dresser(rates, latin_only=layout.latin_only)
        self._spellings = tuple(spellings(label, latin_only=layout.latin_only) for label in LABELS)
        self._spoilt = {
            "empty_text": ("message", EMPTY_LATIN if layout.latin_only else EMPTY_ANY),
            "missing_label": ("category", ("",)),
            "label_one_of": ("category", UNKNOWN_LABELS),
            "cast_amount": ("amount", BAD_AMOUNTS),
            "cast_created_at": ("created_at", BAD_TIMES),
        }
        self._stock = [
            (bit, text, label) for bit, (text, label) in enumerate(STOCK) if not layout.latin_only or text.isascii()
        ]
        self._pool: Pool = deque(maxlen=_POOL_ROWS)
        self._counts: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._seen = 0

    def share_pool(self, pool: Pool) -> None:
        """Lets rows here copy `pool`, texts of an earlier part: what overlapping exports look like."""
        latin = self.layout.latin_only
        self._pool.extend(entry for entry in pool if not latin or _is_latin(entry[0] + entry[1]))

    @property
    def pool(self) -> Pool:
        """Texts that copies are taken from."""
        return self._pool

    @property
    def planted(self) -> Planted:
        """What has been planted so far."""
        counts = self._counts
        noise = Counter({kind: counts[kind] for kind in ("spelling", "mislabelled")})
        noise.update(self._dresser.counts)
        for composer in self._composers.values():
            noise.update(composer.counts)
        faults = {name: counts[name] for name, _ in self._limits if name not in ("stock", "copy") and counts[name]}
        return Planted(
            records=counts["records"],
            faults=dict(sorted(faults.items())),
            labels=dict(sorted(self._labels.items())),
            stock_rows=counts["stock"],
            stock_seen=self._seen,
            copies={kind: counts[kind] for kind in ("dressed", "identical") if counts[kind]},
            noise=dict(sorted(noise.items())),
        )

    def batches(self) -> Iterator[list[Row]]:
        """All rows of the part in order, at most `BATCH_ROWS` at a time."""
        for number, start in enumerate(range(0, self.layout.rows, BATCH_ROWS)):
            yield self.batch(number, start, min(BATCH_ROWS, self.layout.rows - start))

    def batch(self, number: int, start: int, rows: int) -> list[Row]:
        """`rows` rows from number `start` of the part on; `number` is the batch's place, which seeds its draws."""
        width = TEXT_DRAWS + _ROW_DRAWS
        bits = np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=(self.layout.index, number)))
        draws = bits.random_raw(rows * width // 2).astype("<u8").view("<u4").reshape(rows, width)
        first = self.layout.start + start
        times = _FIRST_TIME + (np.arange(first, first + rows) * 37).astype("timedelta64[s]")
        moments = np.datetime_as_string(times).tolist()
        self._counts["records"] += rows
        return [
            self._row(first + offset, moment, values)
            for offset, (moment, values) in enumerate(zip(moments, draws.tolist(), strict=True))
        ]

    def _row(self, row: int, moment: str, draws: list[int]) -> Row:
        fate_draw, *own, spelling, money, detail, variant = draws[TEXT_DRAWS:]
        fate = self._fate(fate_draw) if fate_draw < self._last else ""
        message, label = self._message(fate, row, draws, own, detail, variant)
        made = Row(
            ticket=f"{row:010d}",
            created_at=moment + "Z",
            channel=CHANNELS[(money >> 16) % len(CHANNELS)],
            amount=f"{money % 50000 / 100 + 1:.2f}",
            message=message,
            category=self._category(label, spelling, variant),
            fault="",
        )
        if fate in STRUCTURAL:
            made.fault = fate
        elif fate in self._spoilt:
            column, values = self._spoilt[fate]
            setattr(made, column, values[detail % len(values)])
        return made

    def _message(
        self, fate: str, row: int, draws: list[int], own: list[int], detail: int, variant: int
    ) -> tuple[str, int]:
        """A row's text and the number of the class on its label."""
        if fate == "copy":
            return self._copy(detail, variant)
        class_draw, language, wrong, *dressing = own
        if fate == "stock":
            text, label = self._stock_text(variant)
            return self._dresser.dress(text, dressing, detail), label
        label = 0 if class_draw < CLASS_LIMITS[0] else 1 if class_draw < CLASS_LIMITS[1] else 2
        composer = self._composers["zh" if language < self._chinese else "en"]
        plain = composer.text(label, order_number(row, self.seed), draws)
        text = self._dresser.dress(plain, dressing, detail)
        if not fate:
            label = self._label(label, wrong)
            self._pool.append((plain, text, label))
        return text, label

    def _category(self, label: int, spelling: int, variant: int) -> str:
        """The label as it is written in the file."""
        written = self._spellings[label]
        if spelling >= self._spelling:
            return written[0]
        self._counts["spelling"] += 1
        return written[1 + variant % (len(written) - 1)]

    def _fate(self, draw: int) -> str:
        """What a row becomes; regular ("") where this part cannot hold the fault."""
        fate = next(name for name, limit in self._limits if draw < limit)
        layout = self.layout
        impossible = (
            (fate in STRUCTURAL and layout.format == "parquet")
            or (fate == "bad_encoding" and layout.encoding != "utf-8")
            or (fate == "copy" and not self._pool)
        )
        if impossible:
            return ""
        self._counts[fate] += 1
        return fate

    def _label(self, label: int, wrong: int) -> int:
        if wrong < self._mislabelled:
            self._counts["mislabelled"] += 1
            label = (label + 1 + (wrong & 1)) % 3
        self._labels[LABELS[label]] += 1
        return label

    def _stock_text(self, variant: int) -> tuple[str, int]:
        bit, text, label = self._stock[variant % len(self._stock)]
        self._seen |= 1 << bit
        return text, LABELS.index(label)

    def _copy(self, detail: int, variant: int) -> tuple[str, int]:
        plain, text, label = self._pool[variant % len(self._pool)]
        if detail & 1:
            self._counts["identical"] += 1
            return text, label
        self._counts["dressed"] += 1
        return self._dresser.change(plain, detail >> 1), label
