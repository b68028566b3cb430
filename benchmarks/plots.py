"""Plots as SVG: bars with their spread, and lines over logarithmic axes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_FONT = 'font-family="system-ui, sans-serif" font-size="13"'
_OURS, _OTHER, _INK, _GRID = "#b3541e", "#8a99a8", "#333333", "#dddddd"
_LINES = ("#b3541e", "#2f6f9f", "#4f8a3c", "#7a4f9a", "#8a6d1e")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar with the least and the most around it."""

    name: str
    middle: float
    least: float
    most: float
    ours: bool = False


def bars(title: str, unit: str, found: Sequence[Bar]) -> str:
    """Bars one below the other; shorter is better."""
    left, width, step = 150, 420, 30
    height = 46 + step * len(found)
    largest = max(bar.most for bar in found) or 1.0
    scale = width / largest
    parts = [_text(10, 20, title, weight="bold"), _text(left, 38, f"{unit}; the line is the spread", fill="#777777")]
    for number, bar in enumerate(found):
        y = 46 + step * number
        colour = _OURS if bar.ours else _OTHER
        parts.append(_text(left - 8, y + 17, bar.name, anchor="end"))
        parts.append(f'<rect x="{left}" y="{y + 4}" width="{bar.middle * scale:.1f}" height="18" fill="{colour}"/>')
        parts.append(_line(left + bar.least * scale, y + 13, left + bar.most * scale, y + 13, _INK))
        parts.append(_text(left + bar.most * scale + 6, y + 17, f"{bar.middle:.3g}"))
    return _svg(left + width + 90, height, parts)


def log_lines(title: str, x_name: str, y_name: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Lines over two logarithmic axes."""
    left, top, width, height = 70, 40, 430, 300
    points = [point for line in lines.values() for point in line]
    x_range = _decades([x for x, _ in points])
    y_range = _decades([y for _, y in points])

    def at(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - x_range[0]) / (x_range[1] - x_range[0])
        up = (math.log10(y) - y_range[0]) / (y_range[1] - y_range[0])
        return left + across * width, top + (1 - up) * height

    parts = [_text(10, 20, title, weight="bold")]
    for power in range(x_range[0], x_range[1] + 1):
        x, _ = at(10.0**power, 10.0 ** y_range[0])
        parts += [_line(x, top, x, top + height, _GRID), _text(x, top + height + 18, _short(power), anchor="middle")]
    for power in range(y_range[0], y_range[1] + 1):
        _, y = at(10.0 ** x_range[0], 10.0**power)
        parts += [_line(left, y, left + width, y, _GRID), _text(left - 8, y + 4, _short(power), anchor="end")]
    parts.append(_text(left + width / 2, top + height + 38, x_name, anchor="middle"))
    parts.append(_text(10, 36, y_name, fill="#777777"))
    for number, (name, line) in enumerate(lines.items()):
        colour = _LINES[number % len(_LINES)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(left + width + 12, top + 14 + 20 * number, name, fill=colour))
    return _svg(left + width + 110, top + height + 50, parts)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _short(power: int) -> str:
    return f"{10**power:,}" if 0 <= power <= 4 else f"1e{power}"


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", fill: str = _INK) -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="{fill}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _line(x0: float, y0: float, x1: float, y1: float, colour: str) -> str:
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}"/>'


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" {_FONT}>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>\n"])
