"""The front door: `import textmill` for Python, `textmill` for the command line.

Everything in `__all__` is documented in `textmill.api`. It is loaded when it is first used, so that `import textmill`
and `textmill --help` are quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textmill.api import (
        JobConfig,
        JobFileError,
        Model,
        RunResult,
        Store,
        load_job,
        load_model,
        open_store,
        profile,
        run,
        write_corpus,
        write_report,
    )

__all__ = [
    "JobConfig",
    "JobFileError",
    "Model",
    "RunResult",
    "Store",
    "load_job",
    "load_model",
    "open_store",
    "profile",
    "run",
    "write_corpus",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'textmill' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module("textmill.api"), name)


def __dir__() -> list[str]:
    return __all__
