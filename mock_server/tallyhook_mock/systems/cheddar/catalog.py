"""Cheddar's part of a catalogue: users, rules and products with their plans. Fields have Cheddar's names."""

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Any, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, defstruct, field
from msgspec.structs import asdict, fields

from tallyhook import signing
from tallyhook_mock.catalog.table import (
    MASK,
    Amount,
    CatalogError,
    Listener,
    Password,
    Quantity,
    Rate,
    Required,
    Table,
    Text,
    known,
    one_of,
)
from tallyhook_mock.core import ids
from tallyhook_mock.core.base import Entity, Value
from tallyhook_mock.core.frequencies import FREQUENCIES
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.duration import parse_duration
from tallyhook_mock.systems.cheddar.model import PaymentMethod
from tallyhook_mock.systems.cheddar.products import (
    BILL_COUNT_UNITS,
    CHANGE_HANDLERS,
    CHARGE_CODE_LENGTH,
    CHARGE_TYPES,
    HANDLERS,
    Coupon,
    Item,
    Plan,
    PlanItem,
    Product,
    Promotion,
    recurring_code,
)
from tallyhook_mock.systems.cheddar.refusal import Refusal
from tallyhook_mock.systems.cheddar.settings import SETTINGS, Rules
from tallyhook_mock.systems.cheddar.signup import new_customer
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES, State

__all__ = ["CustomerTable", "ItemTable", "PlanTable", "Section", "dump", "read"]


class CustomerTable(Table):
    """A customer in a catalogue. The fields have the documented maximum lengths."""

    code: Required
    plan_code: Required
    first_name: Annotated[str, Meta(max_length=40)] | None = None
    last_name: Annotated[str, Meta(max_length=40)] = "Customer"
    company: Annotated[str, Meta(max_length=60)] = ""
    email: Text = "customer@example.com"
    notes: Text = ""
    tax_number: Annotated[str, Meta(max_length=32)] = ""
    is_tax_exempt: bool | None = None
    tax_rate: Rate | None = None
    meta_data: dict[str, Required] = field(default_factory=dict)
    coupon_code: Text = ""
    initial_bill_date: datetime | None = None
    items: dict[str, Quantity] = field(default_factory=dict)


class ItemTable(Table):
    """An item that a plan in a catalogue tracks."""

    code: Required
    name: Text | None = None
    quantity_included: Quantity = Decimal(0)
    is_periodic: bool = False
    overage_amount: Amount = Decimal(0)


_ChargeCode: TypeAlias = Annotated[str, Meta(max_length=CHARGE_CODE_LENGTH)]
_Handler: TypeAlias = Annotated[str, one_of(HANDLERS)]


class PlanTable(Table):
    code: Required
    name: Text | None = None
    description: Text = ""
    is_active: bool = True
    is_free: bool = False
    payment_method_is_required: bool | None = None
    trial_days: Annotated[int, Meta(ge=0, le=3650)] = 0
    initial_bill_count: Annotated[int, Meta(ge=0, le=1000)] = 0
    initial_bill_count_unit: Annotated[str, one_of(BILL_COUNT_UNITS)] = "days"
    billing_frequency: Annotated[str, one_of(FREQUENCIES)] = "monthly"
    setup_charge_code: _ChargeCode = ""
    setup_charge_amount: Amount = Decimal(0)
    recurring_charge_code: _ChargeCode | None = None
    recurring_charge_amount: Amount = Decimal(0)
    on_change_initial_bill_handler: Annotated[str, one_of(CHANGE_HANDLERS)] = "no"
    setup_charge_bill_handler: _Handler = "now"
    on_change_setup_charge_bill_handler: _Handler = "no"
    items: tuple[ItemTable, ...] = ()


class CouponTable(Table):
    code: Required
    max_redemptions: Annotated[int, Meta(ge=0, le=10**9)] | None = None
    expiration_datetime: datetime | None = None


