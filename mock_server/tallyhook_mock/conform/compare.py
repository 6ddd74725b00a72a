"""Replays a recording on a mock, and finds where the mock's documents differ from the recorded ones."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any
from urllib.parse import quote

import httpx
from lxml import etree

from tallyhook_mock.conform.hooks import Listener
from tallyhook_mock.conform.record import Exchange
from tallyhook_mock.testing.session import Session
from tallyhook_mock.testing.transport import Transport
from tallyhook_mock.testing.world import World

__all__ = ["Comparison", "Difference", "catalog_of", "compare"]

_USER, _PASSWORD = "compare@example.com", "compare"
# How far two times may differ, because the clocks are not equal and a call takes some time.
_TOLERANCE = timedelta(minutes=1)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}([+-]\d{2}:\d{2}|Z)?")
_NUMBERED = re.compile(r"(?<=#)\d+")

# Elements with ids that the server assigns, and elements with other values that it generates.
_IDS = frozenset(("paidTransactionId", "parentId"))
_OWN = frozenset(("key", "gatewayToken", "gatewayTokenAux", "redirectUrl"))
_OFFERED = frozenset(("plan", "promotion"))
_CREATES = frozenset(("customers/new", "customers/import"))

_PLAN_FLAGS = ("isActive", "isFree", "paymentMethodIsRequired")
_PLAN_COUNTS = ("trialDays", "initialBillCount")
_PLAN_TEXTS = (
    "name",
    "description",
    "initialBillCountUnit",
    "billingFrequency",
    "setupChargeCode",
    "setupChargeAmount",
    "recurringChargeCode",
    "recurringChargeAmount",
    "onChangeInitialBillHandler",
    "setupChargeBillHandler",
    "onChangeSetupChargeBillHandler",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A place, given by its `path`, where the recorded document and the mock's document differ."""

    path: str
    recorded: str
    mock: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of one call. If the call was not compared, `left_out` says why."""

    number: int
    call: str
    differences: tuple[Difference, ...] = ()
    left_out: str = ""


def compare(
    exchanges: Sequence[Exchange],
    session: Session,
    *,
    catalog: Mapping[str, Any] | None = None,
    rules: Mapping[str, Any] | None = None,
    is_reviewed: bool = False,
) -> list[Comparison]:
    """Replay every call on a mock at its recorded time, and compare the answers.

    If `catalog` is None, the plans and promotions are taken from the recording. If `is_reviewed` is true, a
    listener acknowledges every hook, so invoices are held before they are executed. Raises CatalogError if
    the catalogue can't be used.
    """
    if not exchanges:
        return []
    used = dict(catalog_of(exchanges) if catalog is None else catalog)
    used["users"] = [*used.get("users", ()), {"email": _USER, "password": _PASSWORD}]
    if rules:
        used["rules"] = dict(rules)
    world = World(session, used, exchanges[0].at, strict=False)
    try:
        if is_reviewed:
            world.listen(Listener().app, "compare", frozenset(), lifespan=False)
        with httpx.Client(transport=Transport(world.calls, session.loop), auth=(_USER, _PASSWORD)) as http:
            created = {code for each in exchanges for code in _created(each)}
            older = {code for each in exchanges for code in _existing(each)} - created - {""}
            player = _Player(world, http, older)
            return [player.play(number, exchange) for number, exchange in enumerate(exchanges, 1)]
    finally:
        world.close()


@dataclass
class _Player:
    """Replays calls, and maps recorded ids and invoice numbers to the mock's ids and numbers."""

    world: World
    http: httpx.Client
    older: set[str]  # the codes of customers who existed before the recording
    ids: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)

    def play(self, number: int, exchange: Exchange) -> Comparison:
        if stranger := self._stranger(exchange):
            why = f"it is about {stranger}, which existed before the recording"
            return Comparison(number, exchange.call, left_out=why)
        mock = self.world.mock
        self.world.wait(lambda: mock.advance(max(exchange.at, mock.clock.now())))
        answer = self._call(exchange)
        found: list[Difference] = []
        if answer.status_code != exchange.status:
            found.append(Difference("HTTP status", str(exchange.status), str(answer.status_code)))
        theirs, ours = _tree(exchange.document), _tree(answer.text)
        if theirs is None or ours is None:
            if exchange.document.strip() != answer.text.strip():
                found.append(Difference("document", exchange.document, answer.text))
        else:
            found += self._differences("", theirs, ours)
        return Comparison(number, exchange.call, tuple(found))

    def _stranger(self, exchange: Exchange) -> str:
        """Name an object in the call or its answer that is older than the recording.

        The name is a string such as `the customer ada`. The mock doesn't have the object, so the call can't
        be compared. Returns an empty string if there is no such object.
        """
        if not _is_about_customers(exchange):
            return ""
        given = exchange.given
        codes = (given.get("code", ""), *_shown(exchange))
        if older := next((code for code in codes if code in self.older), ""):
            return f"the customer {older}"
        if exchange.call not in _CREATES and _is_found(exchange):
            id_, number = given.get("id"), given.get("number") or given.get("invoiceNumber")
            if id_ and id_ not in self.ids:
                return f"the id {id_}"
            if number and number not in self.numbers:
                return f"the invoice {number}"
        return ""

    def _call(self, exchange: Exchange) -> httpx.Response:
        path, query, form = (
            [(name, self._translated(name, value)) for name, value in group]
            for group in (exchange.path, exchange.query, exchange.form)
        )
        below = "".join(f"/{quote(name, safe='')}/{quote(value, safe='')}" for name, value in path)
        return self.http.request(
            exchange.method,
            f"http://compare/xml/{exchange.call}{below}",
            params=httpx.QueryParams(tuple(query)),
            content=str(httpx.QueryParams(tuple(form))) if form else None,
            headers={"Content-Type": "application/x-www-form-urlencoded"} if form else None,
        )

    def _translated(self, name: str, value: str) -> str:
        if name in ("number", "invoiceNumber"):
            return self.numbers.get(value, value)
        return self.ids.get(value, value)

    def _differences(self, above: str, theirs: etree._Element, ours: etree._Element) -> Iterator[Difference]:
        path = f"{above}/{theirs.tag}" if above else str(theirs.tag)
        if theirs.tag != ours.tag:
            yield Difference(path, f"<{theirs.tag}>", f"<{ours.tag}>")
            return
        for name in sorted({*map(str, theirs.attrib), *map(str, ours.attrib)}):
            one, other = theirs.get(name, ""), ours.get(name, "")
            if name == "id":
                is_same = theirs.tag == "error" or self._is_known(self.ids, one, other)
            else:
                is_same = one == other
            if not is_same:
                yield Difference(f"{path}/@{name}", one, other)
        # Plans and promotions were created before the recording, so their dates differ.
        is_older = theirs.tag == "createdDatetime" and not _OFFERED.isdisjoint(above.split("/"))
        if not is_older and not self._is_same(str(theirs.tag), _text(theirs), _text(ours)):
            yield Difference(path, _text(theirs), _text(ours))
        for tag in dict.fromkeys(str(each.tag) for each in (*theirs, *ours)):
            pairs = zip_longest(theirs.iterfind(tag), ours.iterfind(tag))
            for place, (one_child, other_child) in enumerate(pairs, 1):
                below = f"{path}/{tag}[{place}]"
                if one_child is None or other_child is None:
                    yield Difference(below, _brief(one_child), _brief(other_child))
                else:
                    for each in self._differences(path, one_child, other_child):
                        yield each if place == 1 else _placed(each, f"{path}/{tag}", below)

    def _is_same(self, tag: str, one: str, other: str) -> bool:
        if tag == "number":
            return self._is_known(self.numbers, one, other)
        if tag in _IDS or tag == "id":
            return self._is_known(self.ids, one, other)
        if tag in _OWN:
            return bool(one) == bool(other)
        if _MOMENT.fullmatch(one) and _MOMENT.fullmatch(other):
            return abs(datetime.fromisoformat(one) - datetime.fromisoformat(other)) <= _TOLERANCE
        return _NUMBERED.sub(lambda found: self.numbers.get(found[0], found[0]), one) == other

    def _is_known(self, known: dict[str, str], one: str, other: str) -> bool:
        """Return whether the recorded id `one` and the mock's id `other` can belong to the same object.

        If `one` is new, it is mapped to `other`.
        """
        if not one or not other:
            return one == other
        return known.setdefault(one, other) == other


