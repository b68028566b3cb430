"""The environments that peers run in: each has its own packages, so that nobody's pins hold another back."""

import hashlib
import importlib.metadata
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import benchmarks
from pipeline.errors import PipelineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A virtual environment by name with the requirements that pip installs into it."""

    name: str
    requirements: tuple[str, ...]


def of_own_versions(name: str, *packages: str) -> Environment:
    """An environment with packages that textmill stands on too, in the versions that it runs with here."""
    pins = tuple(f"{package}=={importlib.metadata.version(package)}" for package in packages)
    return Environment(name=name, requirements=pins)


class EnvironmentFailedError(PipelineError):
    """A peer's packages could not be installed; its message is pip's last words."""


def python_of(environment: Environment | None) -> Path:
    """The interpreter of that environment, which is made on first use and kept; textmill's own for None."""
    if environment is None:
        return Path(sys.executable)
    folder = _folder(environment)
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        venv.create(folder, with_pip=bool(environment.requirements), clear=True)
        _install(environment, python)
        ready.touch()
    return python


def _install(environment: Environment, python: Path) -> None:
    if not environment.requirements:
        return
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *environment.requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EnvironmentFailedError(
            f"pip could not install {' '.join(environment.requirements)} for {environment.name}: "
            f"{done.stderr.strip()[-500:]}; run without --peers, or see that pip reaches a package index"
        )


def import_path(environment: Environment | None, scratch: Path) -> Path:
    """What a child adds to its import path: the project; for a peer the benchmarks alone."""
    root = Path(benchmarks.__path__[0]).resolve()
    if environment is None:
        return root.parent
    (scratch / "path").mkdir(exist_ok=True)
    (scratch / "path" / root.name).symlink_to(root)
    return scratch / "path"


def _folder(environment: Environment) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256("\n".join((version, *environment.requirements)).encode()).hexdigest()[:12]
    return cache / "textmill" / "peers" / f"{environment.name}-{key}"