class PromotionTable(Table):
    name: Required
    percentage: Amount
    description: Text = ""
    months: Annotated[int, Meta(ge=0, le=1200)] | None = None
    expiration_datetime: datetime | None = None
    plans: tuple[Required, ...] = ()
    charge_types: tuple[Annotated[str, one_of(CHARGE_TYPES)], ...] = ()
    coupons: tuple[CouponTable, ...] = ()


class UserTable(Table):
    """A user who may call Cheddar's API."""

    email: Required
    password: Password
    timezone: Required | None = None


class CheddarListener(Listener):
    events: tuple[Annotated[str, one_of(HOOK_TYPES)], ...] = ()


class ProductTable(Table):
    """A product.

    If the product already exists, the table may only change its `secret` and define plans, promotions,
    customers and listeners.
    """

    code: Required
    id: Required | None = None
    name: Text | None = None
    subdomain: Text | None = None
    secret: Required | None = None
    signature: Annotated[str, one_of(signing.SCHEMES)] | None = None
    currency_symbol: Text | None = None
    cc_card_code_is_required: bool | None = None
    cc_zip_is_required: bool | None = None
    cc_zip_declines: Text | None = None
    bill_reminder_days: tuple[Annotated[int, Meta(ge=0, le=365)], ...] | None = None
    tax_rate: Rate | None = None
    is_tax_exempt: bool | None = None
    plans: tuple[PlanTable, ...] = ()
    promotions: tuple[PromotionTable, ...] = ()
    customers: tuple[CustomerTable, ...] = ()
    listeners: tuple[CheddarListener, ...] = ()


# A product's settings. Except `secret`, they can't be changed once the product exists.
_SETTINGS = known(ProductTable)[1:-4]

# The settings of Cheddar's rules, by their Python names.
RulesTable = defstruct(
    "RulesTable",
    [
        (
            name,
            (list[Required] if name == "dunning" else Annotated[str, one_of(setting.alternatives)]) | None,
            None,
        )
        for name, setting in SETTINGS.items()
    ],
    bases=(Table,),
    rename={},
)


class Section(Table):
    """Cheddar's entries in a catalogue. They are at its top level, not in a section of their own."""

    schema_: Text = field(default="", name="$schema")
    hook_retry_pauses: list[Required] | None = None
    rules: RulesTable | None = None  # type: ignore[valid-type]  # generated from the settings
    product: ProductTable | None = None
    products: tuple[ProductTable, ...] = ()
    users: tuple[UserTable, ...] = ()


class _Seed(Value, frozen=True):
    """A customer to create from a catalogue. `place` says where the catalogue defines the customer."""

    place: str
    code: str
    details: dict[str, str]
    meta_data: dict[str, str]
    plan: Plan
    coupon: str
    items: dict[str, Decimal]
    tax_rate: Decimal | None
    is_tax_exempt: bool | None
    initial_bill_at: datetime | None

    def create(self, state: State, product: Product, at: datetime) -> None:
        """Create the customer.

        If the plan requires a payment method, the customer gets a simulated Visa card.
        """
        new_customer(
            state,
            product,
            code=self.code,
            details=dict(self.details),
            meta_data=self.meta_data,
            plan=self.plan,
            payment=self._card(state, at) if self.plan.payment_method_is_required else None,
            at=at,
            initial_bill_at=self.initial_bill_at,
            coupon=self.coupon,
            items=self.items,
            tax_rate=self.tax_rate,
            is_tax_exempt=self.is_tax_exempt,
        )

    def _card(self, state: State, at: datetime) -> PaymentMethod:
        names = {"ccFirstName": self.details["firstName"], "ccLastName": self.details["lastName"]}
        # The mock's clock never reaches this expiration date.
        return PaymentMethod(
            state.ids.next(), "cc", at, names, "visa", "411111", "1111", date(min(at.year + 50, 9999), 12, 31)
        )


