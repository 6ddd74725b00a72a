"""The networks that requests may come from, directly or through trusted proxies."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Allowlist:
    """The networks that requests may come from. If `allowed` is None, requests may come from anywhere.

    If a request comes through trusted proxies (`proxies`), its sender is the rightmost address in
    `X-Forwarded-For` that isn't one of these proxies. The addresses further left are ignored, because they
    may be forged.
    """

    def __init__(self, allowed: Iterable[str] | None, proxies: Iterable[str]) -> None:
        """Raises ValueError if `allowed` or `proxies` contains an invalid network."""
        self._networks = None if allowed is None else networks(allowed)
        self._proxies = networks(proxies)

    def allows(self, peer: str | None, forwarded: str) -> bool:
        """Return whether to accept a request.

        `peer` is the address that connected to the server. `forwarded` is the request's `X-Forwarded-For`
        header, or `""`. If only some networks are allowed, a request is refused if its sender's address is
        missing or invalid.
        """
        if self._networks is None:
            return True
        address = _address(peer or "")
        hops = forwarded.split(",") if forwarded.strip() else []
        while address is not None and hops and _within(address, self._proxies):
            address = _address(hops.pop())
        return address is not None and _within(address, self._networks)


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Parse networks such as `192.0.2.0/24`. Raises ValueError if one of them is invalid."""
    if isinstance(texts, str):
        raise ValueError("expected a list of networks, such as ['192.0.2.0/24']")
    return tuple(ipaddress.ip_network(text) for text in texts)


def _within(address: Address, places: tuple[Network, ...]) -> bool:
    return any(address in network for network in places)


def _address(text: str) -> Address | None:
    """Parse an IP address that may have a port. Returns None if the address is invalid.

    An IPv6 address that stands for an IPv4 address is returned as IPv4.
    """
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
