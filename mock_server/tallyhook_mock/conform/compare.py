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
_TAKEN = re.compile(r"Another customer already exists with code=(.*)")
_NUMBERED = re.compile(r"(?<=#)\d+")

# Elements with ids that the server assigns, and elements with other values that it generates.
_IDS = frozenset(("paidTransactionId", "parentId"))
_OWN = frozenset(("key", "id", "gatewayToken", "gatewayTokenAux", "redirectUrl"))  # `id` of the gateway
_OFFERED = frozenset(("plan", "promotion"))
_LISTED = frozenset(("customer", "plan"))  # elements whose order in a list depends on names or on older calls
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
            player = _Player(world, http, _codes(exchanges))
            return [player.play(number, exchange) for number, exchange in enumerate(exchanges, 1)]
    finally:
        world.close()


@dataclass
class _Player:
    """Replays calls, and maps recorded ids and invoice numbers to the mock's ids and numbers."""

    world: World
    http: httpx.Client
    codes: set[str]  # the codes of customers created in the recording
    ids: "_Matches" = field(default_factory=lambda: _Matches())
    numbers: "_Matches" = field(default_factory=lambda: _Matches())

    def play(self, number: int, exchange: Exchange) -> Comparison:
        if why := self._left_out(exchange):
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

    def _left_out(self, exchange: Exchange) -> str:
        """Say why a call can't be compared. Returns an empty string if it can."""
        if _is_unauthorized(exchange):
            return "its credentials were refused"
        if stranger := self._stranger(exchange):
            return f"it is about {stranger}, which existed before the recording"
        if _depends_on_names(exchange):
            return "the customers that it finds depend on their names, which the recording doesn't have"
        return ""

    def _stranger(self, exchange: Exchange) -> str:
        """Name an object in the call or its answer that is older than the recording.

        The name is a string such as `the customer ada`. The mock doesn't have the object, so the call can't
        be compared. Returns an empty string if there is no such object.
        """
        given = dict((*exchange.form, *exchange.query, *exchange.path))
        if exchange.call not in _CREATES and not _is_missing(exchange, given):
            controller = exchange.call.partition("/")[0]
            if controller in ("customers", "invoices"):
                code, id_ = given.get("code"), given.get("id")
                number = given.get("number") or given.get("invoiceNumber")
                if code and code not in self.codes:
                    return f"the customer {code}"
                if id_ and id_ not in self.ids.mock:
                    return f"the id {id_}"
                if number and number not in self.numbers.mock:
                    return f"the invoice {number}"
        root = _tree(exchange.document)
        taken = None if root is None or root.tag != "error" else _TAKEN.fullmatch(_text(root))
        if taken is not None and taken[1] not in self.codes:
            return f"the customer {taken[1]}"
        shown = () if root is None or root.tag != "customers" else root.iterfind("customer")
        strangers = (each.get("code", "") for each in shown if each.get("code", "") not in self.codes)
        return next((f"the customer {code}" for code in strangers), "")

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
            return self.numbers.mock.get(value, value)
        return self.ids.mock.get(value, value)

    def _differences(self, above: str, theirs: etree._Element, ours: etree._Element) -> Iterator[Difference]:
        path = f"{above}/{theirs.tag}" if above else str(theirs.tag)
        if theirs.tag != ours.tag:
            yield Difference(path, f"<{theirs.tag}>", f"<{ours.tag}>")
            return
        for name in sorted({*map(str, theirs.attrib), *map(str, ours.attrib)}):
            one, other = theirs.get(name, ""), ours.get(name, "")
            is_free = name == "id" and theirs.tag == "error"
            if not is_free and not (self.ids.match(one, other) if name == "id" else one == other):
                yield Difference(f"{path}/@{name}", one, other)
        # Plans and promotions were created before the recording, so their dates differ.
        is_older = theirs.tag == "createdDatetime" and not _OFFERED.isdisjoint(above.split("/"))
        if not is_older and not self._is_same(str(theirs.tag), _text(theirs), _text(ours)):
            yield Difference(path, _text(theirs), _text(ours))
        for tag in dict.fromkeys(str(each.tag) for each in (*theirs, *ours)):
            pairs = _pairs([*theirs.iterfind(tag)], [*ours.iterfind(tag)])
            for place, (one_child, other_child) in enumerate(pairs, 1):
                below = f"{path}/{tag}[{place}]"
                if one_child is None or other_child is None:
                    yield Difference(below, _brief(one_child), _brief(other_child))
                else:
                    for each in self._differences(path, one_child, other_child):
                        yield each if place == 1 else _placed(each, f"{path}/{tag}", below)

    def _is_same(self, tag: str, one: str, other: str) -> bool:
        if tag == "number":
            return self.numbers.match(one, other)
        if tag in _IDS:
            return self.ids.match(one, other)
        if tag in _OWN:
            return bool(one) == bool(other)
        theirs, ours = _moment(one), _moment(other)
        if theirs and ours and (theirs.tzinfo is None) == (ours.tzinfo is None):
            return abs(theirs - ours) <= _TOLERANCE
        return _NUMBERED.sub(lambda found: self.numbers.mock.get(found[0], found[0]), one) == other