class _Entry(Entity, eq=False):
    """A product in a catalogue. The product may already exist in the mock."""

    product: Product
    secret: str
    items: dict[str, Item]
    plans: dict[str, Plan]
    promotions: dict[str, Promotion]
    customers: list[_Seed] = field(default_factory=list)
    listeners: list[tuple[str, frozenset[str]]] = field(default_factory=list)


def read(
    table: Section, state: State, at: datetime, check_url: Callable[[str], None], *, is_alone: bool
) -> Callable[[], None]:
    """Check Cheddar's part of a catalogue against `state`. Returns a function that installs it.

    If `is_alone` is true, the catalogue has no sections of other billing systems, and there must be at least
    one user and one product. Plans and promotions that already exist are replaced. Listeners are registered
    last, so that they get no hooks about the catalogue's customers. Raises CatalogError for the first
    mistake, and says where it is. The returned function raises CatalogError if a customer is refused.
    """
    users: dict[str, str] = {}
    for user in table.users:
        if user.email in users:
            raise user.wrong("email", f"{user.email!r} is listed twice")
        users[user.email] = user.password
    time_zones = {user.email: _time_zone(user) for user in table.users if user.timezone}
    entries: dict[str, _Entry] = {}
    for given in (*([table.product] if table.product else ()), *table.products):
        entry = _read_product(given, state, at, check_url)
        if entry.product.code in entries:
            raise given.wrong("code", f"{entry.product.code!r} is listed twice")
        entries[entry.product.code] = entry
    for name, new, there in (("users", users, state.users), ("products", entries, state.products)):
        if is_alone and not new and not there:
            raise table.wrong(name, "at least one is needed")
    rules, pauses = _rules(table), _pauses(table)

    def install() -> None:
        state.users.update(users)
        state.time_zones.update(time_zones)
        state.hooks.pauses = pauses or state.hooks.pauses
        for entry in entries.values():
            product = entry.product
            state.products[product.code] = product
            product.rules = rules or product.rules
            product.secret = entry.secret
            product.items.update(entry.items)
            for plan in entry.plans.values():
                state.put_plan(product, plan)
            product.promotions.update(entry.promotions)
        for entry in entries.values():
            for seed in entry.customers:
                try:
                    seed.create(state, entry.product, at)
                except Refusal as refusal:
                    raise CatalogError(f"{seed.place}: {refusal}") from None
        for entry in entries.values():
            for url, events in entry.listeners:
                state.hooks.listen(entry.product.code, url, events)

    return install


def dump(state: State) -> dict[str, Any]:
    """Return the retry schedule, rules, users and products with their plans, promotions and listeners.

    Customers are left out.
    """
    return {
        "hookRetryPauses": [f"{pause.total_seconds():.0f}s" for pause in state.hooks.pauses],
        "rules": _rules_shown(state),
        "users": [
            _shown(email=email, password=MASK, timezone=state.time_zones.get(email)) for email in state.users
        ],
        "products": [_product(product, state) for product in state.products.values()],
    }


def _time_zone(user: UserTable) -> str:
    name = user.timezone or ""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise user.wrong("timezone", f"{name!r} is not a time zone such as Europe/Paris") from None
    return name


def _rules(top: Section) -> Rules | None:
    """Return the settings of Cheddar's rules, or None if the catalogue has none."""
    if top.rules is None:
        return None
    chosen = {name: value for name, value in asdict(top.rules).items() if value is not None}
    if "dunning" in chosen:
        chosen["dunning"] = _durations(chosen["dunning"], top.rules, "dunning")
    return Rules(**chosen)


def _pauses(top: Section) -> tuple[timedelta, ...] | None:
    """Return the pauses between attempts to deliver a hook, or None if the catalogue has none."""
    if top.hook_retry_pauses is None:
        return None
    pauses = _durations(top.hook_retry_pauses, top, "hookRetryPauses")
    if not pauses:
        raise top.wrong("hookRetryPauses", "at least one is needed")
    return pauses


