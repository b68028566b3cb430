"""Arrays that are passed as files: whole, added up in their order by a tree of tasks, and gone afterwards."""

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.execute import run_here, task_of
from pipeline.train.array_files import ArrayFile, map_array, passing, summed, total_of, write_array
from storage.errors import StoreNotWritableError


def made(number, path):
    write_array(np.array([number, 1.0 / (number + 1)]), path)
    return ArrayFile(path=path, progress_rows=number)


@pytest.mark.parametrize(("arrays", "tasks"), [(1, 1), (16, 16), (17, 2), (300, 2)])
def test_a_tree_of_tasks_has_the_sum_of_all(tmp_path, arrays, tasks):
    with passing(tmp_path) as aside:
        level = summed([task_of(made, number, str(aside / f"{number}.npy")) for number in range(arrays)], aside)
        found = run_here("train", level)
        total = total_of(found)
    assert len(level) == tasks
    assert sum(file.progress_rows for file in found) == sum(range(arrays))
    np.testing.assert_allclose(total, [sum(range(arrays)), (1 / np.arange(1, arrays + 1)).sum()])
    assert list(tmp_path.iterdir()) == []


def test_an_array_written_again_leaves_the_first_to_its_readers(tmp_path):
    path = str(tmp_path / "a.npy")
    write_array(np.arange(5000.0), path)
    first = map_array(path)
    write_array(np.zeros(5000), path)
    np.testing.assert_array_equal(first, np.arange(5000.0))
    np.testing.assert_array_equal(map_array(path), np.zeros(5000))
    assert [file.name for file in tmp_path.iterdir()] == ["a.npy"]
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


def test_the_folder_goes_where_the_work_fails(tmp_path):
    with pytest.raises(PipelineError), passing(tmp_path):
        raise PipelineError
    assert list(tmp_path.iterdir()) == []


def test_what_the_disk_refuses_is_told(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "no")

    monkeypatch.setattr(np, "save", refuse)
    with pytest.raises(StoreNotWritableError):
        write_array(np.zeros(1), str(tmp_path / "a.npy"))
