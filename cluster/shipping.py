"""Textmill as it is here, sent to workers that have another one, or none."""

import io
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import cloudpickle
from distributed import Client

from cluster import shipped
from cluster.probes import PACKAGES, code_digest

cloudpickle.register_pickle_by_value(shipped)


def package_zip() -> bytes:
    """A zip of all our packages as they are here, and of what says their version."""
    number = version("textmill")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in PACKAGES:
            spec = find_spec(package)
            if spec is None or not spec.submodule_search_locations:
                raise ModuleNotFoundError(f"{package} cannot be found, and so not be shipped")
            [root] = spec.submodule_search_locations
            for path in sorted(Path(root).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    archive.write(path, str(Path(package) / path.relative_to(root)))
        about = f"Metadata-Version: 2.1\nName: textmill\nVersion: {number}\n"
        archive.writestr(f"textmill-{number}.dist-info/METADATA", about)
    return buffer.getvalue()


def ship(client: Client) -> None:
    """Nothing; all workers, those of later too, take textmill from what this process has."""
    client.register_plugin(shipped.ShippedCode(package_zip(), code_digest(), PACKAGES))