def _durations(given: Iterable[str], table: Table, name: str) -> tuple[timedelta, ...]:
    pauses = []
    for written in given:
        try:
            duration = parse_duration(written)
        except ValueError as error:
            raise table.wrong(name, str(error)) from None
        if duration.months or duration.rest < timedelta(seconds=1):
            raise table.wrong(name, f"{written!r}: at least a second, and no months")
        pauses.append(duration.rest)
    return tuple(pauses)


def _read_product(
    table: ProductTable, state: State, at: datetime, check_url: Callable[[str], None]
) -> _Entry:
    code = table.code
    product = state.products.get(code)
    if product is None:
        product = _new_product(table, state, at)
    elif settled := [name for name in _SETTINGS if name != "secret" and _given(table, name)]:
        raise table.wrong(settled[0], f"the product {code!r} already exists and keeps its settings")
    secret = product.secret if table.secret is None else _secret(table, product.signature, at)
    entry = _Entry(product, secret, dict(product.items), dict(product.plans), dict(product.promotions))
    for plan_table in table.plans:
        plan = _read_plan(plan_table, entry.items, product.plans, state.ids, at)
        entry.plans[plan.code] = plan
    for promotion_table in table.promotions:
        promotion = _read_promotion(promotion_table, entry.plans, state.ids, at)
        entry.promotions[promotion.name] = promotion
    codes = {customer.code for customer in state.customers(product)}
    for customer in table.customers:
        if customer.code in codes:
            raise customer.wrong("code", f"another customer has the code {customer.code!r}")
        codes.add(customer.code)
        entry.customers.append(_read_customer(customer, entry.plans))
    for listener in table.listeners:
        listener.check(check_url)
        entry.listeners.append((listener.url, frozenset(listener.events)))
    return entry


def _given(table: Table, key: str) -> bool:
    """Return whether the table has a value for this key."""
    found = next(field for field in fields(table) if field.encode_name == key)
    return getattr(table, found.name) is not None


def _new_product(table: ProductTable, state: State, at: datetime) -> Product:
    scheme = table.signature or signing.CHEDDAR.name
    secret = _secret(table, scheme, at)
    return Product(
        _product_id(table, state),
        table.code,
        table.code if table.name is None else table.name,
        table.code.lower() if table.subdomain is None else table.subdomain,
        secret,
        "$" if table.currency_symbol is None else table.currency_symbol,
        bool(table.cc_card_code_is_required),
        bool(table.cc_zip_is_required),
        table.bill_reminder_days or (),
        signature=scheme,
        tax_rate=table.tax_rate,
        is_tax_exempt=bool(table.is_tax_exempt),
        declining_zip=table.cc_zip_declines or "",
    )


def _secret(table: ProductTable, scheme: str, at: datetime) -> str:
    if table.secret is None:
        raise table.wrong("secret", "a value is required")
    try:
        signing.SCHEMES[scheme].sign(b"", table.secret, id="trial", at=at)
    except ValueError as error:
        raise table.wrong("secret", f"can't sign with {scheme}: {error}") from None
    return table.secret


def _product_id(table: ProductTable, state: State) -> int:
    if table.id is None:
        return state.ids.next()
    given = ids.parse(table.id)
    if given is None:
        raise table.wrong("id", f"not an id of this server, such as {ids.text(state.ids.next())}")
    state.ids.reserve(given)
    return given


