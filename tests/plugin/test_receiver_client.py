"""Hooks sent by hand: of every type, forged, unsigned, repeated, and old."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from tallyhook import AsyncClient, signing
from tallyhook.cheddar.hooks import Hook
from tallyhook_mock.testing import Cheddar, HookType, ReceiverClient
from tallyhook_receiver import Cheddar as CheddarHooks
from tallyhook_receiver import Receiver

from .apps import asgi, auditing


@pytest.fixture(autouse=True)
def subscribed(cheddar: Cheddar) -> None:
    cheddar.plan("PRO", price="50.00", items={"GB": {"overage": "1.00", "included": 500}})
    cheddar.customer("C1", plan="PRO")


@pytest.fixture
def heard(cheddar: Cheddar) -> list[Hook]:
    """What a receiver has handled that is sent nothing by itself."""
    receiver = Receiver(
        CheddarHooks(cheddar.product, cheddar.secret), inbox=":memory:", max_age=timedelta(days=1)
    )
    handled: list[Hook] = []

    def keep(hook: Hook) -> None:
        handled.append(hook)

    for name in get_args(HookType):
        receiver.on(str(name))(keep)
    cheddar.listener(receiver.asgi)
    return handled


@pytest.mark.parametrize("type", get_args(HookType))
def test_hooks_of_every_type(
    cheddar: Cheddar, receiver_client: ReceiverClient, heard: list[Hook], type: HookType
) -> None:
    hook = cheddar.hook(type, "C1", at=datetime.now(UTC))
    assert receiver_client.send(hook).status_code == 200
    assert [each.activity_type for each in heard] == [type]
    assert cheddar.hooks() == []


def test_a_signature_that_is_not_the_hooks(
    cheddar: Cheddar, receiver_client: ReceiverClient, heard: list[Hook]
) -> None:
    hook = cheddar.hook("transaction", "C1", at=datetime.now(UTC))
    assert receiver_client.send(hook.forged()).status_code == 401
    assert receiver_client.send(hook.unsigned()).status_code == 401
    assert heard == []


def test_a_repeat(cheddar: Cheddar, receiver_client: ReceiverClient, heard: list[Hook]) -> None:
    hook = cheddar.hook("transaction", "C1", at=datetime.now(UTC))
    assert [receiver_client.send(hook).status_code for _ in range(2)] == [200, 200]
    assert len(heard) == 1


def test_an_old_one(cheddar: Cheddar, receiver_client: ReceiverClient, heard: list[Hook]) -> None:
    answer = receiver_client.send(cheddar.hook("transaction", "C1", at="2020-01-01T00:00:00Z"))
    assert not answer.is_success
    assert heard == []


def test_a_review_without_the_clock(
    cheddar: Cheddar, receiver_client: ReceiverClient, async_client: AsyncClient
) -> None:
    cheddar.listener(auditing(cheddar, async_client).asgi)
    answer = receiver_client.send(cheddar.hook("subscriptionBillable", "C1"))
    assert answer.json()["hook"]
    cheddar.assert_quantity("C1", "GB", 0, current=True)  # it is not outstanding


async def test_a_listener_in_the_loop_of_the_test(cheddar: Cheddar, receiver_client: ReceiverClient) -> None:
    async def work(hook: dict[str, Any]) -> int:
        return 202

    async with cheddar.listening(asgi(work)):
        answer = await receiver_client.asend(cheddar.hook("newSubscription", "C1"))
        assert answer.status_code == 202
        with pytest.raises(RuntimeError, match="await"):
            receiver_client.send(cheddar.hook("newSubscription", "C1"))


def test_nobody_to_send_it_to(cheddar: Cheddar, receiver_client: ReceiverClient) -> None:
    with pytest.raises(LookupError, match=r"cheddar\.listener\(app\)"):
        receiver_client.send(cheddar.hook("newSubscription", "C1"))
    with pytest.raises(LookupError, match="no customer C2"):
        cheddar.hook("newSubscription", "C2")


def test_a_listener_that_breaks(
    cheddar: Cheddar, receiver_client: ReceiverClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("usage")

    cheddar.listener(broken)
    assert receiver_client.send(cheddar.hook("newSubscription", "C1")).status_code == 500
    assert "POST /hooks: KeyError: 'usage'" in caplog.text


class TestAnotherScheme:
    @pytest.fixture
    def cheddar_catalog(self) -> dict[str, Any]:
        product = {"code": "ONE", "secret": "whsec_" + "c2VjcmV0" * 4, "signature": "standard-v1"}
        plan = {"code": "PRO", "recurringChargeAmount": "50.00"}
        return {
            "users": [{"email": "a@b.example", "password": "x"}],
            "products": [product | {"plans": [plan]}],
        }

    def test_its_time_is_signed(self, cheddar: Cheddar) -> None:
        scheme = signing.SCHEMES["standard-v1"]
        now = datetime.now(UTC)
        fresh, old = (
            cheddar.hook("newSubscription", "C1", signed_at=at)
            for at in (None, datetime(2020, 1, 1, tzinfo=UTC))
        )
        assert scheme.verify(fresh.headers, fresh.body, [cheddar.secret], at=now)
        assert not scheme.verify(old.headers, old.body, [cheddar.secret], at=now)
        assert not scheme.verify(fresh.forged().headers, fresh.body, [cheddar.secret], at=now)
        assert json.loads(fresh.body)["activityType"] == "newSubscription"
