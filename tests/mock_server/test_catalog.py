"""Reading and writing catalogues."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallyhook_mock.catalog.reading import default_catalog, load_catalog, read_catalog
from tallyhook_mock.catalog.table import Amount, CatalogError, Table, read
from tallyhook_mock.catalog.writing import dump_catalog
from tallyhook_mock.sender import Sender
from tallyhook_mock.systems import Systems
from tallyhook_mock.systems.cleverbridge.state import State as Cleverbridge
from tallyhook_mock.systems.fusebill.state import State as Fusebill

from .loopback import catalog
from .systems_world import CATALOG

AT = datetime(2026, 1, 1, tzinfo=UTC)
EXAMPLE = Path(__file__).parents[2] / "examples" / "catalog.toml"


def installed(content: Any, systems: Systems | None = None) -> Systems:
    systems = systems or Systems()
    read_catalog(content, systems, AT, Sender().check)()
    return systems


def test_the_example_of_the_documentation_is_read() -> None:
    state = installed(load_catalog(EXAMPLE)).cheddar
    assert state.users == {"ops@example.com": "cheddar"}
    product = state.products["ACME"]
    small = product.plans["SMALL"]
    assert small.recurring_charge_amount == Decimal("20.00")
    assert small.recurring_charge_code == "SMALL_RECURRING"
    storage = small.item("GB")
    assert storage is not None
    assert (storage.quantity_included, storage.overage_amount, storage.is_periodic) == (
        2,
        Decimal("2.50"),
        True,
    )
    assert product.promotions["Spring"].coupons[0].code == "SPRING26"
    (customer,) = state.customers(product)
    assert customer.subscription.plan is small
    (listener,) = state.hooks.listeners.values()
    assert listener.events == {"subscriptionBillable", "billReminder"}


def test_the_default_catalogue_is_in_order() -> None:
    state = installed(default_catalog()).cheddar
    assert list(state.products["ACME"].plans) == ["FREE", "SMALL", "LARGE"]


def test_one_item_has_one_id_in_all_plans() -> None:
    plans = installed(default_catalog()).cheddar.products["ACME"].plans
    seats = [plans[code].item("SEAT") for code in ("SMALL", "LARGE")]
    assert seats[0] is not None
    assert seats[1] is not None
    assert seats[0].item is seats[1].item


def test_what_is_written_can_be_read_again() -> None:
    written = dump_catalog(installed(load_catalog(EXAMPLE)))
    assert [user["password"] for user in written["users"]] == ["********"]
    assert written["products"][0]["secret"] == "acme-secret-key"
    again = json.loads(json.dumps(written))
    again["users"][0]["password"] = "cheddar"
    assert dump_catalog(installed(again)) == written


def test_keys_of_the_other_systems_are_not_written() -> None:
    written = dump_catalog(installed(CATALOG))
    assert "wick-and-oil" not in json.dumps(written)
    again = json.loads(json.dumps(written))
    again["cleverbridge"]["users"][0]["password"] = "hopper"
    again["fusebill"]["apiKeys"] = ["wick-and-oil"]
    systems = installed(again)
    assert dump_catalog(systems) == written
    assert systems.of(Fusebill).api_keys == ("wick-and-oil",)
    assert systems.of(Cleverbridge).users == {"grace": "hopper"}


def test_a_section_stands_where_there_is_something_to_say() -> None:
    assert dump_catalog(installed(catalog())).keys() == {"hookRetryPauses", "rules", "users", "products"}
    systems = installed({"fusebill": {"customers": [{"name": "Ida Lamp"}]}})
    written = dump_catalog(systems)
    assert "fusebill" not in written  # the key that everybody knows opens it, and customers are not written
    assert dump_catalog(installed({"fusebill": {"autoPost": False}}))["fusebill"]["autoPost"] is False


def test_a_product_may_stand_alone() -> None:
    content = catalog()
    (content["product"],) = content.pop("products")
    assert list(installed(content).cheddar.products) == ["LANTERN"]


def test_more_can_be_added_to_what_is_there() -> None:
    systems = installed(catalog())
    state = systems.cheddar
    installed({"products": [{"code": "LANTERN", "plans": [{"code": "BLAZE"}]}]}, systems)
    assert list(state.products["LANTERN"].plans) == ["GLOW", "BLAZE"]
    changed = {"products": [{"code": "LANTERN", "subdomain": "lamp"}]}
    with pytest.raises(CatalogError, match=r"products\[0\]\.subdomain: the product 'LANTERN' already exists"):
        installed(changed, systems)
    installed({"products": [{"code": "LANTERN", "secret": "rotated"}]}, systems)
    assert state.products["LANTERN"].secret == "rotated"


def test_a_catalogue_that_is_wrong_changes_nothing() -> None:
    systems = installed(catalog())
    before = dump_catalog(systems)
    addition = {"code": "LANTERN", "plans": [{"code": "NEW"}, {"code": "BAD", "trialDays": -1}]}
    with pytest.raises(CatalogError):
        installed({"users": [{"email": "a@b.example", "password": "x"}], "products": [addition]}, systems)
    assert dump_catalog(systems) == before


def plan(**values: Any) -> dict[str, Any]:
    return catalog(plans=[{"code": "P", **values}])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({}, "users: at least one is needed"),
        ({"users": [{"email": "a@b.example", "password": "x"}]}, "products: at least one is needed"),
        ({"user": []}, "user: unknown; did you mean 'users'?"),
        (catalog(cod="X"), "products[0].cod: unknown; did you mean 'code'?"),
        (catalog(secret=""), "products[0].secret: a value is required"),
        (catalog(secret=7), "products[0].secret: 7 is not a string"),
        (catalog(name="\0"), "products[0].name: control characters are not allowed"),
        (catalog(id="1"), "products[0].id: not an id of this server, such as "),
        (catalog(plans={}), "products[0].plans: expected a list"),
        (catalog(plans=["P"]), "products[0].plans[0]: expected a table"),
        (
            plan(billingFrequency="monthy"),
            "products[0].plans[0].billingFrequency: 'monthy' is not one of daily, weekly, biweekly, monthly, "
            "bimonthly, quarterly, semi-annually, annually, biennially, none; did you mean 'monthly'?",
        ),
        (
            plan(recurringChargeAmount="twenty"),
            "products[0].plans[0].recurringChargeAmount: 'twenty' is not a",
        ),
        (plan(recurringChargeAmount="1.001"), "1.001 is not a number from 0 up with at most 2 decimals"),
        (plan(recurringChargeAmount="-1"), "-1 is not a number from 0 up with at most 2 decimals"),
        (plan(recurringChargeAmount="NaN"), "NaN is not a number from 0 up"),
        (plan(recurringChargeAmount=20.0), "20.0 is a binary fraction: write it as a string or a Decimal"),
        (plan(recurringChargeAmount=True), "True is not a number"),
        (plan(recurringChargeCode="C" * 37), "recurringChargeCode: longer than 36 characters"),
        (plan(trialDays="soon"), "plans[0].trialDays: 'soon' is not a whole number from 0 to 3650"),
        (plan(trialDays="9" * 5000), "plans[0].trialDays: 3651 is not a whole number"),
        (plan(isActive="maybe"), "plans[0].isActive: 'maybe' is neither true nor false"),
        (plan(isFree=True, recurringChargeAmount="1"), "plans[0].isFree: a free plan has no recurring"),
        (plan(setupChargeAmount="5"), "plans[0].setupChargeCode: a value is required"),
        (plan(items=[{"code": "A"}, {"code": "A"}]), "plans[0].items[1].code: 'A' is listed twice"),
        (plan(items=[{"code": "A", "quantityIncluded": "0.00001"}]), "with at most 4 decimals"),
        (
            catalog(plans=[{"code": c, "items": [{"code": "A", "name": c}]} for c in "PQ"]),
            "products[0].plans[1].items[0].name: the item 'A' already has the name 'P'",
        ),
        (catalog(promotions=[{"name": "X", "percentage": 0}]), "promotions[0].percentage: 0 is not above 0"),
        (catalog(promotions=[{"name": "X", "percentage": 5, "plans": ["NO"]}]), "there is no plan 'NO'"),
        (
            catalog(listeners=[{"url": "hooks"}]),
            "listeners[0].url: 'hooks' is not an http:// or https:// URL",
        ),
        (catalog(listeners=[{"url": "https://hooks.example/"}]), "is not on this machine; start with"),
        (catalog(listeners=[{"url": "http://[::1", "events": []}]), "listeners[0].url: 'http://[::1' is not"),
        (
            catalog(listeners=[{"url": "http://localhost:1/", "events": ["subscriptionBilable"]}]),
            "did you mean 'subscriptionBillable'?",
        ),
        (
            catalog(customers=[{"code": "C", "planCode": "NO"}]),
            "customers[0].planCode: there is no plan 'NO'",
        ),
        (
            catalog(customers=[{"code": "C", "planCode": "GLOW"}] * 2),
            "products[0].customers[1].code: another customer has the code 'C'",
        ),
        (
            catalog(customers=[{"code": "C", "planCode": "GLOW", "items": {"WAX": 1}}]),
            "customers[0].items.WAX: the plan 'GLOW' does not track it",
        ),
        (
            catalog(customers=[{"code": "C", "planCode": "GLOW", "initialBillDate": "someday"}]),
            "customers[0].initialBillDate: 'someday' is not an ISO 8601 moment",
        ),
        (
            catalog(customers=[{"code": "C", "planCode": "GLOW", "couponCode": "NO"}]),
            "products[0].customers[0]: ",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(content: Any, complaint: str) -> None:
    with pytest.raises(CatalogError) as caught:
        installed(content)
    assert complaint in str(caught.value)


def test_a_masked_password_is_not_taken_for_one() -> None:
    content = catalog()
    content["users"] = dump_catalog(installed(content))["users"]
    with pytest.raises(CatalogError, match=r"users\[0\]\.password: this is the mask that a catalogue"):
        installed(content)
    written = dump_catalog(installed(CATALOG))
    for section, place in (("cleverbridge", r"users\[0\]\.password"), ("fusebill", "apiKeys")):
        with pytest.raises(CatalogError, match=rf"{section}\.{place}: this is the mask that a catalogue"):
            installed(catalog() | {section: written[section]})


def test_files_may_be_toml_or_json(tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps(catalog(name="Lantern")).replace('"20.00"', "20.10"))
    state = installed(load_catalog(file)).cheddar
    assert state.products["LANTERN"].plans["GLOW"].recurring_charge_amount == Decimal("20.10")


@pytest.mark.parametrize(
    ("name", "content"), [("a.toml", b"[[users]"), ("a.json", b"{"), ("b.json", b"[]"), ("b.toml", b"\xff")]
)
def test_a_file_that_can_not_be_read_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CatalogError, match=name):
        load_catalog(tmp_path / name)
    with pytest.raises(CatalogError, match=r"nowhere\.toml: No such file"):
        load_catalog(tmp_path / "nowhere.toml")


class Priced(Table):
    price: Amount


@pytest.mark.parametrize(
    "nothing", ["-0", "-0.00", Decimal("-0.0"), Decimal("0e-9999999"), Decimal("0e9"), 0]
)
def test_nothing_is_nothing_however_it_is_written(nothing: object) -> None:
    table = read(Priced, {"price": nothing})
    assert f"{table.price}" == "0"
