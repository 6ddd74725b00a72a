"""A hook's identity, from the whole hook and at a glance."""

import json
from typing import Any

import pytest
from tests.cheddar import Cheddar

from tallyhook import events
from tallyhook_receiver.identity import glance, identity

BODY = Cheddar().hook()


def changed(**changes: Any) -> bytes:
    return json.dumps(json.loads(BODY) | changes).encode()


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        changed(activityDatetime="2031-01-01T00:00:00Z", unheardOf=[1, {"id": "no"}]),
        changed(product={"id": "", "code": "ACME"}),
        changed(product={"id": "p1", "code": "ACME"}),
        changed(customer={"id": "", "code": 'M\u00f8ller "&" S\u00f8n'}),
        changed(customer={"code": "first", "id": "x", "extra": None}),
    ],
)
def test_a_glance_sees_what_the_whole_hook_tells(body: bytes) -> None:
    seen = glance(body)
    hook = events.decode(body)
    assert seen is not None
    assert (seen.key, seen.product) == (identity(hook, body), hook.product.code)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b"null",
        changed(activityType="subscriptionChanged"),
        changed(activityType=""),
        changed(product={"id": 7, "code": "ACME"}),
        changed(product="ACME"),
        changed(customer=""),
        changed(customer=[{"id": "x", "code": "y"}]),
        changed(customer={"@id": "x", "code": "y"}),
        changed(subscription=""),
        changed(subscription={"invoice": ""}),
        changed(subscription={"invoice": {"id": ""}}),
        changed(subscription={"invoice": {"invoiceNumber": "11"}}),
    ],
)
def test_what_stands_elsewhere_takes_more_than_a_glance(body: bytes) -> None:
    assert glance(body) is None
