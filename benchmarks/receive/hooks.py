"""Signed requests with different hooks. They are built before the time is measured."""

import json
from collections.abc import Iterator
from typing import Any

from tallyhook import signing

__all__ = ["PRODUCT", "SECRET", "requests"]

PRODUCT = "ACME"
SECRET = "receive-secret"
SIZE = 4096

_HEAD = (
    "POST /hooks HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Billing/1.0\r\nAccept: */*\r\n"
    "Content-Type: application/json\r\nContent-Length: {length}\r\n{signature}\r\n"
)
_ID = "{number:08x}-51d4-11f0-9d2a-3af1c2d4e501"


def requests(first: int, count: int) -> list[bytes]:
    """Return requests with `count` billable hooks. Each number has its own customer and invoice."""
    return [_request(body) for body in _bodies(first, count)]


def _request(body: bytes) -> bytes:
    signed = {
        signing.SIGNATURE_HEADER: signing.sign(body, SECRET),
        signing.TOKEN_HEADER: signing.token(body),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    return _HEAD.format(length=len(body), signature=lines).encode() + body


def _bodies(first: int, count: int) -> Iterator[bytes]:
    for number in range(first, first + count):
        hook = _hook(_ID.format(number=number), f"CUSTOMER-{number:08}", number + 1)
        missing = SIZE - len(json.dumps(hook))
        hook["customer"]["notes"] = ("usage is read from the meters at the quay; " * 50)[:missing]
        yield json.dumps(hook).encode()


def _hook(id: str, code: str, number: int) -> dict[str, Any]:
    """Return a billable hook with two charges and two items, in the format of recorded hooks."""
    moment = "2025-04-30T09:15:00+00:00"
    address = {"city": "Aarhus", "company": "", "country": "DK", "email": "", "postCode": "8000"}
    return {
        "activityActor": "desk@harbour.example",
        "activityDatetime": moment,
        "activityType": "subscriptionBillable",
        "customer": {
            "campaignContent": "",
            "campaignMedium": "",
            "campaignName": "",
            "campaignSource": "fair",
            "campaignTerm": "",
            "code": code,
            "company": "Møller & Sons",
            "createdDatetime": moment,
            "email": "grace@harbour.example",
            "firstContactDatetime": "",
            "firstName": "Grace",
            "gatewayToken": "SIMULATED",
            "id": id,
            "isTaxExempt": "0",
            "key": "0c5d1f22ab",
            "lastName": "Møller",
            "notes": "",
            "referer": "",
            "taxNumber": "",
        },
        "product": {"code": PRODUCT, "id": "deadbeef", "name": "Acme", "subdomain": "acme"},
        "subscription": {
            "cancelReason": "",
            "cancelType": "",
            "canceledDatetime": "",
            "ccAddress": "",
            "ccCity": "",
            "ccCompany": "",
            "ccCountry": "DK",
            "ccEmail": "",
            "ccExpirationDate": "2029-02-28",
            "ccFirstName": "Grace",
            "ccLastFour": "0077",
            "ccLastName": "Møller",
            "ccState": "",
            "ccType": "visa",
            "ccZip": "8000",
            "createdDatetime": moment,
            "gatewayToken": "SIMULATED",
            "id": f"5{id[1:]}",
            "invoice": {
                "billingDatetime": moment,
                "charges": [
                    _charge(f"1{id[1:]}", "QUAY_RECURRING", "recurring", "20.0000"),
                    _charge(f"2{id[1:]}", "STORM_CREDIT", "custom", "-1.2500"),
                ],
                "createdDatetime": moment,
                "id": f"3{id[1:]}",
                "invoiceNumber": str(number),
                "isInitial": 0,
                "items": [
                    {"code": "crane_hours", "id": "aa00aa01", "name": "Crane hours", "quantity": "4.8123"},
                    {"code": "berths", "id": "aa00aa02", "name": "Berths", "quantity": "12"},
                ],
                "paidTransactionId": "",
                "previousBillingDatetime": "2025-03-31T09:15:00+00:00",
                "taxRate": "",
                "type": "subscription",
            },
            "method": "cc",
            "paymentMethod": {
                **address,
                "createdDatetime": moment,
                "creditCard": {"creditCardType": "visa", "firstSix": "400000", "lastFour": "0077"},
                "expirationDate": "2029-02-28",
                "firstName": "Grace",
                "gatewayToken": "SIMULATED",
                "gatewayTokenAux": "",
                "id": f"4{id[1:]}",
                "lastName": "Møller",
                "method": "cc",
                "state": "",
                "street": "",
                "type": "CreditCard",
            },
            "plan": {
                "billingFrequencyQuantity": "1",
                "billingFrequencyUnit": "months",
                "code": "QUAY",
                "createdDatetime": "2025-01-10T08:00:00+00:00",
                "description": "",
                "id": "11aa22bb",
                "isActive": "1",
                "isFree": False,
                "items": [_item("crane_hours", "Crane hours", "2.50"), _item("berths", "Berths", "10.00")],
                "name": "Quay",
                "recurringChargeAmount": "20.00",
                "recurringChargeCode": "QUAY_RECURRING",
                "setupChargeAmount": "0.00",
                "setupChargeCode": "QUAY_SETUP",
            },
        },
    }


def _charge(id: str, code: str, type: str, each: str) -> dict[str, str]:
    return {
        "code": code,
        "createdDatetime": "2025-04-12T18:00:00+00:00",
        "description": "",
        "eachAmount": each,
        "id": id,
        "quantity": "1.0000",
        "type": type,
    }


def _item(code: str, name: str, each: str) -> dict[str, object]:
    return {
        "code": code,
        "id": f"id of {code}",
        "isPeriodic": "1",
        "name": name,
        "overageAmount": each,
        "quantityIncluded": 2,
    }
