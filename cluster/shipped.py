"""A worker's part in receiving textmill: sent by value, since the worker may have none to import it from."""

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin


class ShippedCode(WorkerPlugin):  # type: ignore[misc]  # distributed carries no types
    """Unpacks a zip of packages in the worker's own folder and makes them the first that Python finds.

    Parameters
    ----------
    content
        The zip.
    digest
        Of what is in it.
    packages
        Their names.
    """

    name = "textmill-code"

    def __init__(self, content: bytes, digest: str, packages: tuple[str, ...]) -> None:
        self._content = content
        self._digest = digest
        self._packages = packages

    def setup(self, worker: Any) -> None:
        """Nothing; Dask calls this on each worker."""
        folder = Path(worker.local_directory) / f"textmill-{self._digest[:16]}"
        with zipfile.ZipFile(io.BytesIO(self._content)) as archive:
            archive.extractall(folder)
        sys.path.insert(0, str(folder))
        for module in [name for name in sys.modules if name.partition(".")[0] in self._packages]:
            del sys.modules[module]
