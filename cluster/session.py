"""A cluster that a job holds on to: when its scheduler is lost, a new one is opened, and the job goes on."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from distributed import Client

from cluster.errors import ClusterLostError
from cluster.providers.provider import Provider

#: New clusters in a row without one task done.
MOST_FRUITLESS = 6
#: The longest rest before another one is tried: a network that is down for half a minute costs no job.
_LONGEST_REST_S = 15.0


class Session:
    """The client of a provider's cluster, the present one.

    Parameters
    ----------
    provider
        Opens clusters.
    on_lost
        Hears of each cluster lost, before the next one is opened.
    on_opened
        Hears of each cluster opened.
    on_closing
        Hears of each cluster that is about to be closed, or was lost.
    """

    def __init__(
        self,
        provider: Provider,
        on_lost: Callable[[ClusterLostError], None] = lambda _: None,
        on_opened: Callable[[Client], None] = lambda _: None,
        on_closing: Callable[[Client], None] = lambda _: None,
    ) -> None:
        self.provider = provider
        self._on_lost = on_lost
        self._on_opened = on_opened
        self._on_closing = on_closing
        self._client: Client | None = None
        self._fruitless = 0

    @property
    def client(self) -> Client:
        """The client of the present cluster, opened where there is none."""
        if self._client is None:
            self._client = self.provider.open()
            self._on_opened(self._client)
        return self._client

    @property
    def rest_s(self) -> float:
        """How long to wait before the next cluster is opened: not at all after one loss, then longer each time."""
        return min(2.0 ** (self._fruitless - 2), _LONGEST_REST_S) if self._fruitless > 1 else 0.0

    def progressed(self) -> None:
        """Nothing; the present cluster has done a task."""
        self._fruitless = 0

    def lost(self, stage: str) -> ClusterLostError | None:
        """The error of a scheduler that is known to be gone; None where it is not."""
        detail = self.provider.lost()
        if detail is None and self._client is not None and self._client.status != "running":
            detail = f"the connection is {self._client.status}"
        return ClusterLostError(stage, detail) if detail is not None else None

    def renew(self, error: ClusterLostError) -> None:
        """Nothing; a new cluster has taken the place of the one that was lost.

        Raises
        ------
        ClusterLostError
            If one after the other is lost before it has done anything.
        """
        self._fruitless += 1
        if self._fruitless > MOST_FRUITLESS:
            raise error
        self._on_lost(error)
        self.close()

    def close(self) -> None:
        """Nothing; the present cluster has ended."""
        client, self._client = self._client, None
        try:
            if client is not None:
                self._on_closing(client)
        finally:
            self.provider.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
