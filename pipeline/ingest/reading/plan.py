"""Planning what to read: from patterns to blocks that each hold whole records, before anything is parsed."""

from collections.abc import Callable, Sequence
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
from pipeline.ingest.reading.parquet_blocks import ParquetFacts, parquet_facts
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.ingest.reading.source_plan import SourcePlan
from pipeline.ingest.reading.text.agreement import agreed
from pipeline.ingest.reading.text.inspection import Inspected, inspect
from pipeline.ingest.reading.text.settled import (
    SettledFile,
    broken_files,
    encoding_of,
    requoted,
    settled_parquet,
    settled_text,
)

__all__ = ["SourcePlan", "plan_source"]


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
    opened = tasks.opened(list_files(source.files, root))
    files = [*tasks.text_files([file for file in opened if not file.parquet])]
    files += tasks.parquet_files([file for file in opened if file.parquet])
    files.sort(key=lambda settled: settled.file.index)
    united = unite_columns([settled.file for settled in files], [settled.kinds for settled in files], source)
    notes = [f"{settled.file.name}: {settled.file.note}" for settled in files if settled.file.note]
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

    def run(
        self, stage: str, work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], sizes: list[int]
    ) -> list[Any]:
        """Results of `work` with each of `arguments`, in order; nothing is started for none."""
        if not arguments:
            return []
        task = delayed(work, pure=False)
        return self.execute(stage, [task(*given) for given in arguments], sizes=sizes)

    def opened(self, found: Sequence[FoundFile]) -> list[OpenedFile]:
        """All files opened; those in a known encoding other than UTF-8 are rewritten."""
        arguments = [(index, file, self.source, self.scratch) for index, file in enumerate(found)]
        files: list[OpenedFile] = self.run("look", open_file, arguments, [0] * len(arguments))
        return self.rewritten(files, [file.encoding for file in files])

    def rewritten(self, files: Sequence[OpenedFile], encodings: Sequence[str]) -> list[OpenedFile]:
        """The files, rewritten as UTF-8 where `encodings` says that they are in another encoding."""
        chosen = [
            (place, encoding)
            for place, (file, encoding) in enumerate(zip(files, encodings, strict=True))
            if encoding not in {"", "utf-8"} and file.lines is None and not file.parquet
        ]
        arguments = [(files[place], encoding, self.scratch) for place, encoding in chosen]
        done = self.run("decode", rewrite, arguments, [files[place].data_bytes for place, _ in chosen])
        by_place = dict(zip((place for place, _ in chosen), done, strict=True))
        return [by_place.get(place, file) for place, file in enumerate(files)]

    def text_files(self, opened: Sequence[OpenedFile]) -> list[SettledFile]:
        """All text files with everything decided and their record ranges."""
        seen = self.inspected(opened)
        scans = self.scanned(seen)
        encodings = [encoding_of(file, scan) for file, scan in zip(opened, scans, strict=True)]
        decoded = self.rewritten(opened, encodings)
        changed = [place for place, file in enumerate(decoded) if file is not opened[place]]
        if changed:
            seen = self.inspected(decoded)
            scans = self.scanned(seen)
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
        keys = self.run("columns", object_keys, arguments, [part.stop - part.start for _, part in ranges])
        merged: dict[int, dict[str, None]] = {}
        for (place, _), names in zip(ranges, keys, strict=True):
            merged.setdefault(place, {}).update(dict.fromkeys(names))
        return [
            settled.with_columns(tuple(merged[place])) if place in merged else settled
            for place, settled in enumerate(files)
        ]

    def parquet_files(self, opened: Sequence[OpenedFile]) -> list[SettledFile]:
        """All Parquet files with what their footers tell.

        Raises
        ------
        SourceError
            If any of them is broken; all of those are named.
        """
        arguments = [(file, self.source.block) for file in opened]
        facts: list[Any] = self.run("look", parquet_facts, arguments, [0] * len(arguments))
        broken_files(facts)
        return [
            settled_parquet(file, fact, self.source)
            for file, fact in zip(opened, facts, strict=True)
            if isinstance(fact, ParquetFacts)
        ]
