"""Fresh tickets without labels, for a model to sort."""

import csv
from pathlib import Path

from textmill.demo.layout import PartLayout
from textmill.demo.rates import FATES, Rates
from textmill.demo.rows import PartRows

_CLEAN = dict.fromkeys(FATES, 0.0)


def write_unlabelled(path: Path, *, rows: int = 200, seed: int) -> Path:
    """The path, once a CSV file with the columns ``ticket`` and ``text`` lies there.

    Parameters
    ----------
    path
        File to write; an earlier one is replaced.
    rows
        Tickets in it.
    seed
        Another seed than the corpus' makes other tickets.
    """
    made = PartRows(PartLayout(rows=rows), seed, Rates(**_CLEAN, spelling=0.0))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["ticket", "text"])
        for batch in made.batches():
            writer.writerows([f"new-{row.ticket}", row.message] for row in batch)
    return path
