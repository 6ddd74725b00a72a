"""Chargemonk's API over real HTTP, as far as it is known, and the rules beside it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tallyhook_mock import Server, serve

TOKEN = "test_monk"
START = "2026-03-17T00:00:00Z"


def catalog(**more: Any) -> dict[str, Any]:
    return {
        "chargemonk": {
            "apiTokens": [TOKEN],
            "plans": [{"code": "MONTHLY", "price": "50.00", "setupFee": "30.00"}],
            "addOns": [{"code": "FEE", "price": "100.00", "periodMonths": 1}],
            "subscriptions": [{"id": "mill", "planCode": "MONTHLY"}],
            **more,
        }
    }


class Api:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.http = httpx.Client(base_url=server.url, timeout=60, trust_env=False)

    def call(self, name: str, status: int = 200, **form: Any) -> Any:
        answer = self.http.post(f"/{name}", data={"api_token": TOKEN, **form})
        assert answer.status_code == status, answer.text
        return answer.json()

    def control(self, path: str, body: Any = None, status: int | None = None) -> Any:
        answer = self.http.request(
            "GET" if body is None else "POST", f"/_mock/chargemonk/subscriptions/mill{path}", json=body
        )
        assert answer.status_code == (status or 200), answer.text
        return answer.json()

    def waiting(self, **form: Any) -> list[str]:
        return [each["unbilledCode"] for each in self.call("listSubscriptionUnbilledCharges", **form)["data"]]


@pytest.fixture
def api() -> Iterator[Api]:
    with serve(catalog(inferredCalls=True), start=START) as server:
        api = Api(server)
        yield api
        api.http.close()


def test_an_unbilled_charge_goes_into_the_next_invoice(api: Api) -> None:
    api.control("/charges", {"description": "8 blocks", "amount": "8.00", "quantity": 8})
    (charge,) = api.call("listSubscriptionUnbilledCharges", subscription_code="mill")["data"]
    assert charge == {
        "unbilledCode": "UC1",
        "subscriptionCode": "mill",
        "description": "8 blocks",
        "amount": "8.00",
        "created_at": 1773705600,
        "status": "pending",
        "quantity": 8,
    }
    api.server.advance("1mo")
    assert api.waiting() == []
    newest, first = api.call("listInvoices")["list"]["invoice"]
    assert (newest["invoiceTotal"], first["invoiceTotal"]) == ("58.00", "80.00")  # 50 and a setup fee of 30
    assert newest["subscription"] == {
        "subscriptionId": "mill",
        "subscriptionStartDate": 1773705600,
        "subscriptionNextBilling": 1778976000,
        "pricingModel": "flat_fee",
        "planQuantity": 1,
    }
    api.server.advance("1mo")
    assert api.call("listInvoices", limit=1)["list"]["invoice"][0]["invoiceTotal"] == "50.00"


def test_an_advance_invoice_takes_them_in_too(api: Api) -> None:
    api.call("addCharge", subscription_code="mill", description="Lamp", amount="5.00")
    assert api.control("/advance-invoice", {"terms": 1})["bills"][0]["total"] == "55.00"
    assert "one at a time" in api.control("/advance-invoice", {"terms": 1}, 400)["error"]


def test_unbilled_charges_are_searched_and_sorted(api: Api) -> None:
    for description, amount in (("Lamp", "5.00"), ("Oil", "9.00"), ("Lamp oil", "1.00")):
        api.call("addCharge", subscription_code="mill", description=description, amount=amount)
        api.server.advance("1h")
    assert api.waiting() == ["UC3", "UC2", "UC1"]
    assert api.waiting(order_param="amount", order_by="asc") == ["UC3", "UC1", "UC2"]
    assert api.waiting(search_value="lamp", limit=1) == ["UC3"]
    assert api.waiting(subscription_code="other") == []
    assert api.waiting(**{"created_at[less_than]": "2026-03-17T01:00:00Z"}) == ["UC1"]
    assert api.waiting(**{"created_at[greater_than_equal]": 1773709200}) == ["UC3", "UC2"]


def test_an_invoice_names_the_plan_of_its_term() -> None:
    yearly = {"code": "YEARLY", "price": "500.00", "termMonths": 12}
    monthly = {"code": "MONTHLY", "price": "50.00"}
    with serve(catalog(plans=[monthly, yearly]), start=START) as server:
        api = Api(server)
        api.control("/term", {"planCode": "YEARLY"})
        api.control("/add-ons", {"code": "FEE", "billingCycles": None})
        server.advance("1mo")
        told = [each["planId"] for each in api.call("listInvoices")["list"]["invoice"]]
        assert told == ["YEARLY", "MONTHLY", "MONTHLY"]
        api.http.close()


@pytest.mark.parametrize(
    ("waits", "told"), [(False, ["YEARLY", "MONTHLY"]), (True, ["YEARLY", "YEARLY", "MONTHLY"])]
)
def test_an_invoice_in_advance_names_the_plan_of_the_terms_that_it_pays(waits: bool, told: list[str]) -> None:
    yearly = {"code": "YEARLY", "price": "500.00", "termMonths": 12}
    monthly = {"code": "MONTHLY", "price": "50.00"}
    with serve(catalog(plans=[monthly, yearly]), start=START) as server:
        api = Api(server)
        api.control("/term", {"planCode": "YEARLY"})
        api.control("/advance-invoice", {"terms": 1})
        if waits:  # what waits is invoiced when the term that is paid in advance begins
            api.control("/charges", {"description": "Lamp", "amount": "5.00"})
        server.advance("1mo")
        assert [each["planId"] for each in api.call("listInvoices")["list"]["invoice"]] == told
        api.http.close()


@pytest.mark.parametrize("why", ["canceled", "ended", "last term", "last term in advance"])
def test_who_gets_no_invoice_any_more_has_no_next_billing_and_takes_no_charge(why: str) -> None:
    plans = [{"code": "MONTHLY", "price": "50.00", "billingCycles": 2}]
    with serve(catalog(plans=plans, inferredCalls=True), start=START) as server:
        api = Api(server)
        if why == "canceled":
            api.control("/cancel", {})
        elif why == "last term in advance":
            api.control("/advance-invoice", {"terms": 1})
            api.control("/charges", {"description": "Lamp", "amount": "5.00"})
            newest, _ = api.call("listInvoices")["list"]["invoice"]
            assert newest["subscription"]["subscriptionNextBilling"] == 1776384000
        server.advance({"canceled": "1d", "ended": "3mo"}.get(why, "1mo"))
        newest, *_ = api.call("listInvoices")["list"]["invoice"]
        assert newest["subscription"]["subscriptionNextBilling"] is None
        assert api.waiting() == []
        charge = {"description": "Lamp", "amount": "5.00"}
        api.control("/charges", charge, 400)
        assert (
            "no further invoice" in api.call("addCharge", 400, subscription_code="mill", **charge)["message"]
        )
        assert api.waiting() == []
        api.http.close()


@pytest.mark.parametrize(
    ("name", "form", "message"),
    [
        ("listSubscriptionUnbilledCharges", {"order_by": "up"}, "order_by is asc or desc"),
        ("listSubscriptionUnbilledCharges", {"limit": 0}, "limit: from 1"),
        ("listSubscriptionUnbilledCharges", {"colour": "red"}, "colour is not known here"),
        ("listSubscriptionUnbilledCharges", {"created_at[about]": 1}, "created_at[is]"),
        ("listSubscriptionUnbilledCharges", {"created_atis": 1}, "created_at[is]"),
        ("listSubscriptionUnbilledCharges", {"created_at": 1}, "created_at[is]"),
        ("listSubscriptionUnbilledCharges", {"created_at[is": 1}, "created_at[is]"),
        ("listSubscriptionUnbilledCharges", {"created_at[[is]]": 1}, "created_at[is]"),
        ("listSubscriptionUnbilledCharges", {"created_at[]is": 1}, "created_at[is]"),
        ("listInvoices", {"customer": "mill"}, "customer is not known here"),
        ("addCharge", {"description": "Lamp", "amount": "5.00"}, "subscription_code"),
        ("addCharge", {"subscription_code": "mill", "amount": "5.00"}, "description"),
        ("addCharge", {"subscription_code": "mill", "description": "Lamp", "amount": "-5"}, "amount"),
        ("addCharge", {"subscription_code": "mill", "description": "Lamp", "amount": "5.001"}, "amount"),
    ],
)
def test_what_makes_no_sense_is_refused(api: Api, name: str, form: dict[str, Any], message: str) -> None:
    answer = api.call(name, 400, **form)
    assert (answer["status"], message in answer["message"]) == ("error", True)
    assert api.waiting() == []


def test_who_has_no_token_is_refused(api: Api) -> None:
    assert api.call("listInvoices", 401, api_token="wrong")["status"] == "error"
    assert api.http.post(f"/listInvoices?api_token={TOKEN}").status_code == 200
    assert api.http.get(f"/listInvoices?api_token={TOKEN}").status_code == 400


def test_what_is_inferred_is_off() -> None:
    with serve(catalog(), start=START) as server:
        api = Api(server)
        form = {"subscription_code": "mill", "description": "Lamp", "amount": "5.00"}
        assert "set inferredCalls" in api.call("addCharge", 400, **form)["message"]
        api.http.close()


def test_cycles_are_a_feature_to_be_switched_on() -> None:
    with serve(catalog(addOnBillingCycles=False), start=START) as server:
        api = Api(server)
        said = api.control("/add-ons", {"code": "FEE", "billingCycles": 20}, 400)["error"]
        assert "ask support" in said
        api.control("/add-ons", {"code": "FEE", "billingCycles": None})
        api.http.close()


def test_states_and_monthly_revenue(api: Api) -> None:
    shown = api.control("")
    assert (shown["state"], shown["monthlyRevenue"]) == ("Active", "50.00")  # without the setup fee
    assert api.control("/add-ons", {"code": "FEE", "billingCycles": 20})["monthlyRevenue"] == "150.00"
    assert api.control("/cancel", {})["state"] == "Non Renewing"
    api.server.advance("1mo")
    assert (api.control("")["state"], api.control("")["monthlyRevenue"]) == ("Cancelled", "0.00")


@pytest.mark.parametrize(
    "amount", ["NaN", "Infinity", "1_0", " 5 ", "５", "+5", "1e1", "0x5", "5.", "-5", "0", ""]
)
def test_a_number_that_only_python_reads_is_refused(api: Api, amount: str) -> None:
    charge = {"subscription_code": "mill", "description": "work", "amount": "1.00", "quantity": "1"}
    for name in ("amount", "quantity"):
        assert name in api.call("addCharge", 400, **charge | {name: amount})["message"]
    assert api.waiting() == []


def test_a_field_that_is_there_twice_is_refused(api: Api) -> None:
    form = f"api_token={TOKEN}&subscription_code=mill&description=work&amount=1.00"
    for query, more in (("", "&amount=7.00"), ("?amount=7.00", ""), ("?subscription_code=other", "")):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = api.http.post(f"/addCharge{query}", content=form + more, headers=headers)
        assert (answer.status_code, "is there twice" in answer.json()["message"]) == (400, True)
    assert api.waiting() == []
