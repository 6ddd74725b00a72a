"""The networks that requests may come from, directly or through trusted proxies."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Allowlist:
    """The networks that requests may come from. If `networks` is None, every network is allowed.

    Behind a trusted proxy, the sender is the rightmost address in `X-Forwarded-For` that is not a trusted
    proxy. The addresses to its left can be forged.
    """

    def __init__(self, networks: Iterable[str] | None, proxies: Iterable[str]) -> None:
        """Raises ValueError for an invalid network."""
        self._networks = None if networks is None else _networks(networks)
        self._proxies = _networks(proxies)

    def allows(self, peer: str | None, forwarded: str) -> bool:
        """Whether to accept a request from this peer with this `X-Forwarded-For`.

        If networks are limited, a request is refused if the sender's address is missing or invalid.
        """
        if self._networks is None:
            return True
        address = _address(peer or "")
        hops = forwarded.split(",") if forwarded.strip() else []
        while address is not None and hops and _within(address, self._proxies):
            address = _address(hops.pop())
        return address is not None and _within(address, self._networks)


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    if isinstance(texts, str):
        raise ValueError("expected a list of networks, such as ['192.0.2.0/24']")
    return tuple(ipaddress.ip_network(text) for text in texts)


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _address(text: str) -> Address | None:
    """Parse an address with an optional port. IPv4-mapped IPv6 becomes IPv4.

    Returns None if it is invalid.
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
