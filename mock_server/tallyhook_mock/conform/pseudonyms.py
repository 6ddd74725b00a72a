"""Pseudonyms for secrets, cards, names and addresses in recordings. Equal values get equal pseudonyms."""

import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from tallyhook_mock.systems.cheddar.cards import card_type

__all__ = ["Pseudonyms"]

_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
# Anything that may be a full card number is replaced, in every field.
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_MASKED = re.compile(r"(?<=\*)\d{4}(?!\d)")  # the last digits of a card, as an error shows them
_SHORTEST_CARD = 12  # an error shows a shorter number in full
# The first digits of a test number of each type of card. No type begins with a 9.
_STARTS = {
    "visa": "41111",
    "mc": "51051",
    "amex": "37828",
    "disc": "60111",
    "diners": "30569",
    "jcb": "35301",
    "": "90000",
}
# The shortest limits of the fields with names and with other text.
_LONGEST_NAME = 20
_LONGEST_TEXT = 255

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
_CODES = frozenset(("planCode", "itemCode", "couponCode"))
# The zips that make the simulator fail are not personal data.
_SIMULATED = re.compile(r"0[1-7]00[0-9]")
_CODE = re.compile(r"\d{3,4}")
_AT_LEAST = 3  # shorter names are not replaced in free text


class Pseudonyms:
    """The pseudonyms of one recording.

    A value that is refused for its form has a pseudonym that is refused too: one of the same length, or a
    card number with a wrong check digit.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._names: dict[str, str] = {}  # names that are also replaced in free text
        self._last_fours: dict[str, str] = {}
        self._kept: set[str] = set()

    def value(self, name: str, value: str) -> str:
        """Return the pseudonym for a value. `name` is the name of the value's field or XML element."""
        if not value or name in _CODES:
            return value
        if name in ("ccNumber", "cardNumber"):
            return self._card(value)
        if name == "ccLastFour":
            return self._last_fours.get(value) or self._numbered("last four", value, lambda n: f"{n:04d}")
        if name == "firstSix":
            return "411111"
        if name in ("ccCardCode", "ccv"):
            return "1234"[: len(value)] if _CODE.fullmatch(value) else re.sub(r"\d", "0", value)
        if name in _IGNORED:
            return "192.0.2.1"
        if name in _SECRETS:
            return self._numbered("secret", value, lambda n: _as_long(f"secret-{n}", value, _LONGEST_TEXT))
        if name in ("referer", "refererHost"):
            host = urlsplit(value).hostname or value if name == "referer" else value
            other = self._numbered("host", host, lambda n: f"host{n}.example")
            return other if name == "refererHost" else _as_long(f"https://{other}/", value, _LONGEST_TEXT)
        if name in _PEOPLE and not (name == "ccZip" and _SIMULATED.fullmatch(value)):
            return self._person(name, value)
        return self.text(value)

    def text(self, text: str) -> str:
        """Return free text with pseudonyms for email addresses, card numbers and all names learned so far."""
        if text in self._kept:
            return text
        text = _EMAIL.sub(lambda found: self._email(found[0]), text)
        text = _CARD.sub(lambda found: self._card(found[0]), text)
        text = _MASKED.sub(lambda found: self._last_fours.get(found[0], found[0]), text)
        for name, other in self._names.items():
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", other, text)
        return text

    def keep(self, texts: Iterable[str]) -> None:
        """Keep these texts of plans and promotions, even if a person has the same name."""
        self._kept.update(texts)

    def learn(self, fields: Iterable[tuple[str, str]]) -> None:
        """Learn the names in these fields. Call this before replacing free text from the same API call."""
        for name, value in fields:
            if name in _PEOPLE or name in _SECRETS:
                self.value(name, value)

    def _person(self, name: str, value: str) -> str:
        kind = "taxnumber" if name == "vatNumber" else name.removeprefix("cc").lower()
        other = self._numbered(kind, value, lambda n: _as_long(f"{kind.title()}{n}", value, _LONGEST_NAME))
        if len(value) >= _AT_LEAST and not value.isdigit():
            self._names.setdefault(value, other)
        return other

    def _email(self, email: str) -> str:
        if email.endswith("@example.com"):
            return email
        return self._numbered("email", email.casefold(), lambda n: f"person{n}@example.com")

    def _card(self, written: str) -> str:
        """Return a card number's pseudonym: a number of the same length and type, and as valid as this one.

        If it is too short or has letters, only its digits are replaced, or nothing if it is very short.
        """
        number = re.sub(r"[ -]", "", written)
        if len(number) < _SHORTEST_CARD:
            return written
        if number.isascii() and number.isdigit():
            other = self._numbered("card", number, lambda n: _similar(number, n))
        else:
            other = re.sub(r"\d", "0", number)
        self._last_fours.setdefault(number[-4:], other[-4:])
        return other

    def _numbered(self, kind: str, value: str, make: Callable[[int], str]) -> str:
        known = self._known.get((kind, value))
        if known is None:
            count = sum(each == kind for each, _ in self._known) + 1
            known = self._known[kind, value] = make(count)
        return known


def _as_long(made: str, value: str, longest: int) -> str:
    """Return a made-up value, as long as the original if that has more than `longest` characters."""
    return made.ljust(len(value), "x") if len(value) > longest else made


def _similar(number: str, count: int) -> str:
    start = _STARTS[card_type(number)]
    body = start + str(count).zfill(len(number) - len(start) - 1)
    is_valid = int(number[-1]) == _check_digit(number[:-1])
    return f"{body}{(_check_digit(body) + (not is_valid)) % 10}"


def _check_digit(body: str) -> int:
    doubled = (str(2 * int(digit)) for digit in body[::-2])
    return -sum(int(digit) for digit in "".join(doubled) + body[-2::-2]) % 10
