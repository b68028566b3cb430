"""Planning what to read: from patterns to blocks that each hold whole records, before anything is parsed."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dask import delayed

from pipeline.execute import Execute
from pipeline.ingest.reading.blocks import cut_into_blocks
from pipeline.ingest.reading.columns.unite import unite_columns
from pipeline.ingest.reading.csv.scan import BlockScan, raw_blocks, scan_block
from pipeline.ingest.reading.files.listing import FoundFile, list_files
from pipeline.ingest.reading.files.opening import OpenedFile, open_file, rewrite
from pipeline.ingest.reading.json_lines import object_keys
from pipeline.ingest.reading.notes import told_once
from pipeline.ingest.reading.parquet_files import ParquetFacts, parquet_facts
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.ingest.reading.source_plan import SourcePlan
from pipeline.ingest.reading.text.agreement import agreed
from pipeline.ingest.reading.text.encoding_choice import choose_encodings
from pipeline.ingest.reading.text.inspection import Inspected, inspect
from pipeline.ingest.reading.text.settled import (
    SettledFile,
    broken_files,
    requoted,
    settled_parquet,
    settled_text,
)

__all__ = ["SourcePlan", "plan_source"]

_MOST_A_TASK = 64
_ENOUGH_TASKS = 64


def plan_source(source: SourceConfig, root: Path, execute: Execute, scratch: Path) -> SourcePlan:
    """All input of a job, understood and cut into blocks of whole records.

    The plan depends on the input and on `source` alone. Packed files and files in other encodings are rewritten in
    `scratch`, which has to stay until the blocks are read.

    Parameters
    ----------
    source
        What the job file says about the input.
    root
        The folder that relative patterns start from.
    execute
        Runs the tasks.
    scratch
        A folder that all workers see; made when needed.

    Raises
    ------
    SourceNotFoundError
        If a pattern means no file.
    SourceError
        If a file cannot be read, is damaged, or cannot be understood.
    JobFileError
        If the job file names a column that no file has.
    """
    tasks = PlanTasks(source, execute, scratch)
    opened = tasks.opened(list_files(source.files, root, source.storage_options))
    files = [*tasks.text_files([file for file in opened if not file.parquet])]
    files += tasks.parquet_files([file for file in opened if file.parquet])
    files.sort(key=lambda settled: settled.file.index)
    united = unite_columns([settled.file for settled in files], [settled.kinds for settled in files], source)
    notes = told_once((settled.file.told, settled.notes) for settled in files)
    return SourcePlan(
        files=tuple(settled.file for settled in files),
        blocks=cut_into_blocks(files, united, source),
        schema=united.schema,
        notes=(*notes, *united.notes),
    )


class PlanTasks:
    """The tasks of planning, each kind run over all files at once."""

    def __init__(self, source: SourceConfig, execute: Execute, scratch: Path) -> None:
        self.source = source
        self.execute = execute
        self.scratch = scratch
        self.wanted = tuple(source.columns.values())
        self.joined = source.delimiter if source.delimiter != "auto" and len(source.delimiter) > 1 else None

    def run(
        self, stage: str, work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], sizes: list[int]
    ) -> list[Any]:
        """Results of `work` with each of `arguments`, in order; nothing is started for none.

        Where there are many, several small ones share a task: `sizes` are their input bytes.
        """
        most = min(_MOST_A_TASK, max(1, len(arguments) // _ENOUGH_TASKS))
        batches = list(_batches(sizes, most, self.source.block))
        task = delayed(_each, pure=False)
        tasks = [task(work, delayed(list(arguments[start:stop]), traverse=False)) for start, stop in batches]
        if not tasks:
            return []
        done = self.execute(stage, tasks, sizes=[sum(sizes[start:stop]) for start, stop in batches])
        return [result for results in done for result in results]

    def opened(self, found: Sequence[FoundFile]) -> list[OpenedFile]:
        """All files opened; those in a known encoding other than UTF-8 are rewritten."""
        arguments = [(index, file, self.source, self.scratch) for index, file in enumerate(found)]
        files: list[OpenedFile] = self.run("look", open_file, arguments, [0] * len(arguments))
        return self.rewritten(files, [file.encoding for file in files])

    def rewritten(self, files: Sequence[OpenedFile], encodings: Sequence[str]) -> list[OpenedFile]:
        """The files, rewritten as UTF-8 where `encodings` says that they are in another encoding.

        With a delimiter of several characters all are, so that one character stands in its place.
        """
        as_they_are = {""} if self.joined else {"", "utf-8"}
        chosen = [
            (place, encoding)
            for place, (file, encoding) in enumerate(zip(files, encodings, strict=True))
            if encoding not in as_they_are and file.lines is None and not file.parquet
        ]
        arguments = [(files[place], encoding, self.scratch, self.joined) for place, encoding in chosen]
        done = self.run("decode", rewrite, arguments, [files[place].data_bytes for place, _ in chosen])
        by_place = dict(zip((place for place, _ in chosen), done, strict=True))
        return [by_place.get(place, file) for place, file in enumerate(files)]

    def text_files(self, opened: Sequence[OpenedFile]) -> list[SettledFile]:
        """All text files with everything decided and their record ranges."""
        seen = self.inspected(opened)
        scans = self.scanned(seen)
        encodings = choose_encodings(seen, scans)
        decoded = self.rewritten(opened, encodings)
        if any(file is not opened[place] for place, file in enumerate(decoded)):
            first, seen = seen, self.inspected(decoded)
            changed = [place for place, file in enumerate(seen) if file != first[place]]
            for place, scan in zip(changed, self.scanned([seen[place] for place in changed]), strict=True):
                scans[place] = scan
        configs = requoted(self.source, seen, scans)
        again = [place for place, config in enumerate(configs) if config is not None]
        seen_again = self.inspected([decoded[place] for place in again], [configs[place] for place in again])
        for place, file, scan in zip(again, seen_again, self.scanned(seen_again), strict=True):
            seen[place], scans[place] = file, scan
        files = [
            settled_text(file, scan, encoding, self.source)
            for file, scan, encoding in zip(seen, scans, encodings, strict=True)
        ]
        return self.with_keys(files)

    def inspected(
        self, opened: Sequence[OpenedFile], configs: Sequence[SourceConfig | None] | None = None
    ) -> list[Inspected]:
        """How each file is written; without `configs`, files of one folder are brought to agree."""
        given = [config or self.source for config in configs] if configs is not None else [self.source] * len(opened)
        arguments = [(file, config, self.wanted) for file, config in zip(opened, given, strict=True)]
        seen: list[Inspected] = self.run("look", inspect, arguments, [0] * len(arguments))
        if configs is not None:
            return seen
        revised = agreed(seen, self.source)
        places = [place for place, config in enumerate(revised) if config is not None]
        again = [(opened[place], revised[place], self.wanted) for place in places]
        for place, file in zip(places, self.run("look", inspect, again, [0] * len(again)), strict=True):
            seen[place] = file
        return seen

    def scanned(self, seen: Sequence[Inspected]) -> list[list[BlockScan]]:
        """The scans of all blocks of each file, in order."""
        blocks = [
            (place, start, stop)
            for place, file in enumerate(seen)
            for start, stop in raw_blocks(file.data_start, file.opened.data_bytes, self.source.block)
        ]
        arguments = [
            (seen[place].opened.data_path, start, stop, seen[place].dialect, seen[place].doubted)
            for place, start, stop in blocks
        ]
        results = self.run("scan", scan_block, arguments, [stop - start for _, start, stop in blocks])
        scans: list[list[BlockScan]] = [[] for _ in seen]
        for (place, _, _), scan in zip(blocks, results, strict=True):
            scans[place].append(scan)
        return scans

    def with_keys(self, files: Sequence[SettledFile]) -> list[SettledFile]:
        """The files, those of JSON lines with the columns that their records name."""
        ranges = [
            (place, part)
            for place, settled in enumerate(files)
            if settled.file.format == "jsonl"
            for part in settled.ranges
        ]
        arguments = [
            (files[place].file.data_path, part.start, part.stop, files[place].file.dialect, self.source.max_record)
            for place, part in ranges
        ]
        found = self.run("columns", object_keys, arguments, [part.stop - part.start for _, part in ranges])
        names: dict[int, dict[str, None]] = {}
        nuls: dict[int, int] = {}
        for (place, _), members in zip(ranges, found, strict=True):
            names.setdefault(place, {}).update(dict.fromkeys(members.names))
            nuls[place] = nuls.get(place, 0) + members.nuls
        return [
            settled.with_members(tuple(names[place]), nuls[place]) if place in names else settled
            for place, settled in enumerate(files)
        ]

    def parquet_files(self, opened: Sequence[OpenedFile]) -> list[SettledFile]:
        """All Parquet files with what their footers tell.

        Raises
        ------
        SourceError
            If any of them is broken; all of those are named.
        """
        arguments = [(file, self.source.block, self.scratch) for file in opened]
        facts: list[Any] = self.run("look", parquet_facts, arguments, [0] * len(arguments))
        broken_files(facts)
        return [settled_parquet(fact, self.source) for fact in facts if isinstance(fact, ParquetFacts)]


def _batches(sizes: Sequence[int], most: int, most_bytes: int) -> Iterator[tuple[int, int]]:
    """Consecutive stretches of at most so many items and, where several, so many bytes."""
    start, total = 0, 0
    for place, size in enumerate(sizes):
        if place > start and (place - start == most or total + size > most_bytes):
            yield start, place
            start, total = place, 0
        total += size
    if sizes:
        yield start, len(sizes)


def _each(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    return [work(*given) for given in arguments]