def catalog_of(exchanges: Iterable[Exchange]) -> dict[str, Any]:
    """Return a catalogue with the recording's plans and promotions, in their first recorded versions.

    Plans that a recorded call created are left out, because the replay creates them."""
    plans: dict[str, dict[str, Any]] = {}
    promotions: dict[str, dict[str, Any]] = {}
    product: dict[str, Any] = {"code": "RECORDED", "secret": "recorded"}
    made = set()
    for exchange in exchanges:
        given = exchange.given
        if code := given.get("productCode"):
            product["code"] = code
        if id_ := given.get("productId"):
            product["id"] = id_
        if exchange.call == "plans/new":
            made.add(given.get("code"))
        root = _tree(exchange.document)
        if root is None:
            continue
        for element in root.iter("plan"):
            code = element.get("code", "")
            if element.find("billingFrequency") is not None and code not in made:
                plans.setdefault(code, _plan(element))
        for element in root.iterfind("promotion"):
            promotions.setdefault(element.findtext("name") or "", _promotion(element))
    product["plans"], product["promotions"] = [*plans.values()], [*promotions.values()]
    return {"products": [product]}


def _plan(element: etree._Element) -> dict[str, Any]:
    plan: dict[str, Any] = {"code": element.get("code")}
    plan |= {name: element.findtext(name) == "1" for name in _PLAN_FLAGS}
    plan |= {name: int(element.findtext(name) or 0) for name in _PLAN_COUNTS}
    plan |= {name: value for name in _PLAN_TEXTS if (value := element.findtext(name))}
    plan["items"] = [
        {
            "code": item.get("code"),
            "name": item.findtext("name"),
            "quantityIncluded": item.findtext("quantityIncluded") or "0",
            "isPeriodic": item.findtext("isPeriodic") == "1",
            "overageAmount": item.findtext("overageAmount") or "0",
        }
        for item in element.iterfind("items/item")
    ]
    return plan


