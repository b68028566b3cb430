"""Files are whole or absent, and refusals of the system come with a cure."""

import errno
import subprocess
import sys

import pytest

from storage import files
from storage.errors import DiskFullError, StoreBusyError, StoreNotWritableError
from storage.locks import locked


def test_a_written_file_is_whole_and_alone(tmp_path):
    path = tmp_path / "deep" / "file.json"
    files.write_atomic(path, b"{}")
    files.write_atomic(path, b"[]")
    assert path.read_bytes() == b"[]"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.json"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    files.write_atomic(path, b"old")
    with pytest.raises(TypeError), files.written_aside(path) as file:
        file.write("text, where bytes belong")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EROFS, StoreNotWritableError),
        (errno.EACCES, StoreNotWritableError),
    ],
)
def test_refusals_are_explained(tmp_path, code, kind):
    with pytest.raises(kind, match=r"untouched|Nothing was committed"), files.explained(tmp_path):
        raise OSError(code, "refused")
    with pytest.raises(kind), files.explained(tmp_path):
        raise RuntimeError(f"Generic LocalFileSystem error: No (os error {code})")


def test_other_errors_pass_through(tmp_path):
    with pytest.raises(IsADirectoryError), files.explained(tmp_path):
        tmp_path.write_bytes(b"x")
    with pytest.raises(KeyError), files.explained(tmp_path):
        raise KeyError("x")


def test_a_full_device_is_a_full_disk():
    with (
        pytest.raises(DiskFullError, match="Free some space"),
        files.explained("/dev/full"),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")


HOLDER = """
import sys
from pathlib import Path
from storage.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_keeps_others_out_and_goes_with_its_process(tmp_path):
    path = tmp_path / "dataset" / "_textmill" / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        try:
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(StoreBusyError, match="another process"), locked(path, deadline_s=0.05):
                pass
        finally:
            holder.kill()
        holder.wait(timeout=30)
        with locked(path, deadline_s=5):
            pass
