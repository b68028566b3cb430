"""Staged files on their way into a dataset's folder: checked, brought there, and taken back where the commit fails."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import StagedPartError
from storage.files import make_folder, sync_folder
from storage.layout import PartName, run_digest
from storage.parquet import StagedPart, footer
from storage.places import Place
from storage.transfer import bring, for_each, take_back

_READERS = 8


def part_name(part: StagedPart, number: int, index: int, run: str) -> PartName:
    """The name of a staged file as the `index`-th of version `number`; `run` is the run's digest."""
    return PartName(number=number, part=index, run=run, sha=part.sha256[:32])


class Moves:
    """The files of a commit on their way into a folder; they can be renumbered, and taken back."""

    def __init__(self, folder: Place, parts: Sequence[StagedPart], run: str) -> None:
        self._folder = folder
        self._parts = parts
        self._run = run_digest(run)
        self.paths = self._found()

    def _found(self) -> list[Place]:
        """Where each file lies: as staged, or moved already by an attempt of this run that died."""
        missing = [part for part in self._parts if not Path(part.path).is_file()]
        moved: dict[str, Place] = (
            {path.name.partition("-")[2]: path for path in self._folder.glob(f"*-{self._run}-*")} if missing else {}
        )
        paths: list[Place] = []
        for index, part in enumerate(self._parts):
            staged = Path(part.path)
            name = str(part_name(part, 0, index, self._run)).partition("-")[2]
            if not staged.is_file() and name not in moved:
                problem = "the staged file is missing"
                raise StagedPartError(part.path, problem, "Run the job again; nothing was committed.")
            paths.append(staged if staged.is_file() else moved[name])
        return paths

    def check(self) -> list[pq.FileMetaData]:
        """The footers of all files, which are what their records say."""
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(_checked_footer, self._parts, self.paths))

    def move(self, number: int) -> None:
        """Nothing; the files have their names for version `number`."""
        if not self._parts:
            return
        make_folder(self._folder)

        def move_one(index: int) -> None:
            part = self._parts[index]
            target = self._folder / str(part_name(part, number, index, self._run))
            self.paths[index] = bring(Path(part.path), self.paths[index], target)

        for_each(len(self._parts), move_one, self._folder)
        sync_folder(self._folder)

    def take_back(self) -> None:
        """Nothing; the files lie where they were staged, as if nothing had been tried."""
        for index, part in enumerate(self._parts):
            self.paths[index] = take_back(Path(part.path), self.paths[index])


def _checked_footer(part: StagedPart, path: Place) -> pq.FileMetaData:
    problem = None
    try:
        size, metadata = path.stat().st_size, footer(path)
    except (OSError, pa.ArrowInvalid) as error:
        problem = f"no readable Parquet file ({error})"
    else:
        if size != part.bytes:
            problem = f"{size} bytes found, {part.bytes} were written"
        elif metadata.num_rows != part.rows:
            problem = f"{metadata.num_rows} rows found, {part.rows} were written"
    if problem is not None:
        raise StagedPartError(part.path, problem, "Run the job again; nothing was committed.")
    return metadata
