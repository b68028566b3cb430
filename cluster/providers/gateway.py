"""Clusters that a Dask Gateway server starts for us, with keys of its own for each."""

import getpass
import os
import time
from contextlib import suppress
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from distributed import Client

from cluster.errors import ProfileError
from cluster.network import is_loopback
from cluster.preflight import Vetting
from cluster.profiles.settings import GatewayProfile
from cluster.providers.provider import say_goodbye

_LOOK_S = 0.2
PASSWORD_VARIABLE = "TEXTMILL_GATEWAY_PASSWORD"  # noqa: S105 - where it is, not what it is


class GatewayCluster:
    """See the module.

    Parameters
    ----------
    name
        The profile's name.
    profile
        Its settings.
    workers
        How many.
    fit
        Whether workers that have another textmill are refused.
    """

    def __init__(self, name: str, profile: GatewayProfile, workers: int, *, fit: bool = True) -> None:
        self.workers = workers
        self.memory_bytes = profile.memory or 0
        self._name = name
        self._profile = profile
        self._vetting = Vetting(wanted=fit)
        self._gateway: Any = None
        self._cluster: Any = None
        self._client: Client | None = None

    def begin(self) -> None:
        """Nothing: it is started by others."""

    def open(self) -> Client:
        """A client of a new cluster, with a worker there.

        Raises
        ------
        ProfileError
            If the server cannot be reached, refuses, or gives no worker in time.
        WorkersUnfitError
            If workers have another textmill, or none.
        """
        try:
            self._gateway = self._connected()
            # Not `new_cluster`: where that fails it leaves a second gateway to the garbage collector, whose finaliser
            # takes a lock of Dask's that the interrupted code may be holding.
            name = self._gateway.submit(**self._profile.options)
            self._cluster = self._gateway.connect(name, shutdown_on_close=True)
            self._cluster.scale(self.workers)
            self._client = self._cluster.get_client(set_as_default=True)
        except ProfileError:
            raise
        except Exception as error:
            # The library's own errors and those of its transport share no root.
            problem = self._problem(error)
            self.close()
            raise ProfileError(self._name, problem) from error
        workers = self._awaited(self._client)
        self._vetting.begin(self._client)
        limits = [int(one.get("memory_limit") or 0) for one in workers.values()]
        self.memory_bytes = self.memory_bytes or min(limits, default=0)
        return self._client

    def _connected(self) -> Any:
        profile = self._profile
        host = urlsplit(profile.address).hostname or ""
        if profile.address.startswith("http://") and not profile.insecure and not is_loopback(host):
            raise ProfileError(
                self._name,
                f"{profile.address} would send your password in the clear; use https://, or set insecure = true",
            )
        # Imported when it is needed: an optional extra, and slow to start.
        try:
            library, auth = import_module("dask_gateway"), import_module("dask_gateway.auth")
        except ImportError as error:
            raise ProfileError(self._name, "Dask Gateway needs: pip install 'textmill[gateway]'") from error
        if profile.auth == "password":
            user = profile.user or getpass.getuser()
            how = auth.BasicAuth(username=user, password=os.environ.get(PASSWORD_VARIABLE))
        else:
            how = auth.get_auth(profile.auth)
        return library.Gateway(address=profile.address, proxy_address=profile.proxy_address, auth=how)

    def _problem(self, error: Exception) -> str:
        told = f"{self._profile.address}: {str(error) or type(error).__name__}"
        if "401" in told or "Unauthorized" in told or "uthentication" in told:
            return f"{told}. Set ${PASSWORD_VARIABLE} and, where it is not {getpass.getuser()}, user in the profile"
        if "Unknown fields" in told or "option" in told.lower():
            return f"{told}. What the server lets you choose: {self._options()}"
        return f"{told}. Is the gateway running, and is this its address?"

    def _options(self) -> str:
        with suppress(Exception):
            return ", ".join(sorted(self._gateway.cluster_options())) or "nothing"
        return "ask its administrator"

    def _awaited(self, client: Client) -> dict[str, Any]:
        deadline = time.monotonic() + self._profile.start_timeout_s
        while not (workers := client.scheduler_info(n_workers=-1)["workers"]):
            if time.monotonic() > deadline:
                raise ProfileError(
                    self._name,
                    f"no worker came within {self._profile.start_timeout_s:g} s; the server may have no room, or its "
                    "workers cannot start: see its log",
                )
            time.sleep(_LOOK_S)
        return dict(workers)

    def scale(self, workers: int) -> None:
        """Nothing; the server was asked for so many workers."""
        self.workers = workers
        if self._cluster is not None:
            self._cluster.scale(workers)

    def mend(self) -> None:
        """Nothing: the server replaces workers."""

    def vet(self) -> None:
        """Nothing where workers that came since are fit too."""
        if self._client is not None:
            self._vetting.go_on(self._client)

    def lost(self) -> str | None:
        """None: the client knows better."""
        return None

    def close(self) -> None:
        """Nothing; the server has ended the cluster, or does so as soon as it can."""
        say_goodbye(self._client)
        for one in (self._cluster, self._gateway):
            # A server that is gone is told nothing, and ends idle clusters by itself.
            with suppress(Exception):
                one.close()
        for gateway in (self._gateway, getattr(self._cluster, "gateway", None)):
            if gateway is not None:
                # Its finaliser would close it again: see above, and the loop that it asks for has ended by then.
                gateway._asynchronous = True
        self._client = self._cluster = self._gateway = None
