"""A scheduler that someone else runs: connected to, looked at, used, and left as it was."""

import socket
import ssl
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from distributed import Client, Security

from cluster.errors import ProfileError, WorkersUnfitError
from cluster.network import is_loopback
from cluster.preflight import Vetting
from cluster.profiles.settings import AddressProfile
from cluster.providers.provider import say_goodbye
from cluster.shipping import ship
from cluster.tls import TlsFolder

_LOOK_S = 0.1
_CONNECT_S = 10.0


class AddressCluster:
    """See the module.

    Parameters
    ----------
    name
        The profile's name.
    profile
        Its settings.
    tls
        The keys; None for plain TCP.
    fit
        Whether workers that have another textmill are refused.
    """

    def __init__(self, name: str, profile: AddressProfile, tls: TlsFolder | None, *, fit: bool = True) -> None:
        # Workers that are sent the code are looked at in any case.
        self._vetting = Vetting(wanted=fit or profile.ship)
        self.workers = profile.workers or 1
        self.memory_bytes = profile.memory or 0
        self._name = name
        self._profile = profile
        self._tls = tls
        self._client: Client | None = None

    def begin(self) -> None:
        """Nothing: it is started by others."""

    def open(self) -> Client:
        """A client of the cluster, once a worker is there and all of them are fit.

        Raises
        ------
        ProfileError
            If it cannot be reached, or no worker comes.
        WorkersUnfitError
            If workers have another textmill, or none.
        """
        self._client = connected(self._name, self._profile.address, self._tls, self._profile.start_timeout_s)
        workers = self._awaited(self._client)
        self._make_fit(self._client)
        self.workers = len(workers)
        limits = [int(one.get("memory_limit") or 0) for one in workers.values()]
        self.memory_bytes = min(limits, default=0)
        return self._client

    def _make_fit(self, client: Client) -> None:
        """Nothing; the workers have the same textmill, theirs or ours."""
        try:
            self._vetting.begin(client)
        except WorkersUnfitError:
            if not self._profile.ship:
                raise
            ship(client)
            self._vetting.begin(client)

    def _awaited(self, client: Client) -> dict[str, dict[str, Any]]:
        """The workers, as many as the profile asks for."""
        deadline = time.monotonic() + self._profile.start_timeout_s
        wanted = self._profile.workers or 1
        while len(workers := client.scheduler_info(n_workers=-1)["workers"]) < wanted:
            if time.monotonic() > deadline:
                raise ProfileError(
                    self._name,
                    f"the scheduler at {self._profile.address} has {len(workers)} workers, and {wanted} did not come "
                    f"within {self._profile.start_timeout_s:g} s. Start them with: dask worker {self._profile.address}",
                )
            time.sleep(_LOOK_S)
        return dict(workers)

    def scale(self, workers: int) -> None:
        """Nothing: how many there are is up to whoever runs them."""

    def mend(self) -> None:
        """Nothing, likewise."""

    def vet(self) -> None:
        """Nothing where workers that came since are fit too."""
        if self._client is not None:
            self._vetting.go_on(self._client)

    def lost(self) -> str | None:
        """None: the client knows better."""
        return None

    def close(self) -> None:
        """Nothing; the connection has ended, and what it asked for is given up. The cluster lives on."""
        say_goodbye(self._client)
        self._client = None


def connected(name: str, address: str, tls: TlsFolder | None, timeout_s: float) -> Client:
    """A client of the scheduler at `address`.

    Raises
    ------
    ProfileError
        If it cannot be reached, with what was found there instead.
    """
    security = tls.security() if tls is not None else None
    if address.startswith("tls://") and security is None:
        raise ProfileError(name, f'{address} needs keys; say with tls = "FOLDER" where they are')
    if address.startswith("tcp://") and security is not None:
        raise ProfileError(name, f"{address} is plain TCP, and the profile has keys; write tls://, or leave tls out")
    knock(name, address, security)
    try:
        return Client(address, security=security, set_as_default=True, timeout=timeout_s)
    except (OSError, TimeoutError) as error:
        raise ProfileError(name, f"{address} does not answer as a Dask scheduler: {error}") from error


def knock(name: str, address: str, security: Security | None) -> None:
    """Nothing where something listens at `address` and, with TLS, both sides believe each other.

    Dask tries again until its time is over, whatever the reason, and tells none.

    Raises
    ------
    ProfileError
        Where not, with the reason.
    """
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or 0
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_S) as plain:
            if security is not None:
                _shake_hands(plain, security)
    except ssl.SSLError as error:
        raise ProfileError(name, f"{address}: {_tls_problem(error)} ({error})") from error
    except TimeoutError as error:
        raise ProfileError(
            name, f"nothing answers at {address} within {_CONNECT_S:g} s; is a firewall between?"
        ) from error
    except socket.gaierror as error:
        raise ProfileError(name, f"{host}: no machine of this name is known here; check the address") from error
    except OSError as error:
        raise ProfileError(
            name, f"{address} cannot be reached: {error}. Is the scheduler running, and its port open to this machine?"
        ) from error


def _shake_hands(plain: socket.socket, security: Security) -> None:
    context = security.get_connection_args("client")["ssl_context"]
    with context.wrap_socket(plain) as secure:
        secure.settimeout(_CONNECT_S)
        with suppress(TimeoutError):
            # Whether our certificate is believed comes with the first bytes that the other side sends.
            secure.recv(1)


def _tls_problem(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            "the scheduler's certificate is not from the authority in the profile's tls folder; "
            "use the folder that its keys came from"
        )
    reason = (error.reason or "").upper()
    if "UNKNOWN_CA" in reason or "CERTIFICATE" in reason or "ALERT" in reason:
        return "the scheduler does not accept this side's certificate; use the folder that its keys came from"
    return "what listens there does not speak TLS; is it a plain tcp:// scheduler?"


def require_private(name: str, address: str, *, insecure: bool) -> None:
    """Nothing where plain TCP to `address` stays on this machine, or was allowed.

    Raises
    ------
    ProfileError
        Where not.
    """
    host = urlsplit(address).hostname or ""
    if address.startswith("tcp://") and not insecure and not is_loopback(host):
        raise ProfileError(
            name,
            f"{address} is plain TCP beyond this machine: whoever can reach it can run code as you. Make keys with "
            "`textmill cluster init-tls` and use tls://, or write insecure = true in the profile",
        )
