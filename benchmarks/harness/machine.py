"""The machine and the versions that a measurement was made with."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
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
        "revision": _revision(Path(__file__).resolve().parents[2]),
    }


def machine_told(machine: Mapping[str, Any], when: str = "") -> str:
    """The machine in a sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    revision = f" (commit {machine['revision']})" if machine.get("revision") else ""
    return (
        f"{when + ': ' if when else ''}{machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_bytes'] / 1e9:.0f} GB, load {machine['load']:g}, {machine['system']}, Python "
        f"{machine['python']}; {versions}{revision}."
    )


def _revision(root: Path) -> str:
    """The commit that is checked out, with a "+" where code differs from it; "" outside a checkout."""
    if not (root / ".git").exists():
        return ""
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        # Records and pages change while all of them are made anew.
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", ":!docs"], check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if changed else "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
