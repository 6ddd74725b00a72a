"""Pseudonyms for secrets, cards, names and addresses in recordings. Equal values get equal pseudonyms."""

import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

__all__ = ["Pseudonyms"]

_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
# Anything that may be a full card number is replaced, in every field.
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")

# Field names without brackets, grouped by how their values are replaced.
_PEOPLE = frozenset(
    (
        "firstName",
        "lastName",
        "company",
        "notes",
        "taxNumber",
        "vatNumber",
        "ccFirstName",
        "ccLastName",
        "ccCompany",
        "ccAddress",
        "ccCity",
        "ccState",
        "ccZip",
        "search",
    )
)
_SECRETS = frozenset(
    ("gatewayToken", "gatewayTokenAux", "key", "password", "returnUrl", "cancelUrl", "redirectUrl")
)
_IGNORED = frozenset(("remoteAddress",))
# The zips that make the simulator fail are not personal data.
_SIMULATED = re.compile(r"0[1-7]00[0-9]")
_AT_LEAST = 3  # shorter names are not replaced in free text


class Pseudonyms:
    """The pseudonyms of one recording."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._names: dict[str, str] = {}  # names that are also replaced in free text
        self._last_fours: dict[str, str] = {}

    def value(self, name: str, value: str) -> str:
        """Return the pseudonym for a value. `name` is the name of the value's field or XML element."""
        if not value:
            return value
        if name in ("ccNumber", "cardNumber"):
            return self._card(re.sub(r"\D", "", value))
        if name == "ccLastFour":
            return self._last_fours.get(value) or self._numbered("last four", value, lambda n: f"{n:04d}")
        if name == "firstSix":
            return "411111"
        if name in ("ccCardCode", "ccv"):
            return "123"
        if name in _IGNORED:
            return "192.0.2.1"
        if name in _SECRETS:
            return self._numbered("secret", value, lambda n: f"secret-{n}")
        if name in ("referer", "refererHost"):
            host = urlsplit(value).hostname or value if name == "referer" else value
            other = self._numbered("host", host, lambda n: f"host{n}.example")
            return other if name == "refererHost" else f"https://{other}/"
        if name in _PEOPLE and not (name == "ccZip" and _SIMULATED.fullmatch(value)):
            return self._person(name, value)
        return self.text(value)

    def text(self, text: str) -> str:
        """Return free text with pseudonyms for email addresses, card numbers and all names learned so far."""
        text = _EMAIL.sub(lambda found: self._email(found[0]), text)
        text = _CARD.sub(lambda found: self._card(re.sub(r"\D", "", found[0])), text)
        for name, other in self._names.items():
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", other, text)
        return text

    def learn(self, fields: Iterable[tuple[str, str]]) -> None:
        """Learn the names in these fields. Call this before replacing free text from the same API call."""
        for name, value in fields:
            if name in _PEOPLE or name in _SECRETS:
                self.value(name, value)

    def _person(self, name: str, value: str) -> str:
        kind = name.removeprefix("cc").lower()
        other = self._numbered(kind, value, lambda n: f"{kind.title()}{n}"[:20])
        if len(value) >= _AT_LEAST and not value.isdigit():
            self._names.setdefault(value, other)
        return other

    def _email(self, email: str) -> str:
        if email.endswith("@example.com"):
            return email
        return self._numbered("email", email.casefold(), lambda n: f"person{n}@example.com")

    def _card(self, number: str) -> str:
        """Return a card number's pseudonym: a valid number of the same length and from the same issuer."""
        other = self._numbered("card", number, lambda n: _with_check_digit(_start(number), n, len(number)))
        self._last_fours.setdefault(number[-4:], other[-4:])
        return other

    def _numbered(self, kind: str, value: str, make: Callable[[int], str]) -> str:
        known = self._known.get((kind, value))
        if known is None:
            count = sum(each == kind for each, _ in self._known) + 1
            known = self._known[kind, value] = make(count)
        return known


def _start(number: str) -> str:
    """Return the first digits of a well-known test number from the same card issuer."""
    starts = {"3": "37828", "4": "41111", "5": "51051", "6": "60111"}
    return starts.get(number[:1], number[:1])


def _with_check_digit(start: str, count: int, length: int) -> str:
    body = start + str(count).zfill(length - len(start) - 1)
    doubled = (str(2 * int(digit)) for digit in body[::-2])
    total = sum(int(digit) for digit in "".join(doubled) + body[-2::-2])
    return f"{body}{-total % 10}"
