"""Usage as a product's quantity, and invoices that wait as drafts until somebody posts them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tallyhook_mock import serve

from .fusebill_face import KEY, Face

GLOW: dict[str, Any] = {
    "code": "GLOW",
    "frequencyId": 9001,
    "products": [
        {"code": "BASE", "price": "50.00"},
        {"code": "GB25", "price": "1.00", "chargeTiming": "EndOfPeriod", "quantityReset": "EndOfPeriod"},
        {"code": "SEAT", "price": "30.00", "quantity": 2, "maxQuantity": 9},
    ],
}
BEGIN = "2026-11-01T00:00:00Z"


def catalog(**more: Any) -> dict[str, Any]:
    customers = [{"id": 1, "name": "Ida Lamp", "subscriptions": [{"id": 11, "planCode": "GLOW"}]}]
    oil = {"id": 7001, "code": "OIL", "name": "Oil", "price": "4.50"}
    return {
        "fusebill": {"apiKeys": [KEY], "plans": [GLOW], "products": [oil], "customers": customers, **more}
    }


@pytest.fixture
def face() -> Iterator[Face]:
    """An account whose invoices wait for somebody to post them."""
    with serve(catalog(autoPost=False), start=BEGIN) as server:
        face = Face(server)
        yield face
        face.http.close()


@pytest.fixture
def posting() -> Iterator[Face]:
    """One whose invoices are posted by themselves."""
    with serve(catalog(postReadyDraftsAtRenewal=True), start=BEGIN) as server:
        face = Face(server)
        yield face
        face.http.close()


def product(face: Face, code: str) -> dict[str, Any]:
    (found,) = [
        each
        for each in face.api("GET", "subscriptions/11")["subscriptionProducts"]
        if each["planProduct"]["productCode"] == code
    ]
    return found


def ready(face: Face) -> list[dict[str, Any]]:
    return face.api("GET", "DraftInvoices?query=status:Ready")


def charges(draft: dict[str, Any]) -> list[tuple[str, float, float]]:
    return [(each["productCode"], each["quantity"], each["amount"]) for each in draft["draftCharges"]]


def test_usage_is_billed_in_arrears_and_starts_over(posting: Face) -> None:
    face = posting
    assert face.bills(1) == [("2026-11-01", ["50.00", "60.00"])]
    usage = product(face, "GB25")
    face.api("PUT", "SubscriptionProducts", {**usage, "quantity": 6.5})
    face.api(
        "POST",
        "SubscriptionProductQuantityChange",
        {"subscriptionProductId": usage["id"], "deltaQuantity": 1.5},
    )
    assert product(face, "GB25")["quantity"] == 8
    face.server.advance_to("2027-01-01T00:00:00Z")
    assert face.bills(1)[1:] == [
        ("2026-12-01", ["8.00", "50.00", "60.00"]),
        ("2027-01-01", ["50.00", "60.00"]),
    ]


def test_more_of_what_is_charged_ahead_is_charged_for_the_rest(posting: Face) -> None:
    face = posting
    face.server.advance_to("2026-11-16T00:00:00Z")
    seat = product(face, "SEAT")
    preview = face.api("PUT", "SubscriptionProducts?preview=true", {**seat, "quantity": 4})
    assert (preview["quantity"], product(face, "SEAT")["quantity"]) == (4, 2)
    face.api("PUT", "SubscriptionProducts", {**seat, "quantity": 4})
    assert face.bills(1)[1:] == [("2026-11-16", ["30.00"])]  # 2 × 30 for 15 of 30 days
    fewer = {"subscriptionProductId": seat["id"], "deltaQuantity": -3}
    assert face.api("POST", "SubscriptionProductQuantityChange", fewer)["quantity"] == 1
    face.server.advance_to("2026-12-01T00:00:00Z")
    assert face.bills(1)[2:] == [("2026-12-01", ["50.00", "30.00"])]


@pytest.mark.parametrize(("change", "first", "then"), [("EndOfPeriod", [], "15.00"), ("None", [], None)])
def test_a_change_may_be_charged_later_or_not(change: str, first: list[Any], then: str | None) -> None:
    plan = {"code": "GLOW", "products": [{"code": "SEAT", "price": "30.00", "midPeriodChange": change}]}
    with serve(catalog(plans=[plan]), start=BEGIN) as server:
        face = Face(server)
        server.advance_to("2026-11-16T00:00:00Z")
        face.api("PUT", "SubscriptionProducts", {"id": product(face, "SEAT")["id"], "quantity": 2})
        assert face.bills(1)[1:] == first
        server.advance_to("2026-12-01T00:00:00Z")
        assert face.bills(1)[1:] == [("2026-12-01", [*([then] if then else []), "60.00"])]
        face.http.close()


@pytest.mark.parametrize(
    ("charges_again", "change", "expected"),
    [
        # On November 16, 15 of 30 days are left: 15.00 for a seat.
        (True, "Immediate", [["15.00"], ["45.00"], ["30.00"], ["50.00", "120.00"]]),
        (False, "Immediate", [["15.00"], ["15.00"], ["50.00", "120.00"]]),
        (True, "EndOfPeriod", [["15.00", "45.00", "30.00", "50.00", "120.00"]]),
        (False, "EndOfPeriod", [["15.00", "15.00", "50.00", "120.00"]]),
        (False, "None", [["50.00", "120.00"]]),
    ],
)
def test_units_that_come_back_may_be_charged_again(
    charges_again: bool, change: str, expected: list[list[str]]
) -> None:
    seat = {**GLOW["products"][2], "midPeriodChange": change}
    plan = {**GLOW, "products": [*GLOW["products"][:2], seat]}
    with serve(catalog(plans=[plan], chargeUnitsAgain=charges_again), start=BEGIN) as server:
        face = Face(server)
        server.advance_to("2026-11-16T00:00:00Z")
        for quantity in (3, 1, 4, 2, 4):
            face.api("PUT", "SubscriptionProducts", {"id": product(face, "SEAT")["id"], "quantity": quantity})
        coming = face.http.get("/_mock/fusebill/customers/1/forecast?invoices=1").json()["invoices"]
        server.advance_to("2026-12-01T00:00:00Z")
        assert [amounts for _, amounts in face.bills(1)[1:]] == expected
        assert [each["total"] for each in coming] == [str(sum(map(Decimal, expected[-1])))]
        face.http.close()


@pytest.mark.parametrize("charges_again", [True, False])
def test_units_of_an_invoice_in_advance_may_be_charged_again(charges_again: bool) -> None:
    with serve(catalog(chargeUnitsAgain=charges_again), start=BEGIN) as server:
        face = Face(server)
        definition = face.api("GET", "subscriptions/11")["billingPeriodDefinitionId"]
        face.api("PUT", f"billingPeriodDefinitions/{definition}", {"invoiceInAdvance": 5})
        server.advance_to("2026-12-27T00:00:00Z")
        face.api("PUT", "SubscriptionProducts", {"id": product(face, "SEAT")["id"], "quantity": 1})
        server.advance_to("2027-01-01T00:00:00Z")
        known = face.bills(1)
        face.api("PUT", "SubscriptionProducts", {"id": product(face, "SEAT")["id"], "quantity": 2})
        assert face.bills(1) == [*known, *([("2027-01-01", ["30.00"])] if charges_again else [])]
        face.http.close()


def test_a_draft_is_corrected_and_posted(face: Face) -> None:
    assert face.bills(1) == []
    (first,) = ready(face)
    assert face.api("POST", f"Invoices?draftInvoiceId={first['id']}", {})["total"] == 110
    usage = product(face, "GB25")
    face.api("PUT", "SubscriptionProducts", {**usage, "quantity": 9})
    face.server.advance_to("2026-12-01T00:00:00Z")
    face.server.advance_to("2026-12-20T00:00:00Z")  # nothing but a post ends the wait
    (summary,) = ready(face)
    assert "draftCharges" not in summary
    assert (summary["status"], summary["total"]) == ("Ready", 119)
    draft = face.api("GET", f"DraftInvoices/{summary['id']}")
    assert charges(draft) == [("GB25", 9, 9), ("BASE", 1, 50), ("SEAT", 2, 60)]
    assert draft["draftCharges"][0]["subscriptionProductId"] == usage["id"]
    excess, base, seats = draft["draftCharges"]
    changed = face.api(
        "PATCH",
        "DraftInvoices",
        {
            "id": draft["id"],
            "notes": "audited",
            "poNumber": "PO 9",
            "netTermsSet": True,
            "netTerms": "Net30",
            "draftCharges": [
                {"id": excess["id"], "operation": "Update", "quantity": 8, "description": "200 GB"},
                {"id": base["id"], "operation": "Update", "unitPrice": 45.5},
                {"id": seats["id"], "operation": "Delete"},
            ],
        },
    )
    assert charges(changed) == [("GB25", 8, 8), ("BASE", 1, 45.5)]
    assert (changed["total"], changed["notes"], changed["netTerms"]) == (53.5, "audited", "Net30")
    preview = face.api("POST", f"invoices?draftInvoiceId={draft['id']}&preview=true", None)
    assert preview["total"] == 53.5
    posted = face.api("POST", f"Invoices?draftInvoiceId={draft['id']}", {})
    assert (posted["total"], posted["poNumber"], posted["draftInvoiceId"]) == (53.5, "PO 9", draft["id"])
    assert ready(face) == []
    assert face.bills(1)[1:] == [("2026-12-20", ["8.00", "45.50"])]
    assert face.api("GET", f"Invoices/{posted['id']}?showTrackedItems=true&groupCharges=false") == posted
    assert face.refused("POST", f"Invoices?draftInvoiceId={draft['id']}", {}, 404)[0] == "draftInvoiceId"


def test_a_draft_is_posted_in_parts(face: Face) -> None:
    (draft,) = ready(face)
    base, seats = face.api("GET", f"DraftInvoices/{draft['id']}")["draftCharges"]
    path = f"Invoices?draftInvoiceId={draft['id']}&draftChargeIds={seats['id']}"
    assert face.api("POST", path, None)["total"] == 60
    assert charges(face.api("GET", f"DraftInvoices/{draft['id']}")) == [("BASE", 1, 50)]
    assert face.refused("POST", path, None, 404)[0] == "draftChargeIds"
    assert (
        face.api("POST", f"Invoices?draftInvoiceId={draft['id']}&draftChargeIds={base['id']}", None)["total"]
        == 50
    )
    assert face.bills(1) == [("2026-11-01", ["60.00"]), ("2026-11-01", ["50.00"])]


def delete_charges(face: Face, draft: int) -> dict[str, Any]:
    found = face.api("GET", f"DraftInvoices/{draft}")["draftCharges"]
    listed = [{"id": each["id"], "operation": "Delete"} for each in found]
    answer: dict[str, Any] = face.api("PATCH", "DraftInvoices", {"id": draft, "draftCharges": listed})
    return answer


def test_a_draft_without_charges_is_gone(face: Face) -> None:
    (draft,) = ready(face)
    left = delete_charges(face, draft["id"])
    assert (left["id"], left["draftCharges"], left["total"]) == (draft["id"], [], 0)
    assert ready(face) == []
    face.refused("GET", f"DraftInvoices/{draft['id']}", None, 404)
    face.refused("PATCH", "DraftInvoices", {"id": draft["id"], "notes": "still there?"}, 404)
    for preview in ("true", "false"):
        face.refused("POST", f"Invoices?draftInvoiceId={draft['id']}&preview={preview}", None, 404)
    assert face.api("GET", "customers/1/overview")["draftInvoiceCount"] == 0
    assert face.bills(1) == []


def test_a_renewal_posts_no_draft_without_charges(posting: Face) -> None:
    face = posting
    for code in ("BASE", "SEAT"):
        face.api("PUT", "SubscriptionProducts", {"id": product(face, code)["id"], "quantity": 0})
    known = face.bills(1)
    purchase = face.api("POST", "Purchases", {"customerId": 1, "productId": 7001})
    face.api("POST", "Purchases/Purchase?temporarilyDisableAutoPost=true", {"id": purchase["id"]})
    (draft,) = ready(face)
    delete_charges(face, draft["id"])
    face.server.advance_to("2026-12-02T00:00:00Z")
    assert (ready(face), face.bills(1)) == ([], known)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ([{"operation": "Add"}], "operation"),
        ([{"operation": None}], "operation"),
        ([{"quantity": -1}], "quantity"),
        ([{"quantity": "8"}], "quantity"),
        ([{"rangeQuantity": 1}], "rangeQuantity"),
        ([{"draftDiscounts": [{"amount": 1}]}], "draftDiscounts"),
        ([{"amount": 8}], "amount"),
        ([{}, {}], "draftCharges"),
        (["8"], "draftCharges"),
    ],
)
def test_a_change_of_a_draft_that_makes_no_sense_is_refused(face: Face, changes: list[Any], key: str) -> None:
    (draft,) = ready(face)
    first = face.api("GET", f"DraftInvoices/{draft['id']}")["draftCharges"][0]["id"]
    listed = [
        {"id": first, "operation": "Update", **each} if isinstance(each, dict) else each for each in changes
    ]
    assert face.refused("PATCH", "DraftInvoices", {"id": draft["id"], "draftCharges": listed}, 400)[0] == key


def test_what_is_not_on_a_draft_is_not_changed(face: Face) -> None:
    (draft,) = ready(face)
    wish = {"id": draft["id"], "draftCharges": [{"id": 5, "operation": "Delete"}]}
    assert face.refused("PATCH", "DraftInvoices", wish, 404)[0] == "draftCharges"
    assert (
        face.refused("PATCH", "DraftInvoices", {"id": draft["id"], "netTerms": "Net30"}, 400)[0]
        == "netTermsSet"
    )
    assert face.refused("POST", "Invoices", {}, 400)[0] == "draftInvoiceId"


def test_who_says_whether_an_invoice_is_posted(face: Face) -> None:
    """The account, the customer, the billing period; the narrower one counts."""
    face.api("PUT", "customers", {"id": 1, "autoPost": True})
    face.server.advance_to("2026-12-01T00:00:00Z")
    assert [day for day, _ in face.bills(1)] == ["2026-12-01"]
    definition = face.api("GET", "subscriptions/11")["billingPeriodDefinitionId"]
    face.api("PUT", f"billingPeriodDefinitions/{definition}", {"autoPost": False})
    face.server.advance_to("2027-01-01T00:00:00Z")
    assert [day for day, _ in face.bills(1)] == ["2026-12-01"]
    face.api("PUT", f"billingPeriodDefinitions/{definition}", {"autoPost": None})
    face.server.advance_to("2027-02-01T00:00:00Z")
    assert [day for day, _ in face.bills(1)] == ["2026-12-01", "2027-02-01"]


def test_a_call_holds_its_own_invoice_until_the_renewal(posting: Face) -> None:
    face = posting
    face.server.advance_to("2026-11-16T00:00:00Z")
    seat = product(face, "SEAT")
    path = "SubscriptionProducts?temporarilyDisableAutoPost=true"
    face.api("PUT", path, {**seat, "quantity": 4})
    assert [each["total"] for each in ready(face)] == [30]
    coming = face.http.get("/_mock/fusebill/customers/1/forecast?invoices=2").json()["invoices"]
    assert [each["total"] for each in coming] == ["200.00", "170.00"]
    face.server.advance_to("2026-12-01T00:00:00Z")
    assert ready(face) == []
    assert face.bills(1)[1:] == [("2026-12-01", ["50.00", "120.00", "30.00"])]


def test_who_is_on_hold_gets_no_invoice(posting: Face) -> None:
    face = posting
    face.server.advance_to("2026-11-16T00:00:00Z")
    seat, usage = product(face, "SEAT")["id"], product(face, "GB25")["id"]
    bought = face.api("POST", "Purchases", {"customerId": 1, "productId": 7001})["id"]
    face.api("PUT", "SubscriptionProducts?temporarilyDisableAutoPost=true", {"id": seat, "quantity": 3})
    (held,) = ready(face)
    before = face.bills(1)
    face.api("POST", "customerHold/1")
    more = {"subscriptionProductId": seat, "deltaQuantity": 1}
    for method, path, body in (
        ("PUT", "SubscriptionProducts", {"id": seat, "quantity": 4}),
        ("PUT", "SubscriptionProducts?preview=true", {"id": seat, "quantity": 4}),
        ("PUT", "SubscriptionProducts?temporarilyDisableAutoPost=true", {"id": seat, "quantity": 4}),
        ("POST", "SubscriptionProductQuantityChange", more),
        ("POST", "Purchases/Purchase", {"id": bought}),
        ("POST", "Purchases/Purchase?preview=true", {"id": bought}),
    ):
        assert face.refused(method, path, body, 409) == (
            "customerId",
            "customer 1 is on hold: it isn't invoiced",
        )
    charge = {"name": "Oil", "amount": "5.00", "when": "now"}
    said = face.control("POST", "subscriptions/11/charges", charge, 400)["error"]
    assert "customer 1 is on hold" in said
    # What is charged later can be recorded.
    face.api("PUT", "SubscriptionProducts", {"id": usage, "quantity": 7})
    face.api("PUT", "SubscriptionProducts", {"id": seat, "quantity": 1})
    face.charge(11, "5.00", prorate=False)
    face.server.advance_to("2026-12-15T00:00:00Z")
    assert face.bills(1) == before
    assert [each["id"] for each in ready(face)] == [held["id"]]
    face.api("POST", "customers/unhold", {"customerId": 1})
    face.server.advance_to("2027-01-01T00:00:00Z")
    assert face.bills(1) == [*before, ("2027-01-01", ["7.00", "5.00", "50.00", "30.00", "15.00"])]


def test_lists_have_pages_filters_and_an_order(face: Face) -> None:
    face.server.advance_to("2027-03-01T00:00:00Z")
    headers = {"Authorization": f"Basic {KEY}"}
    answer = face.http.get("/v1/DraftInvoices?pageSize=2&pageNumber=1", headers=headers)
    assert {
        name: answer.headers[f"X-{name}"] for name in ("Count", "MaxCount", "CurrentPage", "MaxPageIndex")
    } == {
        "Count": "2",
        "MaxCount": "5",
        "CurrentPage": "1",
        "MaxPageIndex": "2",
    }
    pages = [answer.headers[f"X-{name}"] for name in ("PreviousPage", "NextPage", "PageSize")]
    assert pages == ["0", "2", "2"]
    first = face.http.get("/v1/DraftInvoices", headers=headers).headers
    assert (first["X-PreviousPage"], first["X-NextPage"]) == ("-1", "-1")
    newest = face.api("GET", "DraftInvoices?sortOrder=Descending&sortExpression=createdDate")
    assert newest[0]["effectiveTimestamp"] == "2027-03-01T00:00:00"
    span = "query=customerId:1;createdDate:2026-12-01|2027-01-01"
    assert len(face.api("GET", f"DraftInvoices?{span}")) == 2
    assert face.api("GET", "DraftInvoices?query=status:Pending") == []
    for query, key in (
        ("sortOrder=Ascending", "sortOrder"),
        ("sortOrder=Up&sortExpression=id", "sortOrder"),
        ("sortOrder=Ascending&sortExpression=colour", "sortExpression"),
        ("query=colour:red", "query"),
        ("query=status", "query"),
        ("query=createdDate:soon", "createdDate"),
        ("pageSize=0", "pageSize"),
        ("pageNumber=-1", "pageNumber"),
        ("page=1", "page"),
    ):
        assert face.refused("GET", f"DraftInvoices?{query}", None, 400)[0] == key


def test_a_month_of_a_monthly_cycle_is_where_the_recharge_is_brought(face: Face) -> None:
    wish = {"customerId": 1, "interval": "Monthly", "numberOfIntervals": 3, "invoiceDay": 29}
    shown = face.api("POST", "BillingPeriodDefinitions/Preview", {**wish, "invoiceMonth": 1})
    assert (shown["id"], shown["nextRechargeDate"], shown["cycle"]) == (0, "2027-01-29T00:00:00", "Monthly")
    assert len(face.api("GET", "customers/1/billingPeriodDefinitions")) == 1
    made = face.api("POST", "BillingPeriodDefinitions", {**wish, "invoiceMonth": 1})
    assert (made["nextRechargeDate"], made["invoiceMonth"]) == (shown["nextRechargeDate"], None)
    face.server.advance_to("2027-01-29T00:00:00Z")
    now = face.api("GET", f"BillingPeriodDefinitions/{made['id']}")
    assert (now["currentBillingPeriodStartDate"], now["nextRechargeDate"]) == (
        "2027-01-29T00:00:00",
        "2027-04-29T00:00:00",
    )
    filters = "query=interval:Monthly;numberOfIntervals:3;numberOfSubscriptions:0"
    assert [each["id"] for each in face.api("GET", f"customers/1/billingPeriodDefinitions?{filters}")] == [
        made["id"]
    ]


def test_a_subscription_is_made_activated_and_cancelled(posting: Face) -> None:
    face = posting
    customer = face.api("POST", "customers", {"firstName": "Eve", "lastName": "Torch", "reference": "E1"})
    assert (customer["status"], customer["companyName"]) == ("Draft", "Eve Torch")
    made = face.api("POST", "subscriptions", {"customerId": customer["id"], "planFrequencyId": 9001})
    assert (made["status"], made["billingPeriodDefinitionId"]) == ("Draft", None)
    path = f"SubscriptionActivation/{made['id']}"
    assert face.refused("POST", path, None, 409)[0] == "customerId"
    face.api("POST", "customerActivation", {"customerId": customer["id"]})
    assert face.refused("POST", "customerActivation", {"customerId": customer["id"]}, 409)[0] == "customerId"
    assert face.api("POST", f"{path}?preview=true")["status"] == "Draft"
    active = face.api("POST", path)
    assert (active["status"], active["nextRechargeDate"]) == ("Active", "2026-12-01T00:00:00")
    assert face.api("PUT", "subscriptions", {**active, "reference": "sub 1"})["reference"] == "sub 1"
    assert face.refused("PUT", "subscriptions", {**active, "amount": 1}, 400)[0] == "amount"
    assert face.api("POST", f"SubscriptionProvision/{made['id']}")["provisionedTimestamp"]
    assert [each["id"] for each in face.api("GET", "subscriptions/getAll")] == [11, made["id"]]
    assert len(face.api("GET", "subscriptionSummary?query=status:Active")) == 2
    assert [each["id"] for each in face.api("GET", f"customers/{customer['id']}/subscriptions")] == [
        made["id"]
    ]
    assert face.refused("DELETE", f"subscriptions/Delete/{made['id']}", None, 409)[0] == "subscriptionId"
    held = face.api("POST", f"customerHold/{customer['id']}")
    assert held["status"] == "Hold"
    face.api("POST", "customers/unhold", {"customerId": customer["id"]})
    ended = face.api("POST", "subscriptionCancellation", {"subscriptionId": made["id"]})
    assert ended["status"] == "Cancelled"
    assert face.api("POST", "customerCancellation", {"customerId": customer["id"]})["status"] == "Cancelled"
    face.server.advance_to("2027-01-01T00:00:00Z")
    assert [day for day, _ in face.bills(customer["id"])] == ["2026-11-01"]
    shown = face.api("GET", f"customers/{customer['id']}/overview")
    assert (shown["invoiceCount"], shown["arBalance"]) == (1, 110)
    draft = face.api("POST", "subscriptions", {"customerId": 1, "planFrequencyId": 9001})
    assert face.api("DELETE", f"subscriptions/Delete/{draft['id']}", status=204) is None


def test_the_first_activation_is_not_that_of_the_oldest_subscription(posting: Face) -> None:
    face = posting
    customer = face.api("POST", "customers", {"firstName": "Eve", "lastName": "Torch"})["id"]
    face.api("POST", "customerActivation", {"customerId": customer})
    wish = {"customerId": customer, "planFrequencyId": 9001}
    older, newer = (face.api("POST", "subscriptions", wish)["id"] for _ in range(2))
    for subscription, day in ((newer, 5), (older, 9)):
        face.server.advance_to(f"2026-11-{day:02}T00:00:00Z")
        face.api("POST", f"SubscriptionActivation/{subscription}")
    wish = {
        "customerId": customer,
        "interval": "Monthly",
        "billingPeriodType": "FirstSubscriptionActivation",
    }
    assert face.api("POST", "billingPeriodDefinitions", wish)["invoiceDay"] == 5


def test_a_subscription_is_moved_by_a_patch(posting: Face) -> None:
    face = posting
    made = face.api(
        "POST", "BillingPeriodDefinitions", {"customerId": 1, "interval": "Monthly", "invoiceDay": 6}
    )
    wish = {"id": 11, "billingPeriodDefinitionId": made["id"], "billingPeriodDefinitionIdSet": True}
    assert face.api("PATCH", "SubscriptionsV2?preview=true", wish)["billingPeriodDefinitionId"] != made["id"]
    moved = face.api("PATCH", "SubscriptionsV2", wish)
    assert (moved["billingPeriodDefinitionId"], moved["nextRechargeDate"]) == (
        made["id"],
        "2026-11-06T00:00:00",
    )
    assert face.refused("PATCH", "SubscriptionsV2", {**wish, "billingPeriodDefinitionIdSet": False}, 400)


def test_a_purchase_is_made_and_finalised(posting: Face) -> None:
    face = posting
    made = face.api("POST", "Purchases", {"customerId": 1, "productId": 7001, "quantity": 3})
    assert (made["status"], made["amount"]) == ("Draft", 13.5)
    assert face.api("POST", "purchases/Purchase", {"id": made["id"]})["status"] == "Purchased"
    assert face.bills(1)[-1] == ("2026-11-01", ["13.50"])
    assert face.refused("POST", "purchases/cancel", {"id": made["id"]}, 409)[0] == "id"
    other = face.api("POST", "Purchases", {"customerId": 1, "productId": 7001})
    assert face.api("POST", "purchases/cancel", {"id": other["id"]})["status"] == "Cancelled"
    assert [each["status"] for each in face.api("GET", "customers/1/Purchases")] == ["Purchased", "Cancelled"]


def test_invoices_are_read_and_amended(posting: Face) -> None:
    face = posting
    (invoice,) = face.api("GET", "customers/1/Invoices")
    assert [(each["productCode"], each["amount"]) for each in invoice["charges"]] == [
        ("BASE", 50),
        ("SEAT", 60),
    ]
    assert face.api("GET", "Invoices") == [invoice]
    assert "charges" not in face.api("GET", "invoiceSummaries")[0]
    wish = {
        "id": invoice["id"],
        "notes": "thanks",
        "netTermsSet": True,
        "netTerms": "Net15",
        "hideOnSSP": True,
    }
    assert face.refused("PATCH", "Invoices", wish, 400)[0] == "hideOnSSPSet"
    changed = face.api("PATCH", "Invoices", {**wish, "hideOnSSPSet": True})
    assert (changed["notes"], changed["netTerms"], changed["hideOnSSP"]) == ("thanks", "Net15", True)


def test_numbers_are_exact(face: Face) -> None:
    usage = product(face, "GB25")
    body = f'{{"id": {usage["id"]}, "quantity": 0.1}}'
    headers = {"Authorization": f"Basic {KEY}"}
    for _ in range(2):
        assert face.http.put("/v1/SubscriptionProducts", content=body, headers=headers).status_code == 200
    assert Decimal(str(product(face, "GB25")["quantity"])) == Decimal("0.1")
    for quantity in (-1, 10**10, "1", True, 0.1234567):
        assert (
            face.refused("PUT", "SubscriptionProducts", {"id": usage["id"], "quantity": quantity}, 400)[0]
            == "quantity"
        )
    seat = product(face, "SEAT")
    assert (
        face.refused("PUT", "SubscriptionProducts", {"id": seat["id"], "quantity": 10}, 400)[0] == "quantity"
    )
    wish = {"subscriptionProductId": seat["id"], "deltaQuantity": -3}
    assert face.refused("POST", "SubscriptionProductQuantityChange", wish, 400)[0] == "quantity"


@pytest.fixture
def tracking() -> Iterator[Face]:
    """A plan with cars, of which each has its number plate; they start over with the period."""
    cars = {
        "code": "CAR",
        "price": "10.00",
        "chargeTiming": "EndOfPeriod",
        "quantityReset": "EndOfPeriod",
        "trackItems": True,
        "maxQuantity": 3,
    }
    plan = {"code": "FLEET", "products": [{"code": "BASE", "price": "50.00"}, cars]}
    customers = [{"id": 1, "name": "Ida Lamp", "subscriptions": [{"id": 11, "planCode": "FLEET"}]}]
    with serve(catalog(plans=[GLOW, plan], customers=customers), start=BEGIN) as server:
        face = Face(server)
        yield face
        face.http.close()


def test_tracked_items_are_the_quantity(tracking: Face) -> None:
    number = product(tracking, "CAR")["id"]
    assert product(tracking, "CAR")["planProduct"]["isTrackingItems"]
    path = "SubscriptionProductItems"
    first = tracking.api("POST", path, {"subscriptionProductId": number, "reference": "IL-1", "name": "Van"})
    assert (first["reference"], first["name"]) == ("IL-1", "Van")
    changed = tracking.api("PUT", path, {"id": first["id"], "reference": "IL-2"})
    assert (changed["reference"], changed["name"]) == ("IL-2", "Van")
    several = [
        {"operation": "Insert", "reference": "IL-3"},
        {"operation": "Insert", "reference": "IL-4"},
        {"operation": "Update", "id": first["id"], "name": "Truck"},
    ]
    wish = {"subscriptionProductId": number, "subscriptionProductItems": several}
    found = tracking.api("PATCH", path, wish)
    assert [(each["reference"], each["name"]) for each in found] == [
        ("IL-2", "Truck"),
        ("IL-3", ""),
        ("IL-4", ""),
    ]
    gone = [{"operation": "Delete", "id": found[1]["id"]}]
    tracking.api("PATCH", path, {"subscriptionProductId": number, "subscriptionProductItems": gone})
    assert product(tracking, "CAR")["quantity"] == 2
    tracking.server.advance_to("2026-12-01T00:00:00Z")
    assert tracking.bills(1)[-1] == ("2026-12-01", ["20.00", "50.00"])
    assert product(tracking, "CAR")["quantity"] == 0


def test_an_item_that_makes_no_sense_is_refused(tracking: Face) -> None:
    number, base = product(tracking, "CAR")["id"], product(tracking, "BASE")["id"]
    path, one = "SubscriptionProductItems", {"subscriptionProductId": number, "reference": "IL-1"}
    tracking.api("POST", path, one)
    assert tracking.refused("POST", path, one, 409)[0] == "reference"
    assert tracking.refused("POST", path, {"subscriptionProductId": number}, 409)[0] == "reference"
    assert tracking.refused("POST", path, one | {"subscriptionProductId": base}, 409)[1].endswith(
        "set its quantity"
    )
    assert tracking.refused("PUT", path, {"id": 1, "reference": "IL-2"}, 404)[0] == "id"
    several = [{"operation": "Insert", "reference": f"IL-{each}"} for each in range(2, 5)]
    wish: dict[str, Any] = {"subscriptionProductId": number, "subscriptionProductItems": several}
    assert tracking.refused("PATCH", path, wish, 400)[0] == "quantity"  # one more than there may be
    wish["subscriptionProductItems"] = [{"operation": "Delete", "id": 1}]
    assert tracking.refused("PATCH", path, wish, 404)[0] == "id"
    wish["subscriptionProductItems"] = [{"reference": "IL-2"}]
    assert tracking.refused("PATCH", path, wish, 400)[0] == "operation"
    delta = {"subscriptionProductId": number, "deltaQuantity": 1}
    assert tracking.refused("POST", "SubscriptionProductQuantityChange", delta, 409)[1].endswith(
        "insert and delete them instead"
    )


def test_a_purchase_of_nothing_is_refused(posting: Face) -> None:
    wish = {"customerId": 1, "productId": 7001, "quantity": 0}
    assert posting.refused("POST", "Purchases", wish, 400)[0] == "quantity"


def test_who_is_cancelled_is_charged_nothing(posting: Face) -> None:
    face = posting
    wish = {"customerId": 1, "productId": 7001, "quantity": 2}
    made = face.api("POST", "Purchases", wish)
    face.api("POST", "customerCancellation", {"customerId": 1})
    before = face.bills(1)
    assert face.refused("POST", "Purchases", wish, 409)[0] == "customerId"
    assert face.refused("POST", "Purchases/Purchase", {"id": made["id"]}, 409)[0] == "customerId"
    told = face.control("GET", "customers/1/timeline")
    for when in ("now", "periodEnd"):
        for prorate in (True, False):
            charge = {"name": "Oil", "amount": "7.00", "when": when, "prorate": prorate}
            face.control("POST", "subscriptions/11/charges", charge, 400)
    assert face.control("GET", "customers/1/timeline") == told
    assert face.bills(1) == before


def test_a_preview_shows_the_amount_of_its_quantity(posting: Face) -> None:
    seat = product(posting, "SEAT")
    change = {"subscriptionProductId": seat["id"], "deltaQuantity": 2}
    before = posting.dump()
    for shown in (
        posting.api("PUT", "SubscriptionProducts?preview=true", {**seat, "quantity": 4}),
        posting.api("POST", "SubscriptionProductQuantityChange?preview=true", change),
    ):
        assert (shown["quantity"], shown["amount"]) == (4, 120)
    assert posting.dump() == before
    for wrong in (10, 8):
        body = {**change, "deltaQuantity": wrong}
        path = "SubscriptionProductQuantityChange?preview=true"
        assert posting.refused("POST", path, body, 400)[0] == "quantity"


def test_a_preview_is_refused_if_the_call_would_be(face: Face) -> None:
    customer = face.api("POST", "customers", {"firstName": "Eve"})["id"]
    wish = {"customerId": customer, "planFrequencyId": 9001}
    waiting = face.api("POST", "subscriptions", wish)["id"]
    new = {"customerId": customer, "interval": "Monthly", "invoiceDay": 6}
    place = face.api("POST", "BillingPeriodDefinitions", new)["id"]
    bought = face.api("POST", "Purchases", {"customerId": 1, "productId": 7001})["id"]
    face.api("POST", "Purchases/Purchase", {"id": bought})
    target = {"id": waiting, "billingPeriodDefinitionId": place, "billingPeriodDefinitionIdSet": True}
    for method, path, body in (
        ("POST", f"SubscriptionActivation/{waiting}?", None),
        ("PATCH", "SubscriptionsV2?", target),
        ("POST", "Purchases/Purchase?", {"id": bought}),
    ):
        told = [face.refused(method, f"{path}preview={each}", body, 409) for each in ("true", "false")]
        assert told[0] == told[1]


@pytest.mark.parametrize("number", ["NaN", "sNaN|", "|NaN", "1e5", "Infinity", "1_0", "", "²"])
def test_what_is_no_number_filters_nothing(posting: Face, number: str) -> None:
    path = f"Invoices?query=invoiceNumber:{number}"
    assert posting.refused("GET", path, None, 400)[0] == "query"


@pytest.mark.parametrize(("unit", "total"), [(30, "142.26"), (60, "284.52")])
def test_a_charge_that_is_sent_back_as_it_was_read_keeps_its_amount(
    face: Face, unit: int, total: str
) -> None:
    face.server.advance_to("2026-12-11T00:00:00Z")
    face.api("PUT", "SubscriptionProducts", {"id": product(face, "SEAT")["id"], "quantity": 9})
    number = ready(face)[-1]["id"]
    (charge,) = face.api("GET", f"draftInvoices/{number}")["draftCharges"]
    assert (charge["amount"], charge["proratedUnitPrice"]) == (142.26, 20.32)  # 7 for 21 of 31 days
    named = ("id", "name", "description", "quantity", "proratedUnitPrice", "draftDiscounts")
    edit = {**{name: charge[name] for name in named}, "unitPrice": unit, "operation": "Update"}
    changed = face.api("PATCH", "draftInvoices", {"id": number, "draftCharges": [edit]})
    assert changed["total"] == float(total)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 7),
        ("status", "Active"),
        ("customerAccountStatus", "Good"),
        ("currency", "usd"),
        ("currency", "€"),
        ("currency", "JPY"),
    ],
)
def test_a_customer_that_would_differ_from_what_is_asked_is_not_made(
    posting: Face, name: str, value: Any
) -> None:
    assert posting.refused("POST", "customers", {"companyName": "Eve", name: value}, 400)[0] == name


def test_quantities_of_a_draft_subscription_are_billed_when_it_is_activated(posting: Face) -> None:
    face = posting
    made = face.api("POST", "subscriptions", {"customerId": 1, "planFrequencyId": 9001})
    _, usage, seats = made["subscriptionProducts"]
    known = face.bills(1)
    face.api("PUT", "SubscriptionProducts", {**seats, "quantity": 5})
    face.api("PUT", "SubscriptionProducts", {**usage, "quantity": 4})
    assert face.bills(1) == known  # a draft bills nothing
    face.api("POST", f"SubscriptionActivation/{made['id']}")
    assert face.bills(1) == [*known, ("2026-11-01", ["50.00", "150.00"])]
    ended = face.api("POST", "subscriptionCancellation", {"subscriptionId": made["id"]})
    assert face.bills(1)[-1] == ("2026-11-01", ["4.00"])
    for product in ended["subscriptionProducts"]:
        key, why = face.refused("PUT", "SubscriptionProducts", {**product, "quantity": 7}, 409)
        assert (key, why) == ("subscriptionId", f"{made['id']} is Cancelled")
