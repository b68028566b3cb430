"""Pages of queries over one version: the first, the second, and those far on."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.contender import OURS, Case, Contender, Setting
from benchmarks.harness.figures import Measured
from benchmarks.harness.targets import Target, at_most
from benchmarks.peers.store_delta import Operations
from storage.store import Store

QUERIES = (
    "SELECT * FROM rows",
    "SELECT * FROM rows ORDER BY n % 97",
    "SELECT n, count(*) FROM rows GROUP BY n",
)
_PAGE_ROWS = 100
_ROW_BYTES = 100
#: Pages after the first two, by the share of the rows before them.
SHARES = (0.1, 0.5, 0.9)
_MOST_S, _MOST_LONGER_S = 0.1, 0.01


def _name(share: float) -> str:
    return f"{share:.0%} on s"


#: A page takes as long wherever it starts: what one far on takes beyond one near the start.
_CONSTANT = Target(
    claim=f"seconds that a page {SHARES[-1]:.0%} on takes beyond one {SHARES[0]:.0%} on",
    figure=lambda measured: _median(measured, SHARES[-1]) - _median(measured, SHARES[0]),
    at_most=_MOST_LONGER_S,
    issue=4,
)


def _median(measured: Measured, share: float) -> float:
    return measured.spread(OURS, _name(share)).median


def turn_pages(store: str, query: str, rows: int, scratch: str, **_: Any) -> dict[str, float]:
    """Seconds of a page: the first, the second, and after some shares of the rows."""
    opened, found = Store.open(store), Operations()
    cursors = {_name(share): _cursor_after(opened, query, int(rows * share)) for share in SHARES}
    second = _cursor_after(opened, query, _PAGE_ROWS)
    found.time("first page s", partial(_page, opened, query, None), shared=True)
    # The second is computed but once: later ones come from what it keeps.
    found.time("second page s", partial(_page, opened, query, second), shared=True, rounds=1)
    for name, cursor in cursors.items():
        found.time(name, partial(_page, opened, query, cursor), shared=True)
    return found.told(scratch, 0, rows, 0)


def _cursor_after(store: Store, query: str, rows: int) -> str | None:
    with store.sql(query, limit=rows) as before:
        for _ in before.batches():
            pass
        return before.cursor


def _page(store: Store, query: str, cursor: str | None) -> None:
    with store.sql(query, limit=_PAGE_ROWS, cursor=cursor) as found:
        if (told := found.read_all().num_rows) != _PAGE_ROWS:
            raise AssertionError(f"{told} rows on a page of {_PAGE_ROWS} of {query}")


def cases(setting: Setting, lay_out: Callable[[Path, int], str]) -> list[Case]:
    """A case a query; `lay_out` makes a store of so many rows in one file."""
    rows = max(_PAGE_ROWS * 20, setting.size_bytes // _ROW_BYTES)
    store = lay_out(setting.scratch / "pages", rows)
    return [
        Case(
            name=f"pages of {query}",
            contenders=[
                Contender(
                    name=OURS,
                    run="benchmarks.store_pages:turn_pages",
                    check="benchmarks.peers.store_delta:outputs",
                    prepare="benchmarks.peers.store_delta:copied",
                    arguments={"store": store, "query": query, "rows": rows},
                )
            ],
            equal=("committed",),
            work={"rows": rows},
            targets=(*(at_most(_name(share), _MOST_S) for share in SHARES), _CONSTANT),
        )
        for query in QUERIES
    ]
