"""The list of customers, filtered, sorted and divided into pages."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeAlias

from tallyhook_mock.systems.cheddar import validators
from tallyhook_mock.systems.cheddar.model import Customer
from tallyhook_mock.systems.cheddar.request import Parameters

__all__ = ["listed", "paged"]

Test: TypeAlias = Callable[[Customer], bool]

_NEVER = datetime.max.replace(tzinfo=UTC)

# The sort keys of customers. Sorting by name compares last names first (inferred).
_ORDERS: dict[str, Callable[[Customer], Any]] = {
    "name": lambda each: (_detail(each, "lastName"), _detail(each, "firstName")),
    "company": lambda each: _detail(each, "company"),
    "plan": lambda each: each.subscription.plan.name.casefold(),
    "billingDatetime": lambda each: current.billing_at if (current := each.subscription.current) else _NEVER,
    "createdDatetime": lambda each: each.created,
}


def listed(customers: Iterable[Customer], parameters: Parameters, zone: tzinfo) -> list[Customer]:
    """Return the customers that pass every filter, in the requested order.

    Dates in filters are days in the caller's time zone. The first and the last day of a range are included.
    """
    tests = [*_status(parameters), *_plans(parameters), *_search(parameters)]
    tests += _between(parameters, zone, "created", lambda each: [each.created])
    tests += _between(parameters, zone, "canceled", lambda each: [each.subscription.canceled_at])
    tests += _between(
        parameters,
        zone,
        "transacted",
        lambda each: [made.at for invoice in each.invoices for made in invoice.transactions],
    )
    order = validators.choice(parameters, "orderBy", _ORDERS, "name")
    direction = validators.choice(parameters, "orderByDirection", ("asc", "desc"), "asc")
    found = [each for each in customers if all(test(each) for test in tests)]
    return sorted(found, key=_ORDERS[order], reverse=direction == "desc")


def paged(found: list[Customer], parameters: Parameters) -> tuple[list[Customer], dict[str, str] | None]:
    """Return one page of customers, and the root element's attributes that describe the page (client).

    If the call requests no page, return all customers and None.
    """
    if "page" not in parameters and "perPage" not in parameters:
        return found, None
    per_page = max(validators.whole(parameters, "perPage", 10_000, 20), 1)
    page = max(validators.whole(parameters, "page", 10**9, 1), 1)
    pages = -(-len(found) // per_page)
    shown = found[(page - 1) * per_page : page * per_page]
    return shown, {
        "count": str(len(found)),
        "pageNumber": str(page),
        "pageCount": str(pages),
        "hasNextPage": str(int(page < pages)),
    }


def _status(parameters: Parameters) -> list[Test]:
    match validators.choice(parameters, "subscriptionStatus", ("activeOnly", "canceledOnly")):
        case "activeOnly":
            return [lambda each: not each.subscription.is_canceled]
        case "canceledOnly":
            return [lambda each: each.subscription.is_canceled]
    return []


def _plans(parameters: Parameters) -> list[Test]:
    codes = {code for code in parameters.texts("planCode") if code}
    return [lambda each: each.subscription.plan.code in codes] if codes else []


def _search(parameters: Parameters) -> list[Test]:
    sought = validators.text(parameters, "search").casefold()
    return [lambda each: _matches(each, sought)] if sought else []


def _matches(customer: Customer, sought: str) -> bool:
    payment = customer.subscription.payment
    name = f"{_detail(customer, 'firstName')} {_detail(customer, 'lastName')}"
    if any(sought in text for text in (name, _detail(customer, "company"), _detail(customer, "email"))):
        return True
    return payment is not None and payment.last_four == sought


def _detail(customer: Customer, name: str) -> str:
    return customer.details.get(name, "").casefold()


def _between(
    parameters: Parameters, zone: tzinfo, what: str, moments: Callable[[Customer], Iterable[datetime | None]]
) -> list[Test]:
    after = validators.day(parameters, f"{what}AfterDate")
    before = validators.day(parameters, f"{what}BeforeDate")
    if after is None and before is None:
        return []

    def test(customer: Customer) -> bool:
        days = [at.astimezone(zone).date() for at in moments(customer) if at is not None]
        return any((after is None or after <= day) and (before is None or day <= before) for day in days)

    return [test]
