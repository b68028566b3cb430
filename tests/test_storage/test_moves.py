"""Staged files are found where they lie, also those that a dead attempt moved, with one look into the folder."""

from pathlib import Path

import pyarrow as pa
import pytest

from storage.errors import StagedPartError
from storage.moves import Moves
from storage.parquet import write_part


def test_moved_files_are_found_with_one_look_however_many_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging, folder = tmp_path / "staging", tmp_path / "rows"
    staging.mkdir()
    parts = [write_part(pa.table({"n": [number]}), staging / f"{number}.parquet") for number in range(20)]
    before = Moves(folder, parts, "run")
    before.move(3)
    for path in before.paths[15:]:
        path.rename(parts[before.paths.index(path)].path)
    Moves(folder, [write_part(pa.table({"n": [99]}), staging / "other.parquet")], "another run").move(4)
    looks: list[str] = []
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, pattern: looks.append(pattern) or glob(self, pattern))
    found = Moves(folder, parts, "run")
    assert found.paths == [*before.paths[:15], *(Path(part.path) for part in parts[15:])]
    assert len(looks) == 1
    assert [metadata.num_rows for metadata in found.check()] == [1] * 20


def test_a_file_that_is_nowhere_is_named(tmp_path: Path) -> None:
    part = write_part(pa.table({"n": [1]}), tmp_path / "one.parquet")
    Path(part.path).unlink()
    with pytest.raises(StagedPartError, match=r"one\.parquet: the staged file is missing"):
        Moves(tmp_path / "rows", [part], "run")
