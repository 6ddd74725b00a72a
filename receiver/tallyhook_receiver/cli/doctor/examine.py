"""Run all checks of `tallyhook doctor`, in order."""

import contextlib
from collections.abc import AsyncIterator

from tallyhook_receiver import Cheddar, InboxUnavailable, open_inbox
from tallyhook_receiver.cli.doctor.account import examine_account, examine_clock, examine_network
from tallyhook_receiver.cli.doctor.finding import Finding, doubtful, good
from tallyhook_receiver.cli.doctor.listener import Listener, Probe
from tallyhook_receiver.cli.doctor.setting import examine_keys, examine_settings, product_of
from tallyhook_receiver.cli.doctor.store import examine_store
from tallyhook_receiver.options import DEFAULT_INBOX
from tallyhook_receiver.settings import Settings


async def examine(settings: Settings, url: str | None) -> list[Finding]:
    product = product_of(settings)
    broken = examine_network()
    findings = [*examine_settings(settings, connects=not broken)]
    findings += [] if product is None else examine_keys(product)
    findings += broken or [*examine_account(settings), *examine_clock(settings)]
    findings += [finding async for finding in examine_store(settings)]
    if url is None or broken:
        return findings
    listener = Listener(url, settings.values.get("HEALTH_PATH", "/healthz"))
    findings += listener.examine(product)
    if product is not None and listener.taken:
        findings += [finding async for finding in _take_out(settings, product, listener.taken)]
    return findings


async def _take_out(settings: Settings, product: Cheddar, bodies: list[bytes]) -> AsyncIterator[Finding]:
    """Delete the test hooks from the inbox named in the settings.

    Yields a finding about this inbox: if it contained the test hooks, the listener uses the same inbox.
    """
    keys = {Probe.key(product, body) for body in bodies}
    found = 0
    with contextlib.suppress(InboxUnavailable, ValueError, ModuleNotFoundError):
        inbox = open_inbox(settings.values.get("INBOX", DEFAULT_INBOX), create=False)
        try:
            await inbox.open()
            found = sum([await inbox.forget(key) for key in keys])
        finally:
            await inbox.close()
    if found == len(keys):
        yield good("inbox", "the listener uses the same inbox")
    else:
        yield doubtful(
            "inbox",
            "the listener uses another inbox; the test hook remains in it, as ignored",
            f"set {settings.prefix}INBOX to the listener's inbox, or run this on the listener's machine",
        )
