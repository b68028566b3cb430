"""The most memory that each process of a run takes as the input grows: driver, scheduler and workers, one by one.

    python -m benchmarks.memory [--sizes 1GB 10GB] [--stage train] [--near] [--workers 2] [--block 64MB] [--json FILE]

Claim: the peak of a worker and of the driver stays flat (a tenth more at the most, or 50 MB) from the smallest size to
the largest, and a worker stays under what the run says before it starts.

The job cleans, checks, leaves out exact duplicates (a tenth of the rows are written twice) and, with ``--near``,
near-duplicates. With ``--stage train`` it goes on to a model: rows are hashed, weighted, mixed, learned for two epochs,
and tested; about twice the largest size more must be free. Input is generated as a stream on the disk of the temporary
folder; about three times the largest size must be free there. Resident memory is looked at ten times a second; pages of
files that are mapped into memory, which the system takes back when it needs them, are not counted.
"""

import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.generate import csv_chunks
from benchmarks.harness.scripted import begun, write_record
from benchmarks.harness.tables import markdown, verdict_lines
from benchmarks.harness.targets import Verdict, judged
from pipeline.settings import parse_size

_FILES = 4
_LOOK_S = 0.1
_GROWTH, _SLACK_BYTES = 1.1, 50_000_000
#: The last stage of a run -> the issue that promises flat memory for it.
_ISSUES = {"ingest": 3, "train": 5}
_JOB = """
name = "memory"
store = "store"
[source]
files = ["in/*.csv"]
block = "{block}"
[[clean]]
op = "normalize_unicode"
[[clean]]
op = "collapse_whitespace"
[[clean]]
op = "trim"
[[clean]]
op = "empty_text"
[[check]]
column = "label"
one_of = ["complaint", "inquiry", "suggestion"]
[dedupe]
exact = ["text"]
{near}
[dataset]
name = "rows"
"""
_TRAIN = """[train]
epochs = 2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """One run: its input, what came of it, and the most bytes that a process of each kind held.

    `promised_bytes` is what the run said a worker needs; 0 where it said nothing.
    """

    input_bytes: int
    seconds: float
    rows_read: int
    rows_kept: int
    driver_bytes: int
    scheduler_bytes: int
    worker_bytes: int
    promised_bytes: int


def write_input(folder: Path, size_bytes: int) -> int:
    """How many bytes of CSV were written to `folder`, of which a tenth repeats rows that were there before."""
    folder.mkdir()
    written = 0
    for number in range(_FILES):
        with (folder / f"part-{number}.csv").open("wb") as file:
            for chunk in _with_repeats(csv_chunks(size_bytes * 9 // 10 // _FILES, seed=number)):
                written += file.write(chunk)
    return written


def _with_repeats(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks, each followed by the front tenth of itself; its last line is left whole."""
    yield next(chunks)
    for chunk in chunks:
        yield chunk
        # Records end where a line starts with a number and a comma.
        ends = [match.start() + 1 for match in re.finditer(rb"\n(?=\d+,)", chunk[: len(chunk) // 8])]
        yield chunk[: ends[len(ends) * 4 // 5]] if ends else b""


def run(folder: Path, size_bytes: int, *, block: str, workers: int, near: bool, train: bool = False) -> Peaks:
    """What a run over so much input takes.

    Raises
    ------
    RuntimeError
        If the run fails.
    """
    written = write_input(folder / "in", size_bytes)
    job = folder / "job.toml"
    text = _JOB.format(block=block, near="near = { threshold = 0.8 }" if near else "")
    job.write_text(text + _TRAIN if train else text)
    command = [sys.executable, "-m", "textmill", "run", str(job), "--workers", str(workers), "--json"]
    peaks: dict[str, int] = {}
    began = time.perf_counter()
    with (folder / "out.json").open("wb") as out, (folder / "err.txt").open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        while process.poll() is None:
            for kind, size in _held(process.pid):
                peaks[kind] = max(peaks.get(kind, 0), size)
            time.sleep(_LOOK_S)
    said = (folder / "err.txt").read_text(encoding="utf-8", errors="replace")
    if process.returncode:
        raise RuntimeError(f"the run failed: {said[-2000:]}")
    result = json.loads((folder / "out.json").read_text())
    ledger = result["ledger"]
    return Peaks(
        input_bytes=written,
        seconds=time.perf_counter() - began,
        rows_read=ledger["read"],
        rows_kept=ledger["kept"],
        driver_bytes=peaks.get("driver", 0),
        scheduler_bytes=peaks.get("scheduler", 0),
        worker_bytes=peaks.get("worker", 0),
        promised_bytes=int(result.get("worker_memory_bytes") or 0),
    )


def _held(root_id: int) -> Iterator[tuple[str, int]]:
    """Kind and bytes of each process of a run.

    They are resident and anonymous. What a scheduler has in common with the process that it is a fork of is not its
    own; a worker's limit counts that too.
    """
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(root_id)
        yield "driver", _bytes_of(root)
        for child in root.children(recursive=True):
            # What the system's list of processes calls them, after a number for a worker.
            kind = child.name().split("-")[0]
            if kind == "worker":
                yield kind, _bytes_of(child)
            elif kind == "scheduler":
                yield kind, int(child.memory_full_info().uss)


def _bytes_of(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        held = process.memory_info()
        return int(held.rss - held.shared)
    return 0


def table(found: Sequence[Peaks]) -> str:
    """The peaks as a Markdown table."""
    head = ["input GB", "rows read", "rows kept", "seconds", "worker MB", "promised MB", "driver MB", "scheduler MB"]
    rows = [
        (
            f"{one.input_bytes / 1e9:.2f}",
            f"{one.rows_read:,}",
            f"{one.rows_kept:,}",
            f"{one.seconds:.0f}",
            *(
                f"{size / 1e6:,.0f}"
                for size in (one.worker_bytes, one.promised_bytes, one.driver_bytes, one.scheduler_bytes)
            ),
        )
        for one in found
    ]
    return markdown(head, rows)


def verdicts(found: Sequence[Peaks], stage: str) -> list[Verdict]:
    """Whether the peaks stay flat, and a worker's below what was promised."""
    first, last, issue = found[0], found[-1], _ISSUES[stage]
    grown = f"from {first.input_bytes / 1e9:.2g} to {last.input_bytes / 1e9:.2g} GB"
    told = []
    for kind in ("worker", "driver", "scheduler"):
        before, after = (getattr(one, f"{kind}_bytes") for one in (first, last))
        told.append(
            judged(
                f"peak of the {kind} {grown}, over that of the first size",
                after / before if before else math.inf,
                at_most=max(_GROWTH, 1 + _SLACK_BYTES / before) if before else _GROWTH,
                issue=issue,
            )
        )
    shares = [one.worker_bytes / one.promised_bytes if one.promised_bytes else math.inf for one in found]
    return [*told, judged("peak of a worker over what the run promised", max(shares), at_most=1.0, issue=issue)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 where the claim holds, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["1GB", "10GB"], help="inputs, smallest first")
    parser.add_argument("--block", default="64MB")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--stage", choices=tuple(_ISSUES), default="ingest", help="the last stage of the run")
    parser.add_argument("--near", action="store_true", help="leave out near-duplicates too")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder where not given")
    parser.add_argument("--json", type=Path, help="write all figures here too")
    given = parser.parse_args(arguments)
    facts, found = begun("benchmarks.memory", arguments), []
    for size in given.sizes:
        with tempfile.TemporaryDirectory(prefix="textmill-memory-", dir=given.folder) as folder:
            found.append(
                run(
                    Path(folder),
                    parse_size(size),
                    block=given.block,
                    workers=given.workers,
                    near=given.near,
                    train=given.stage == "train",
                )
            )
        print(table(found[-1:]), flush=True)
    print(table(found))
    write_record(given.json, {**facts, "stage": given.stage, "peaks": [asdict(one) for one in found]})
    judgement = verdicts(found, given.stage)
    print("\n".join(verdict_lines(judgement)))
    return int(any(not one.holds for one in judgement))


if __name__ == "__main__":
    sys.exit(main())
