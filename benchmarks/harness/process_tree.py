"""The memory that a process and its descendants hold together."""

import contextlib

import psutil


def tree_bytes(process_id: int) -> int:
    """Bytes of memory of the process tree now, shared pages counted once; 0 where the process has ended.

    The proportional share (PSS) where the system tells it, else the resident size.
    """
    try:
        root = psutil.Process(process_id)
        members = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(map(_bytes_of, members))


def _bytes_of(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error, FileNotFoundError, ProcessLookupError):
        try:
            return int(getattr(process.memory_full_info(), "pss", 0)) or int(process.memory_info().rss)
        except psutil.AccessDenied:
            return int(process.memory_info().rss)
    return 0
