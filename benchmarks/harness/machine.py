"""The machine and the versions that a measurement was made with."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = (
    "textmill",
    "dask",
    "distributed",
    "dask-ml",
    "duckdb",
    "deltalake",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
)


def machine_facts() -> dict[str, Any]:
    """What the machine is, how busy it is, and the versions of what textmill stands on, by name."""
    return {
        "system": platform.platform(terse=True),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
