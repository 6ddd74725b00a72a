"""What a mock shows of its catalogue makes the same mock again: nothing that can be set is left out."""

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tallyhook_mock import Server, serve
from tallyhook_mock.catalog.reading import catalog_schema, default_catalog
from tallyhook_mock.systems.cheddar.settings import SETTINGS, Rules

PASSWORD = "a secret of some length"
MASK = "********"
LISTENER = {"url": "http://127.0.0.1:9/hooks"}

# Every key that a catalogue may have, with a value other than the default.
FULL: dict[str, Any] = {
    "hookRetryPauses": ["60s", "120s"],
    "rules": {"dunning": ["86400s"]}
    | {
        name: next(each for each in setting.alternatives if each != getattr(Rules(), name))
        for name, setting in SETTINGS.items()
        if name != "dunning"
    },
    "users": [{"email": "ops@a.example", "password": PASSWORD, "timezone": "Europe/Zurich"}],
    "products": [
        {
            "code": "LAMP",
            "id": "1e39d01b-7a11-11f0-8a5e-0eff7a117a11",
            "name": "Lamps",
            "subdomain": "lamps",
            "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
            "signature": "standard-v1",
            "currencySymbol": "€",
            "ccCardCodeIsRequired": True,
            "ccZipIsRequired": True,
            "ccZipDeclines": "99999",
            "billReminderDays": [2, 9],
            "taxRate": "0.077",
            "isTaxExempt": True,
            "plans": [
                {
                    "code": "GLOW",
                    "name": "Glow",
                    "description": "A small light",
                    "isActive": False,
                    "isFree": False,
                    "paymentMethodIsRequired": False,
                    "trialDays": 3,
                    "initialBillCount": 2,
                    "initialBillCountUnit": "months",
                    "billingFrequency": "quarterly",
                    "setupChargeCode": "FIT",
                    "setupChargeAmount": "12.50",
                    "recurringChargeCode": "GLOW_FEE",
                    "recurringChargeAmount": "7.25",
                    "onChangeInitialBillHandler": "now",
                    "setupChargeBillHandler": "no",
                    "onChangeSetupChargeBillHandler": "now",
                    "items": [
                        {
                            "code": "OIL",
                            "name": "Oil",
                            "quantityIncluded": "2.5",
                            "isPeriodic": True,
                            "overageAmount": "0.75",
                        }
                    ],
                }
            ],
            "promotions": [
                {
                    "name": "Spring",
                    "percentage": "12.5",
                    "description": "For the spring",
                    "months": 4,
                    "expirationDatetime": "2030-01-01T00:00:00+00:00",
                    "plans": ["GLOW"],
                    "chargeTypes": ["recurring"],
                    "coupons": [
                        {
                            "code": "MAY",
                            "maxRedemptions": 3,
                            "expirationDatetime": "2029-01-01T00:00:00+00:00",
                        }
                    ],
                }
            ],
            "listeners": [{**LISTENER, "events": ["subscriptionBillable"]}],
        }
    ],
    "cleverbridge": {
        "vatPercent": "8.1",
        "reminderDays": 5,
        "acceptsQuantityZero": False,
        "alwaysPriced": True,
        "users": [{"name": "shop", "password": PASSWORD}],
        "products": [{"id": 7, "name": "Wick", "price": "3.00", "billingMode": "ARREARS"}],
        "coupons": [{"code": "TEN", "percent": "10"}],
        "listeners": [{**LISTENER, "events": ["PaidOrderNotification"]}],
    },
    "fusebill": {
        "apiKeys": [PASSWORD],
        "autoPost": False,
        "postReadyDraftsAtRenewal": True,
        "chargeUnitsAgain": False,
        "plans": [
            {
                "code": "BEAM",
                "name": "Beam",
                "interval": "Yearly",
                "numberOfIntervals": 2,
                "frequencyId": 12,
                "products": [
                    {
                        "code": "LENS",
                        "price": "9.90",
                        "id": 31,
                        "name": "Lens",
                        "quantity": "1.5",
                        "maxQuantity": "4",
                        "chargeTiming": "EndOfPeriod",
                        "midPeriodChange": "EndOfPeriod",
                        "quantityReset": "StartOfPeriod",
                        "prorate": False,
                        "trackItems": False,
                    }
                ],
            }
        ],
        "products": [{"code": "SEAT", "price": "1.00", "id": 44, "trackItems": True}],
        "listeners": [{**LISTENER, "events": ["InvoicePosted"], "header": "X-Key", "key": "aGVsbG8="}],
    },
    "chargemonk": {
        "currency": "CHF",
        "apiTokens": [PASSWORD],
        "addOnBillingCycles": False,
        "inferredCalls": True,
        "plans": [
            {
                "code": "SHINE",
                "price": "11.00",
                "name": "Shine",
                "termMonths": 12,
                "billingCycles": 3,
                "setupFee": "4.00",
                "description": "A year",
            }
        ],
        "addOns": [
            {
                "code": "SHADE",
                "price": "2.00",
                "name": "Shade",
                "periodMonths": 6,
                "invoiceName": "Lamp shade",
                "description": "Half a year",
            }
        ],
    },
}
# Accounts, which a catalogue of the present state leaves out; another name for the only product; the schema.
LEFT_OUT = {"customers", "subscriptions", "product", "$schema"}


@pytest.fixture
def mock() -> Iterator[Server]:
    with serve(default_catalog()) as server:
        yield server


def put(server: Server, catalog: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.put(f"{server.url}/_mock/catalog", json=catalog, timeout=30)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def unmasked(shown: Any) -> Any:
    if isinstance(shown, dict):
        return {name: unmasked(value) for name, value in shown.items()}
    if isinstance(shown, list):
        return [unmasked(value) for value in shown]
    return PASSWORD if shown == MASK else shown


def missing(given: Any, shown: Any, place: str = "") -> Iterator[str]:
    """The places at which a value that was given is not shown."""
    match given:
        case dict():
            for name, value in given.items():
                if name not in shown:
                    yield f"{place}.{name}"
                else:
                    yield from missing(value, shown[name], f"{place}.{name}")
        case list():
            assert len(given) == len(shown), place
            for number, value in enumerate(given):
                yield from missing(value, shown[number], f"{place}[{number}]")
        case _ if given != shown:
            yield f"{place}: {given!r} is shown as {shown!r}"


def unset(schema: dict[str, Any], given: Any, root: dict[str, Any], place: str = "") -> Iterator[str]:
    """The keys of the schema that a catalogue doesn't set."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    for each in schema.get("anyOf", ()):
        if each.get("type") != "null":
            yield from unset(each, given, root, place)
    if isinstance(given, list) and "items" in schema:
        yield from unset(schema["items"], given[0], root, place)
    if place == ".fusebill.products":  # the same table as in a plan
        return
    for name, value in schema.get("properties", {}).items():
        if name not in LEFT_OUT and name not in given:
            yield f"{place}.{name}"
        elif name not in LEFT_OUT:
            yield from unset(value, given[name], root, f"{place}.{name}")


def test_every_key_is_set_here() -> None:
    schema = catalog_schema()
    assert list(unset(schema, FULL, schema)) == []


def test_what_is_set_is_shown_and_makes_the_same_again(mock: Server) -> None:
    shown = unmasked(put(mock, FULL))
    assert list(missing(FULL, shown)) == []
    assert unmasked(put(mock, copy.deepcopy(shown))) == shown
