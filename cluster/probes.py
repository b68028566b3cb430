"""What a worker says about itself. Sent to it as code, since it may have no textmill, or another one.

Everything here is pickled by value: nothing but the standard library and what Dask itself needs may be imported.
"""

import hashlib
import os
import platform
import secrets
import socket
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

#: What has a part in the bytes of a result, or in whether programs understand each other.
LIBRARIES = (
    "textmill",
    "cloudpickle",
    "dask",
    "dask-ml",
    "deltalake",
    "distributed",
    "duckdb",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "rjieba",
    "scikit-learn",
    "scipy",
)
PACKAGES = ("textmill", "cluster", "pipeline", "storage")


def versions() -> dict[str, str]:
    """Name -> version of Python and of the libraries that count; "" where one is missing."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def code_digest() -> str:
    """Hex digits over all source files of textmill; "" where it is not installed."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            return ""
        [root] = spec.submodule_search_locations
        for path in sorted(Path(root).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def describe() -> dict[str, Any]:
    """Who this process is and what it has."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "python": sys.executable,
        "versions": versions(),
        "code": code_digest(),
        "clock": time.time(),
        "open_to_all": open_to_all(),
    }


def open_to_all() -> list[int]:
    """Ports on which this process listens on all interfaces."""
    everywhere = ("0.0.0.0", "::")  # noqa: S104 - looked for, not bound
    return sorted(
        connection.laddr.port
        for connection in psutil.Process().net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.ip in everywhere
    )


def write_and_read(folder: str, note: str, expected: str) -> dict[str, str]:
    """A file's name and what this process wrote into it; "error" says why it could not.

    Parameters
    ----------
    folder
        Where to write.
    note
        A file there that another process has written.
    expected
        What stands in it.
    """
    path = Path(folder) / f"probe-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    said = secrets.token_hex(8)
    try:
        if Path(note).read_text(encoding="ascii") != expected:
            return {"error": f"{note} does not hold what the driver wrote"}
        with open(path, "x", encoding="ascii") as file:
            file.write(said)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return {"error": str(error)}
    return {"name": path.name, "said": said}