def _read_customer(table: CustomerTable, plans: Mapping[str, Plan]) -> _Seed:
    """Return the customer that a table defines. The customer's plan must be one of `plans`."""
    plan = plans.get(table.plan_code)
    if plan is None:
        meant = _meant(table.plan_code, plans)
        raise table.wrong("planCode", f"there is no plan {table.plan_code!r}{meant}")
    for item in table.items:
        if plan.item(item) is None:
            raise table.wrong(f"items.{item}", f"the plan {plan.code!r} does not track it")
    first_name = table.code if table.first_name is None else table.first_name
    kept = {
        "firstName": first_name,
        "lastName": table.last_name,
        "company": table.company,
        "email": table.email,
        "notes": table.notes,
        "taxNumber": table.tax_number,
    }
    return _Seed(
        table.place,
        table.code,
        {name: value for name, value in kept.items() if value},
        table.meta_data,
        plan,
        table.coupon_code,
        table.items,
        table.tax_rate,
        table.is_tax_exempt,
        table.initial_bill_date,
    )


def _read_plan(
    table: PlanTable, items: MutableMapping[str, Item], known: Mapping[str, Plan], ids: Ids, at: datetime
) -> Plan:
    """Return the plan that a table defines. Tracked items that are new to the product are added to `items`.

    If `known` has a plan with the same code, the new plan keeps that plan's id and creation date.
    """
    code, edited, is_paid = table.code, known.get(table.code), table.payment_method_is_required
    tracked: dict[str, PlanItem] = {}
    for given in table.items:
        if given.code in tracked:
            raise given.wrong("code", f"{given.code!r} is listed twice")
        tracked[given.code] = _read_item(given, items, ids, at)
    if table.is_free and (table.recurring_charge_amount or table.setup_charge_amount):
        raise table.wrong("isFree", "a free plan has no recurring and no setup charge")
    if table.setup_charge_amount and not table.setup_charge_code:
        raise table.wrong("setupChargeCode", "a value is required with setupChargeAmount")
    return Plan(
        id=edited.id if edited else ids.next(),
        code=code,
        name=code if table.name is None else table.name,
        description=table.description,
        frequency=FREQUENCIES[table.billing_frequency],
        recurring_charge_code=recurring_code(code)
        if table.recurring_charge_code is None
        else table.recurring_charge_code,
        recurring_charge_amount=table.recurring_charge_amount,
        created=edited.created if edited else at,
        items=tuple(tracked.values()),
        setup_charge_code=table.setup_charge_code,
        setup_charge_amount=table.setup_charge_amount,
        is_active=table.is_active,
        is_free=table.is_free,
        payment_method_is_required=not table.is_free if is_paid is None else is_paid,
        trial_days=table.trial_days,
        initial_bill_count=table.initial_bill_count,
        initial_bill_count_unit=table.initial_bill_count_unit,
        on_change_initial_bill_handler=table.on_change_initial_bill_handler,
        setup_charge_bill_handler=table.setup_charge_bill_handler,
        on_change_setup_charge_bill_handler=table.on_change_setup_charge_bill_handler,
    )


def _read_item(table: ItemTable, items: MutableMapping[str, Item], ids: Ids, at: datetime) -> PlanItem:
    code = table.code
    item = items.get(code)
    if item is None:
        item = items[code] = Item(ids.next(), code, code if table.name is None else table.name, at)
    elif table.name not in (None, item.name):
        raise table.wrong("name", f"the item {code!r} already has the name {item.name!r}")
    return PlanItem(item, table.quantity_included, table.overage_amount, table.is_periodic, at)


def _read_promotion(table: PromotionTable, plans: Mapping[str, Plan], ids: Ids, at: datetime) -> Promotion:
    """Return the promotion that a table defines. The plans that it names must be among `plans`."""
    for code in table.plans:
        if code not in plans:
            raise table.wrong("plans", f"there is no plan {code!r}")
    if not Decimal(0) < table.percentage <= 100:
        raise table.wrong("percentage", f"{table.percentage} is not above 0 and at most 100")
    coupons = tuple(
        Coupon(ids.next(), coupon.code, at, coupon.max_redemptions, coupon.expiration_datetime)
        for coupon in table.coupons
    )
    return Promotion(
        ids.next(),
        ids.next(),
        table.name,
        table.description,
        table.percentage,
        at,
        table.months,
        tuple(table.plans),
        coupons,
        table.expiration_datetime,
        tuple(table.charge_types),
    )


