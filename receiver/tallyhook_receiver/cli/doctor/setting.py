"""Check that the settings are complete and valid, and that the keys can be used."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from tallyhook_receiver import Cheddar, Receiver, SettingsError
from tallyhook_receiver.cli.doctor.finding import Finding, bad, doubtful, good
from tallyhook_receiver.settings import Settings

_ADVICE = "docs/operations.md lists the variables"


def product_of(settings: Settings) -> Cheddar | None:
    """Return the product that the settings describe, or None if settings are missing or wrong.

    The product gets no client.
    """
    try:
        return settings.product(connects=False)
    except SettingsError:
        return None


def examine_settings(settings: Settings, *, connects: bool) -> Iterator[Finding]:
    """Check whether a receiver can be created. It gets a client if `connects` is True."""
    problems: Sequence[str] = ()
    try:
        product, options = settings.product(connects=connects), settings.options()
        options["inbox"] = ":memory:"  # `examine_store` checks the inbox
        with settings.naming(options.keys()):
            Receiver(product, **options)
    except SettingsError as error:
        problems = error.problems
    for problem in problems:
        what, _, advice = problem.partition(": ")
        yield bad(
            "settings", what, f"set it to {advice}" if what.endswith("is not set") else advice or _ADVICE
        )
    for name, meant in settings.unknown.items():
        yield doubtful(
            "settings", f"{name} is not a known setting", f"did you mean {meant}?" if meant else _ADVICE
        )
    if not problems and "USER" not in settings.values:
        yield doubtful(
            "settings",
            "there is no access to the API, so the receiver can't review invoices",
            f"set {settings.prefix}USER and {settings.prefix}PASSWORD if you have reviews",
        )
    elif not problems:
        yield good("settings", f"complete, for product {settings.values['PRODUCT_CODE']}")


def examine_keys(product: Cheddar) -> Iterator[Finding]:
    """Check the product's keys without sending anything.

    `Listener` checks whether the listener has the same keys.
    """
    quoted = [n for n, key in enumerate(product.keys, 1) if str(key)[:1] in "\"'"]
    for number in quoted:
        yield doubtful(
            "keys",
            f"key {number} begins with a quotation mark",
            "remove it: in a container's env file, quotation marks are part of the value",
        )
    if len(set(product.keys)) < len(product.keys):
        yield doubtful(
            "keys", "the same key is listed twice", "list the new key and the old one, or only one key"
        )
    if quoted:
        return
    count = "one key" if len(product.keys) == 1 else f"{len(product.keys)} keys"
    at = datetime.now(UTC)
    try:
        signs = all(
            product.scheme.verify(product.scheme.sign(b"{}", key, id="doctor", at=at), b"{}", [key], at=at)
            for key in product.keys
        )
    except ValueError:
        yield good("keys", f"{count} for the scheme {product.scheme.name}, which can verify but not sign")
        return
    if signs:
        yield good("keys", f"{count} for the scheme {product.scheme.name}; each verifies its own signature")
