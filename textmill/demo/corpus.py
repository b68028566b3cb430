"""The demonstration corpus as a whole: its files, its job file, and the truth about what was planted."""

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from textmill.demo.jobfile import job_text
from textmill.demo.layout import PartLayout, plan_parts
from textmill.demo.planted import Planted, merged
from textmill.demo.rates import Rates
from textmill.demo.write import write_part

#: Called after each part with the parts and the rows written so far.
OnPart = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A corpus on disk.

    Attributes
    ----------
    folder
        Where it lies; the files are in its folder ``raw``.
    job
        Its job file.
    files
        The parts, in the order a job reads them.
    planted
        What was put in, with the ledger that the job must report.
    bytes
        Size of all parts.
    """

    folder: Path
    job: Path
    files: tuple[Path, ...]
    planted: Planted
    bytes: int


def write_corpus(
    folder: str | Path,
    *,
    rows: int = 100_000,
    seed: int = 42,
    parts: int = 8,
    rates: Rates | None = None,
    workers: int = 1,
    on_part: OnPart | None = None,
) -> Corpus:
    """The corpus once all its files are written: ``raw/tickets-*``, ``job.toml`` and ``planted.json``.

    The same rows, seed, parts and rates give the same bytes, with any number of workers. Memory use does not depend
    on `rows`. Files of an earlier corpus in ``raw`` are removed first; other files there are left alone.

    Parameters
    ----------
    folder
        Directory to write in; made where missing.
    rows
        Records to write, broken ones included.
    seed
        Any integer from 0 on.
    parts
        Files to spread them over. The first eight differ in format, encoding and dialect.
    rates
        What is planted how often.
    workers
        Processes that write parts side by side.
    on_part
        Called as parts are finished.

    Raises
    ------
    ValueError
        If `rows`, `seed` or `parts` make no corpus.
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> corpus = write_corpus("/tmp/tickets", rows=1000)  # doctest: +SKIP
    >>> corpus.planted.ledger()["read"]  # doctest: +SKIP
    1000
    """
    if seed < 0:
        raise ValueError(f"seed {seed} is negative; give an integer from 0 on")
    layouts = plan_parts(rows, parts)
    folder = Path(folder)
    raw = folder / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for old in raw.glob("tickets-*"):
        old.unlink()
    planted = _write_parts(raw, layouts, seed, rates or Rates(), workers, on_part)
    job = folder / "job.toml"
    job.write_text(job_text(layouts), encoding="utf-8")
    (folder / "planted.json").write_text(
        json.dumps(planted.to_dict(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    files = tuple(raw / layout.name for layout in layouts)
    return Corpus(
        folder=folder, job=job, files=files, planted=planted, bytes=sum(path.stat().st_size for path in files)
    )


def _write_parts(
    raw: Path, layouts: tuple[PartLayout, ...], seed: int, rates: Rates, workers: int, on_part: OnPart | None
) -> Planted:
    planted: list[Planted] = []

    def note(part: Planted) -> None:
        planted.append(part)
        if on_part is not None:
            on_part(len(planted), sum(each.records for each in planted))

    if workers <= 1:
        for layout in layouts:
            note(write_part(raw, layout, seed, rates, layouts[0]))
        return merged(planted)
    # Fresh processes: a fork would take over the threads of whoever calls.
    with ProcessPoolExecutor(min(workers, len(layouts)), mp_context=get_context("spawn")) as pool:
        tasks = [pool.submit(write_part, raw, layout, seed, rates, layouts[0]) for layout in layouts]
        for task in tasks:
            note(task.result())
    return merged(planted)