def _promotion(element: etree._Element) -> dict[str, Any]:
    incentive = element.find("incentives/incentive")
    assert incentive is not None  # every Cheddar promotion has one
    months = incentive.findtext("months")
    return {
        "name": element.findtext("name"),
        "description": element.findtext("description") or "",
        "percentage": incentive.findtext("percentage"),
        "plans": [plan.get("code") for plan in element.iterfind("plans/plan")],
        "coupons": [{"code": coupon.get("code")} for coupon in element.iterfind("coupons/coupon")],
        **({"months": int(months)} if months else {}),
    }


def _created(exchange: Exchange) -> Iterable[str]:
    """Return the codes of the customers that this call created."""
    return _shown(exchange) if exchange.call in _CREATES else ()


def _existing(exchange: Exchange) -> Iterator[str]:
    """Yield the codes of customers that existed at the time of this call."""
    yield from _shown(exchange)
    if _is_about_customers(exchange) and exchange.call not in _CREATES and _is_found(exchange):
        yield exchange.given.get("code", "")


def _shown(exchange: Exchange) -> list[str]:
    """Return the codes of the customers in the answer."""
    root = _tree(exchange.document)
    return [] if root is None else [each.get("code", "") for each in root.iterfind("customer")]


def _is_about_customers(exchange: Exchange) -> bool:
    return exchange.call.partition("/")[0] in ("customers", "invoices")


def _is_found(exchange: Exchange) -> bool:
    """Return whether the service has what the call names. It refuses other mistakes only after looking."""
    return exchange.status not in (401, 404)


def _tree(document: str) -> etree._Element | None:
    try:
        return etree.fromstring(document.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return None


def _text(element: etree._Element) -> str:
    return (element.text or "").strip()


def _brief(element: etree._Element | None) -> str:
    """Return a short description of an element, or an empty string if `element` is None."""
    if element is None:
        return ""
    leaves = (f"{each.tag} {_text(each)}" for each in element if _text(each))
    return f"<{element.tag} {element.get('code', '')}>".replace(" >", ">") + " " + ", ".join(leaves)


def _placed(difference: Difference, path: str, below: str) -> Difference:
    """Return the difference with `below` instead of `path` at the start of its path.

    `below` also has the index of the element, because the element is repeated.
    """
    return Difference(below + difference.path.removeprefix(path), difference.recorded, difference.mock)
