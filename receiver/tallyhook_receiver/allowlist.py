"""The networks that may send, directly or through trusted proxies."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Allowlist:
    """A list of networks. Without one everybody may send, and only the signature decides.

    Behind trusted proxies, the sender is the first address in `X-Forwarded-For`, read from the right, that is
    not a trusted proxy. The addresses to its left are only claims.
    """

    def __init__(self, networks: Iterable[str] | None, proxies: Iterable[str]) -> None:
        """Raises ValueError for anything but a network."""
        self._networks = None if networks is None else _networks(networks)
        self._proxies = _networks(proxies)

    def allows(self, peer: str | None, forwarded: str) -> bool:
        """Whether a request from this peer, with this `X-Forwarded-For`, may come in.

        A missing or invalid address may not.
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
        raise ValueError("a list of networks is expected, such as ['192.0.2.0/24']")
    return tuple(ipaddress.ip_network(text) for text in texts)


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _address(text: str) -> Address | None:
    """The address that a peer or proxy gives, perhaps with a port. An IPv4 address inside IPv6 is IPv4."""
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
