"""Running the command line as a person does: another process, its exit status, its two streams."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def textmill(
    *arguments: object,
    folder: Path,
    env: dict[str, str] | None = None,
    timeout: float = 240,
    prefix: tuple[str, ...] = (),
) -> Answer:
    """What `textmill ARGUMENTS` answers when it is started in `folder`."""
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "textmill", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def without_privileges() -> tuple[str, ...]:
    """A prefix under which file permissions count, also for root."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    assert setpriv, "install util-linux: as root, permissions can be tested only with setpriv"
    return (setpriv, "--bounding-set=-dac_override,-dac_read_search")


def write_job(folder: Path, text: str, name: str = "job.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
