"""Addresses of this machine and of others."""

import ipaddress
import socket

from distributed.utils import get_ip, get_ip_interface

from cluster.errors import ProfileError


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, seen from nowhere else.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("10.0.0.1")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listening_address(profile: str, wanted: str | None) -> str:
    """The address of this machine to listen on.

    Parameters
    ----------
    profile
        The profile's name, for messages.
    wanted
        An address, a name or a network interface; None to take the one on the way to everywhere.

    Raises
    ------
    ProfileError
        If this machine has no such address.
    """
    if wanted is None:
        return str(get_ip())
    try:
        return str(ipaddress.ip_address(wanted))
    except ValueError:
        pass
    try:
        return str(get_ip_interface(wanted))
    except (ValueError, KeyError, OSError):
        pass
    try:
        return str(socket.getaddrinfo(wanted, None)[0][4][0])
    except OSError as error:
        raise ProfileError(
            profile, f'address = "{wanted}": this machine has no such network interface, address or name'
        ) from error