def _meant(written: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name: the most similar known name, or else all known names."""
    there = list(known)
    near = get_close_matches(written, there, 1)
    return f"; did you mean {near[0]}?" if near else f"; there is {', '.join(there) or 'none'}"


def _rules_shown(state: State) -> dict[str, Any]:
    """Return the rules that differ from the defaults. All products have the same rules."""
    rules = next((product.rules for product in state.products.values()), Rules())
    plain = asdict(rules)
    plain["dunning"] = [f"{pause.total_seconds():.0f}s" for pause in rules.dunning]
    default = asdict(Rules())
    default["dunning"] = [f"{pause.total_seconds():.0f}s" for pause in Rules().dunning]
    return {name: value for name, value in plain.items() if value != default[name]}


def _product(product: Product, state: State) -> dict[str, Any]:
    return {
        "code": product.code,
        "id": ids.text(product.id),
        "name": product.name,
        "subdomain": product.subdomain,
        "secret": product.secret,
        "signature": product.signature,
        "currencySymbol": product.currency,
        "ccCardCodeIsRequired": product.requires_card_code,
        "ccZipIsRequired": product.requires_zip,
        **({"ccZipDeclines": product.declining_zip} if product.declining_zip else {}),
        "billReminderDays": list(product.bill_reminder_days),
        "isTaxExempt": product.is_tax_exempt,
        **({} if product.tax_rate is None else {"taxRate": quantity_text(product.tax_rate)}),
        "plans": [_plan(plan) for plan in product.plans.values()],
        "promotions": [_promotion(promotion) for promotion in product.promotions.values()],
        "listeners": [
            {"url": listener.url, "events": sorted(listener.events)}
            for listener in state.hooks.listeners.values()
            if listener.product == product.code
        ],
    }


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "code": plan.code,
        "name": plan.name,
        "description": plan.description,
        "isActive": plan.is_active,
        "isFree": plan.is_free,
        "paymentMethodIsRequired": plan.payment_method_is_required,
        "trialDays": plan.trial_days,
        "initialBillCount": plan.initial_bill_count,
        "initialBillCountUnit": plan.initial_bill_count_unit,
        "billingFrequency": plan.frequency.name,
        "setupChargeCode": plan.setup_charge_code,
        "setupChargeAmount": amount_text(plan.setup_charge_amount),
        "recurringChargeCode": plan.recurring_charge_code,
        "recurringChargeAmount": amount_text(plan.recurring_charge_amount),
        "onChangeInitialBillHandler": plan.on_change_initial_bill_handler,
        "setupChargeBillHandler": plan.setup_charge_bill_handler,
        "onChangeSetupChargeBillHandler": plan.on_change_setup_charge_bill_handler,
        "items": [_item(planned) for planned in plan.items],
    }


def _item(planned: PlanItem) -> dict[str, Any]:
    return {
        "code": planned.item.code,
        "name": planned.item.name,
        "quantityIncluded": quantity_text(planned.quantity_included),
        "isPeriodic": planned.is_periodic,
        "overageAmount": amount_text(planned.overage_amount),
    }


def _promotion(promotion: Promotion) -> dict[str, Any]:
    return _shown(
        name=promotion.name,
        description=promotion.description,
        percentage=quantity_text(promotion.percentage),
        months=promotion.months,
        expirationDatetime=promotion.expiration,
        plans=list(promotion.plans),
        chargeTypes=list(promotion.charge_types),
        coupons=[
            _shown(
                code=coupon.code, maxRedemptions=coupon.max_redemptions, expirationDatetime=coupon.expiration
            )
            for coupon in promotion.coupons
        ],
    )


def _shown(**values: Any) -> dict[str, Any]:
    """Return the values that are not None, with datetimes as text."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
        if value is not None
    }
