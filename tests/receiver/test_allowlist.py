"""The allowlist of networks, and the trusted proxies."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyhook_receiver import Cheddar, Receiver
from tallyhook_receiver.allowlist import Allowlist

NETWORKS = ["198.51.100.0/24", "2001:db8:7::/48"]
PROXIES = ["10.0.0.0/8", "fd00::/8"]


@given(st.none() | st.text(), st.text())
def test_without_a_list_everybody_may_send(peer: str | None, forwarded: str) -> None:
    assert Allowlist(None, ()).allows(peer, forwarded)


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        ("198.51.100.7", True),
        ("2001:db8:7::1", True),
        ("::ffff:198.51.100.7", True),
        ("198.51.101.7", False),
        ("::ffff:198.51.101.7", False),
        ("2001:db8:8::1", False),
        ("127.0.0.1", False),
        ("", False),
        (None, False),
        ("somewhere", False),
    ],
)
def test_a_sender_without_a_proxy(peer: str | None, allowed: bool) -> None:
    assert Allowlist(NETWORKS, ()).allows(peer, "") is allowed
    assert Allowlist(NETWORKS, PROXIES).allows(peer, "") is allowed


def test_a_stranger_is_not_believed() -> None:
    assert not Allowlist(NETWORKS, PROXIES).allows("203.0.113.9", "198.51.100.7")
    assert not Allowlist(NETWORKS, ()).allows("10.0.0.1", "198.51.100.7")
    assert Allowlist(NETWORKS, PROXIES).allows("198.51.100.7", "203.0.113.9")


@pytest.mark.parametrize(
    ("forwarded", "allowed"),
    [
        ("198.51.100.7", True),
        ("198.51.100.7, 10.0.0.2", True),
        ("203.0.113.9, 198.51.100.7, fd00::1, 10.0.0.2", True),
        ("198.51.100.7:51234 ,10.0.0.2:80", True),
        ("[2001:db8:7::1]:443", True),
        ("::ffff:198.51.100.7", True),
        # Forged by the sender, to the left of the address that our proxy added.
        ("198.51.100.7, 203.0.113.9", False),
        ("198.51.100.7, 203.0.113.9, 10.0.0.2", False),
        ("198.51.100.7, unknown", False),
        ("198.51.100.7,", False),
        ("198.51.100.7, 10.0.0.2, 300.0.0.1", False),
        ("10.0.0.9", False),
        ("", False),
        ("  ", False),
        (",", False),
    ],
)
def test_behind_trusted_proxies_the_header_is_read_from_the_right(forwarded: str, allowed: bool) -> None:
    assert Allowlist(NETWORKS, PROXIES).allows("10.0.0.1", forwarded) is allowed


@given(st.text(), st.sampled_from(["203.0.113.9", "unknown", "", "[::1", "2001:db8:8::1"]))
def test_nothing_that_a_stranger_writes_makes_him_a_sender(written: str, seen: str) -> None:
    assert not Allowlist(NETWORKS, PROXIES).allows("10.0.0.1", f"{written},{seen}")


@given(st.none() | st.text(), st.text())
def test_strange_addresses_are_nobodys(peer: str | None, forwarded: str) -> None:
    assert not Allowlist(["192.0.2.77"], ["192.0.2.78"]).allows(peer, forwarded)


@pytest.mark.parametrize("networks", [["10.0.0.1/8"], ["cheddar"], "10.0.0.0/8"])
def test_networks_are_checked_at_once(networks: Any) -> None:
    with pytest.raises(ValueError, match=r"host bits|does not appear|list of networks"):
        Allowlist(networks, ())


def test_proxies_need_a_list_of_senders() -> None:
    with pytest.raises(ValueError, match="trusted_proxies has no effect without senders"):
        Receiver(Cheddar("ACME", "key"), inbox=":memory:", trusted_proxies=PROXIES)


def test_an_empty_list_lets_nobody_in() -> None:
    assert not Allowlist([], ()).allows("127.0.0.1", "")
