"""Growing and shrinking a cluster with its work: the scheduler says how many workers it could use."""

import time
from collections.abc import Callable
from contextlib import suppress

from distributed import Client

from cluster.profiles.settings import AdaptiveConfig

_EVERY_S = 2.0
#: Looks in a row that must ask for fewer workers before any is let go.
_PATIENCE = 5


class Adapting:
    """Looks now and then, and scales.

    Parameters
    ----------
    config
        The bounds.
    """

    def __init__(self, config: AdaptiveConfig) -> None:
        self._config = config
        self._looked_at = 0.0
        self._fewer = 0

    def look(self, client: Client, workers: int, scale: Callable[[int], None]) -> None:
        """Nothing; where it is time, and the work asks for it, `scale` was called.

        Parameters
        ----------
        client
            Of the cluster.
        workers
            How many it aims at now.
        scale
            Makes it another number.
        """
        now = time.monotonic()
        if now - self._looked_at < _EVERY_S:
            return
        self._looked_at = now
        target = workers
        with suppress(OSError):
            target = int(client.sync(client.scheduler.adaptive_target))
        decided = self.decide(workers, target)
        if decided != workers:
            scale(decided)

    def decide(self, workers: int, target: int) -> int:
        """How many workers to aim at, where there are `workers` and the work could use `target`."""
        wanted = max(self._config.minimum, min(self._config.maximum, target))
        self._fewer = self._fewer + 1 if wanted < workers else 0
        if wanted > workers or workers > self._config.maximum:
            return wanted
        if self._fewer >= _PATIENCE:
            self._fewer = 0
            return wanted
        return workers
