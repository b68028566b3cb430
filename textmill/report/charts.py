"""The geometry of the page's pictures: numbers in, coordinates out; the template draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

from textmill.report.facts import Confusion, Portion

# The flow: read on the left, a ribbon for each portion, names on the right.
FLOW_WIDTH = 760.0
_LEFT, _NODE, _RIGHT = 8.0, 12.0, 460.0
_SLOT, _GAP, _THINNEST, _TALLEST = 24.0, 5.0, 2.0, 210.0

_MOST_NUMBERED = 12
_LARGEST_MATRIX = 720.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ribbon:
    """One portion of the ledger in the flow: its path, its node on the right and the middle of its name."""

    portion: Portion
    path: str
    node_x: float
    node_y: float
    node_height: float
    text_y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The ledger as a flow from the records read to what became of them."""

    width: float
    height: float
    source_x: float
    source_y: float
    source_height: float
    node_width: float
    ribbons: tuple[Ribbon, ...]


def flow(portions: Sequence[Portion]) -> Flow:
    """The flow of these portions, in their order; an empty one for none."""
    heights = [max(_THINNEST, portion.share * _TALLEST) for portion in portions]
    slots = [max(_SLOT, height + _GAP) for height in heights]
    total, source_height = sum(slots), sum(heights)
    source_y = left_y = (total - source_height) / 2
    ribbons, top = [], 0.0
    for portion, height, slot in zip(portions, heights, slots, strict=True):
        node_y = top + (slot - height) / 2
        ribbons.append(
            Ribbon(
                portion=portion,
                path=_ribbon(_LEFT + _NODE, left_y, _RIGHT, node_y, height),
                node_x=_RIGHT,
                node_y=node_y,
                node_height=height,
                text_y=top + slot / 2,
            )
        )
        left_y += height
        top += slot
    return Flow(
        width=FLOW_WIDTH,
        height=max(total, 1.0),
        source_x=_LEFT,
        source_y=source_y,
        source_height=source_height,
        node_width=_NODE,
        ribbons=tuple(ribbons),
    )


def _ribbon(x0: float, y0: float, x1: float, y1: float, height: float) -> str:
    middle = (x0 + x1) / 2
    return (
        f"M{x0:.1f},{y0:.2f}C{middle:.1f},{y0:.2f} {middle:.1f},{y1:.2f} {x1:.1f},{y1:.2f}"
        f"V{y1 + height:.2f}C{middle:.1f},{y1 + height:.2f} {middle:.1f},{y0 + height:.2f} {x0:.1f},{y0 + height:.2f}Z"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell of the heat map that holds rows; `heat` from 0 to 1 is the share of its true label."""

    row: int
    column: int
    rows: int
    heat: float
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """A confusion matrix to look at. Up to a dozen labels it is a table with numbers, beyond that a picture.

    `cell` is the side of a cell of the picture in pixels; `cells` holds those with rows only.
    """

    labels: tuple[str, ...]
    numbered: bool
    cell: float
    cells: tuple[Cell, ...]

    def table(self) -> list[list[Cell]]:
        """All cells by row, those without rows too."""
        size = len(self.labels)
        found = {(cell.row, cell.column): cell for cell in self.cells}
        return [
            [
                found.get((row, column), Cell(row=row, column=column, rows=0, heat=0.0, right=row == column))
                for column in range(size)
            ]
            for row in range(size)
        ]


def heat_map(matrix: Confusion) -> HeatMap:
    """The heat map of a confusion matrix."""
    cells = []
    for row, counts in enumerate(matrix.counts):
        support = sum(counts)
        for column, rows in enumerate(counts):
            if rows:
                heat = rows / support
                right = row == column
                # Mistakes are few: the root lets them be seen beside the diagonal.
                cells.append(Cell(row=row, column=column, rows=rows, heat=heat if right else heat**0.5, right=right))
    size = len(matrix.labels)
    return HeatMap(
        labels=matrix.labels,
        numbered=size <= _MOST_NUMBERED,
        cell=max(7.0, min(26.0, _LARGEST_MATRIX / max(size, 1))),
        cells=tuple(cells),
    )
