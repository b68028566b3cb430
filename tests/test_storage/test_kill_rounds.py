"""Writers killed at random instants of every operation leave a sound store: the script of the benchmarks, in short."""

import os
import sys
from pathlib import Path

from benchmarks import kills


def test_kills_amid_any_operation_leave_the_store_sound(tmp_path, monkeypatch):
    # The killed processes import what this one does.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(kills.__file__).parents[1]), *filter(None, sys.path)]))
    killed = kills.rounds(str(tmp_path / "store"), 8, seed=1)
    assert killed.total() == 8
