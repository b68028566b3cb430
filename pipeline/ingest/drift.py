"""How far rows have moved from those of an earlier version, measured before they are committed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log, pi, sqrt

from pipeline.errors import DataError
from pipeline.ingest.drift_config import DriftConfig, DriftLimit
from pipeline.ingest.profile import Profile

_SHARES = (0.1, 0.5, 0.9)
#: How often chance alone may take label shares beyond their noise.
_BY_CHANCE = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A measure beyond its limit.

    Attributes
    ----------
    measure
        The key of ``[drift]``.
    what
        What was measured, in words.
    then, now
        Its earlier value and the new one, in words.
    change
        How far it has moved.
    limit
        How far it may.
    noise
        A change that chance alone makes where nothing has moved: smaller ones tell nothing.
    """

    measure: str
    what: str
    then: str
    now: str
    change: float
    limit: DriftLimit
    noise: float = 0.0

    @property
    def is_beyond(self) -> bool:
        """Whether it has moved further than its limit, and further than chance would move it."""
        return self.change > max(self.limit.limit, self.noise)

    def __str__(self) -> str:
        moved = f"a change of {self.change:.3g}, beyond the limit of {self.limit.limit:g}"
        return f"{self.what}: {self.then} then, {self.now} now ({moved} of [drift] {self.measure})"


def measure_drift(then: Profile, now: Profile, rows_after: int, config: DriftConfig) -> tuple[Drift, ...]:
    """The measures that are beyond their limits.

    Parameters
    ----------
    then
        The earlier version's profile.
    now
        That of the rows that a run brings.
    rows_after
        Rows of the version that is about to be made.
    config
        The limits.
    """
    found = [_rows(then.rows, rows_after, config.rows)]
    if then.rows and now.rows:
        found += _nulls(then, now, config.nulls)
    if then.labels and now.labels:
        found.append(_labels(then.labels, now.labels, config.labels))
    if then.lengths and now.lengths:
        found.append(_lengths(then, now, config.lengths))
    if then.tokens.total and now.tokens.total:
        found.append(_tokens(then, now, config.tokens))
    return tuple(drift for drift in found if drift.is_beyond)


def _rows(then: int, now: int, limit: DriftLimit) -> Drift:
    change = abs(now - then) / then if then else float(now > 0)
    return Drift(measure="rows", what="rows", then=str(then), now=str(now), change=change, limit=limit)


def _nulls(then: Profile, now: Profile, limit: DriftLimit) -> Iterator[Drift]:
    for name in dict.fromkeys([*then.nulls, *now.nulls]):
        before, after = then.null_share(name), now.null_share(name)
        yield Drift(
            measure="nulls",
            what=f'share of nulls in column "{name}"',
            then=f"{before:.2%}{'' if name in then.nulls else ' (no such column)'}",
            now=f"{after:.2%}{'' if name in now.nulls else ' (no such column)'}",
            change=abs(after - before),
            limit=limit,
        )


def _labels(then: Mapping[str, int], now: Mapping[str, int], limit: DriftLimit) -> Drift:
    before, after = _shares(then), _shares(now)
    moves = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in sorted({*before, *after})}
    most = max(moves, key=lambda name: abs(moves[name]))
    return Drift(
        measure="labels",
        what=f'label shares, most of all "{most}"',
        then=f"{before.get(most, 0.0):.2%}",
        now=f"{after.get(most, 0.0):.2%}",
        change=sum(map(abs, moves.values())) / 2,
        limit=limit,
        noise=_label_noise(then, now),
    )


def _label_noise(then: Mapping[str, int], now: Mapping[str, int]) -> float:
    """The change of label shares that chance alone exceeds once in a thousand comparisons, at the most.

    Under equal shares p of both, the distance has the mean sum(sqrt(2 p (1 - p) v / pi)) / 2, with v = 1/n + 1/m for n
    and m rows (the mean of the absolute value of a normal variable), or less. One row more or less changes it by 1/n
    or 1/m, so that it exceeds its mean by t with a probability of at most exp(-2 t**2 / v) (C. McDiarmid, "On the
    method of bounded differences", 1989).
    """
    rows = sum(then.values()), sum(now.values())
    spread = 1 / rows[0] + 1 / rows[1]
    shares = [(then.get(name, 0) + now.get(name, 0)) / sum(rows) for name in sorted({*then, *now})]
    mean = sum(sqrt(2 * share * (1 - share) * spread / pi) for share in shares) / 2
    return mean + sqrt(log(1 / _BY_CHANCE) * spread / 2)


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items()}


def _lengths(then: Profile, now: Profile, limit: DriftLimit) -> Drift:
    pairs = {share: (then.length_at(share), now.length_at(share)) for share in _SHARES}
    changes = {share: abs(after - before) / max(before, 1) for share, (before, after) in pairs.items()}
    share = max(changes, key=lambda each: changes[each])
    before, after = pairs[share]
    return Drift(
        measure="lengths",
        what=f"characters that {share:.0%} of the texts stay within",
        then=str(before),
        now=str(after),
        change=changes[share],
        limit=limit,
    )


def _tokens(then: Profile, now: Profile, limit: DriftLimit) -> Drift:
    share = now.tokens.share_of_new(then.tokens)
    return Drift(
        measure="tokens",
        what="words that the earlier version does not have",
        then="0.00%",
        now=f"{share:.2%}",
        change=share,
        limit=limit,
    )


def drift_warnings(found: Sequence[Drift], against: str) -> tuple[str, ...]:
    """One sentence for each measure that is to be told.

    Raises
    ------
    DataError
        If one of them is to stop the run.
    """
    stops = [drift for drift in found if drift.limit.severity == "stop"]
    if stops:
        raise DataError(
            f"the rows have drifted from {against}: {'; '.join(map(str, stops))}; nothing was committed",
            'Look at the input; where the change is meant, raise the limit or set `severity = "warn"` for this run',
        )
    return tuple(f"drift from {against}: {drift}" for drift in found)
