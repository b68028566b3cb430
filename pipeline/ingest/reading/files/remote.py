"""Inputs outside the local file system: object stores and all else that fsspec knows by a URI."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import fsspec  # type: ignore[import-untyped]

from pipeline.errors import PipelineError, SourceError, SourceNotFoundError

#: Options of a file system by name; a text ``${NAME}`` stands for the value of that environment variable.
Options = Mapping[str, Any]
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET = re.compile(r"secret|token|passw|passphrase|credential|key|sas|connection_string", re.IGNORECASE)
_USER = re.compile(r"://[^/@\s]+:[^/@\s]+@")
#: Protocols of extras of ours, with the extra's name.
_EXTRAS = {"s3": "s3", "s3a": "s3"}


class Address(str):
    """A URI together with the options that it is opened with.

    The options hold the names of environment variables and never their values: an address may be kept on disk.
    """

    options: Options

    def __new__(cls, uri: str, options: Options) -> Self:
        """The address of `uri`."""
        made = super().__new__(cls, uri)
        made.options = options
        return made

    def __getnewargs__(self) -> tuple[str, Options]:  # type: ignore[override]
        return str(self), self.options


def is_uri(path: str) -> bool:
    """Whether `path` names something outside the local file system."""
    return "://" in path


def literal_secrets(options: Options, prefix: str = "") -> list[str]:
    """Names of options that hold a secret itself instead of the name of an environment variable."""
    found = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            found += literal_secrets(value, f"{prefix}{name}.")
        elif _SECRET.search(name) and isinstance(value, str) and not _VARIABLE.fullmatch(value):
            found.append(prefix + name)
    return found


def variables_of(options: Options) -> list[str]:
    """Names of the environment variables that the options stand for."""
    found: list[str] = []
    for value in options.values():
        if isinstance(value, Mapping):
            found += variables_of(value)
        elif isinstance(value, str):
            found += _VARIABLE.findall(value)
    return found


def _filled(options: Options, address: str) -> dict[str, Any]:
    def fill(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise SourceError(
                address,
                f"the environment variable {match[1]}, which [source] storage_options names, is not set here",
                "Set it for the driver and for every worker.",
            )
        return os.environ[match[1]]

    return {
        name: _filled(value, address)
        if isinstance(value, Mapping)
        else _VARIABLE.sub(fill, value)
        if isinstance(value, str)
        else value
        for name, value in options.items()
    }


def filesystem_of(address: str) -> tuple[Any, str]:
    """The fsspec file system of a URI, and the path in it.

    Raises
    ------
    SourceError
        If no installed package opens such addresses, or its options are wrong.
    """
    if _USER.search(address):
        raise SourceError(
            _USER.sub("://***@", address),
            "it holds a password, which would be kept wherever the address is",
            "Leave it out, and give it in [source] storage_options by the name of an environment variable.",
        )
    protocol = address.partition("://")[0]
    options = _filled(address.options, address) if isinstance(address, Address) else {}
    try:
        filesystem, inner = fsspec.core.url_to_fs(str(address), **options)
    except ImportError as error:
        extra = _EXTRAS.get(protocol)
        cure = f"Install it: pip install 'textmill[{extra}]'." if extra else "Install that package."
        raise SourceError(address, f"addresses with {protocol}:// need a package ({error})", cure) from error
    except (ValueError, TypeError) as error:
        raise SourceError(
            address,
            f"this kind of address cannot be opened: {error}",
            f"Known are {', '.join(sorted(fsspec.available_protocols())[:40])} and others of fsspec; see also [source] "
            "storage_options.",
        ) from error
    return filesystem, inner


@contextmanager
def explained(address: str) -> Iterator[None]:
    """A block in which whatever goes wrong with a remote input is told as a `SourceError` with what to do."""
    try:
        yield
    except PipelineError:
        raise
    except FileNotFoundError as error:
        raise SourceNotFoundError(
            address, "no such object, bucket or folder (not found)", "Correct [source] files."
        ) from error
    except PermissionError as error:
        raise SourceError(
            address,
            f"it may not be read: the server refuses access ({_said(error)})",
            "Give credentials that may list and read it, by the environment or by [source] storage_options.",
        ) from error
    except Exception as error:
        raise SourceError(
            address,
            f"it cannot be reached or read ({_said(error)})",
            "Check the address, the endpoint, the credentials and the network, and run again; nothing was committed.",
        ) from error


def _said(error: BaseException) -> str:
    words = (str(error).splitlines() or [""])[0][:300]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def state_of(address: str) -> tuple[str, ...]:
    """What changes when the object does: its size and, where the server tells them, its tag and time."""
    filesystem, inner = filesystem_of(address)
    with explained(address):
        filesystem.invalidate_cache()
        facts = filesystem.info(inner)
    names = ("size", "ETag", "etag", "LastModified", "mtime", "md5Hash", "generation")
    return tuple(str(facts[name]) for name in names if facts.get(name) is not None)
