"""A contender that tells what it can import: whether an environment is its own."""

import importlib.util
from typing import Any


def packages(**_: Any) -> dict[str, bool]:
    """Whether numpy, which textmill brings along and a bare environment does not, can be imported."""
    return {"numpy": importlib.util.find_spec("numpy") is not None}