class _Matches:
    """The mock's values for the recorded ids, or for the recorded numbers."""

    def __init__(self) -> None:
        self.mock: dict[str, str] = {}
        self._recorded: dict[str, str] = {}

    def match(self, one: str, other: str) -> bool:
        """Return whether a recorded value and a value of the mock can belong to the same object.

        If both are new, they belong together from now on.
        """
        if not one or not other:
            return one == other
        return self.mock.setdefault(one, other) == other and self._recorded.setdefault(other, one) == one


def catalog_of(exchanges: Iterable[Exchange]) -> dict[str, Any]:
    """Return a catalogue with the recording's plans and promotions, in their first recorded versions.

    Plans that a recorded call created are left out, because the replay creates them."""
    plans: dict[str, dict[str, Any]] = {}
    promotions: dict[str, dict[str, Any]] = {}
    product: dict[str, Any] = {"code": "RECORDED", "secret": "recorded"}
    made = set()
    for exchange in exchanges:
        given = dict((*exchange.form, *exchange.query, *exchange.path))
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
    plan |= {name: value == "1" for name in _PLAN_FLAGS if (value := element.findtext(name))}
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
        "coupons": [_coupon(coupon) for coupon in element.iterfind("coupons/coupon")],
        **({"months": int(months)} if months else {}),
        **_expiration(incentive),
    }


def _coupon(element: etree._Element) -> dict[str, Any]:
    most = element.findtext("maxRedemptions")
    limit = {"maxRedemptions": int(most)} if most else {}
    return {"code": element.get("code"), **limit, **_expiration(element)}


def _expiration(element: etree._Element) -> dict[str, str]:
    expires = element.findtext("expirationDatetime")
    return {"expirationDatetime": expires} if expires else {}


def _depends_on_names(exchange: Exchange) -> bool:
    """Return whether a call searches for names, or shows one page of the customers in their names' order."""
    given = dict((*exchange.form, *exchange.query, *exchange.path))
    is_page = not {"page", "perPage"}.isdisjoint(given)
    is_by_name = given.get("orderBy", "name") in ("", "name", "company")
    return exchange.status < 400 and (bool(given.get("search")) or (is_page and is_by_name))


def _is_unauthorized(exchange: Exchange) -> bool:
    """Return whether the service refused the caller's credentials, which a recording doesn't have.

    If the gateway refused the service's credentials, the error has an `auxCode`.
    """
    root = _tree(exchange.document)
    error = None if root is None else next(root.iter("error"), None)
    return exchange.status == 401 and (error is None or not error.get("auxCode"))


def _codes(exchanges: Iterable[Exchange]) -> set[str]:
    """Return all codes of the customers created in the recording. An edit may have given them other codes."""
    codes, ids = set(), set()
    for exchange in exchanges:
        root = _tree(exchange.document)
        is_creation = exchange.call in _CREATES and exchange.status < 300
        for customer in () if root is None else root.iterfind("customer"):
            if is_creation or customer.get("id") in ids:
                codes.add(customer.get("code", ""))
                ids.add(customer.get("id"))
    return codes


def _is_missing(exchange: Exchange, given: Mapping[str, str]) -> bool:
    """Return whether the service doesn't know the customer or the invoice that the call names.

    A customer may be there without an item, a charge or an outstanding invoice.
    """
    names_customer = exchange.call.startswith("customers/") and not {"code", "id"}.isdisjoint(given)
    return exchange.status == 404 and (not names_customer or "Customer not found" in exchange.document)


def _tree(document: str) -> etree._Element | None:
    try:
        return etree.fromstring(document.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:
        return None


def _pairs(
    theirs: list[etree._Element], ours: list[etree._Element]
) -> Iterator[tuple[etree._Element | None, etree._Element | None]]:
    """Pair the recorded elements with the mock's by their places, but customers and plans by their codes."""
    if theirs and ours and theirs[0].tag in _LISTED:
        coded = {each.get("code"): each for each in ours}
        matched = [coded.pop(each.get("code"), None) for each in theirs]
        yield from zip_longest(theirs, [*matched, *coded.values()])
    else:
        yield from zip_longest(theirs, ours)


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
