"""Modules loaded without a look for garbage in between, and while something else is waited for."""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module


@contextmanager
def loading() -> Iterator[None]:
    """A block in which modules are loaded.

    What they are made of stays: to look for garbage in it again and again takes a fifth of the time that loading takes.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def load_beside(*modules: str, then: Callable[[], None] = lambda: None) -> None:
    """Nothing; a thread loads these modules, one after the other, and what `then` loads.

    Whoever needs one imports it as ever, and waits for it where it is not there yet.
    """
    threading.Thread(target=_load, args=(modules, then), daemon=True, name="loading").start()


def _load(modules: tuple[str, ...], then: Callable[[], None]) -> None:
    # One that cannot be loaded is an error where it is needed.
    with loading(), suppress(Exception):
        for module in modules:
            import_module(module)
        then()
