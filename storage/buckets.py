"""Clients of object stores: one a bucket and process, with what the environment says about endpoint and keys.

Settings are the usual variables of each service (``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION``,
``AWS_ENDPOINT_URL`` ...), read alike by this client and by the one in `deltalake`: both are Rust's ``object_store``.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from storage.errors import MissingExtraError

#: What a store's URI may start with.
SCHEMES = ("s3", "gs", "az")


def is_object_uri(uri: str) -> bool:
    """Whether `uri` names a place in a bucket."""
    return uri.partition("://")[0] in SCHEMES and "://" in uri


@cache
def client_module() -> Any:
    """The package `obstore`.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import obstore
    except ImportError as error:
        raise MissingExtraError(
            "a store in a bucket", "the package obstore is not installed", "Install it: pip install 'textmill[s3]'."
        ) from error
    return obstore


@cache
def bucket_client(bucket: str) -> Any:
    """The client of a bucket such as ``s3://corpora``; raises `MissingExtraError`."""
    client_module()
    from obstore.store import from_url

    make: Any = from_url
    return make(bucket, client_options={"allow_http": _allows_http(os.environ)})


@cache
def file_system(scheme: str) -> Any:
    """An fsspec file system for all buckets of a scheme, which DuckDB reads with; raises `MissingExtraError`."""
    client_module()
    from obstore.fsspec import FsspecStore

    make: Any = FsspecStore
    return make(scheme, client_options={"allow_http": _allows_http(os.environ)})


def storage_options(uri: str) -> dict[str, str] | None:
    """What `deltalake` has to be told to open a table at `uri`; None for a folder."""
    return {"allow_http": str(_allows_http(os.environ)).lower()} if is_object_uri(uri) else None


def _allows_http(environment: Mapping[str, str]) -> bool:
    # Only where someone named such an endpoint: a server of one's own.
    told = (environment.get(name, "") for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"))
    return any(value.startswith("http://") for value in told)
