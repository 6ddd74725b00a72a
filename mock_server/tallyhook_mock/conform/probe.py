"""A probe finds out which alternative of a rule a server follows. It consists of steps."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import msgspec
from lxml import etree

from tallyhook_mock.conform import plans
from tallyhook_mock.conform.account import Account, Answer, Customer, Invoice
from tallyhook_mock.conform.hooks import Hook, Listener

__all__ = [
    "Coupon",
    "Finding",
    "Need",
    "NotFoundOut",
    "Probe",
    "Step",
    "Value",
    "Visit",
    "Wait",
    "is_billed",
    "shown",
    "told",
]

# Billing may run some time after the bill date, and hooks are retried for days.
_LATE = timedelta(days=3)
_AGAIN = timedelta(minutes=10)

_CARD = {
    "subscription[ccNumber]": "4111111111111111",
    "subscription[ccCardCode]": "123",
    "subscription[ccFirstName]": "Conform",
    "subscription[ccLastName]": "Probe",
    "subscription[ccZip]": "90210",
}


Value: TypeAlias = str | list[str]


class Need(StrEnum):
    """Something that a probe requires."""

    LISTENER = "a listener"
    TIME = "waiting time"
    COUPON = "a coupon"
    DECLINES = "a declined charge"
    ALONE = "a product without customers"


class NotFoundOut(Exception):
    """The probe was inconclusive. The message says why."""


class Finding(msgspec.Struct, frozen=True):
    """The alternative that the server follows, and the document that proves it."""

    value: Value
    shows: str


class Wait(msgspec.Struct, frozen=True):
    """A step's request to wait until the server's time is `until`.

    After the wait, the next step is taken. If `again` is true, the same step is taken again.
    """

    until: datetime
    again: bool = False


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon that gives a percentage discount for `months` months, or permanently if `months` is None."""

    code: str
    percentage: Decimal
    months: int | None


@dataclass
class Visit:
    """The object through which a probe's steps examine the account.

    `memory` is saved between steps, so that a run can continue after a restart of the program.
    """

    rule: str
    account: Account
    listener: Listener | None
    prefix: str
    memory: dict[str, str]
    tries: int  # part of each customer's code, because hooks about an earlier try may still arrive
    made_plans: list[str]  # the codes of plans that this run has created or may have created
    known_plans: set[str]  # the codes of plans that are known to exist
    save: Callable[[], None]
    declining_zip: str = ""
    settle: float = 5.0  # real seconds to wait for a hook that may not come
    hook_timeout: float = 60.0  # real seconds to wait for a hook that must come
    _coupon: Coupon | None = field(default=None, init=False)

    # -- customers

    def code(self, suffix: str = "") -> str:
        parts = (f"{self.prefix}{self.rule}", str(self.tries or ""), suffix)
        return "-".join(filter(None, parts))

    def fields(self, plan: str, suffix: str = "", *, pays: bool = True, **more: str) -> dict[str, str]:
        """Return the fields for signing up a customer of this probe for the plan with this name.

        If `pays` is true, the fields include a card.
        """
        code = self.code(suffix)
        return {
            "code": code,
            "firstName": "Conform",
            "lastName": "Probe",
            "email": f"{code}@example.com",
            "subscription[planCode]": self.plan(plan),
            **(self.card() if pays else {}),
            **more,
        }

    def card(self) -> dict[str, str]:
        """Return the fields of a test card, with the names that `customers/new` uses."""
        year = datetime.now().astimezone().year + 5
        return {**_CARD, "subscription[ccExpiration]": f"12/{year}"}

    def new(
        self, plan: str, suffix: str = "", *, pays: bool = True, more: Mapping[str, str] | None = None
    ) -> Customer:
        """Sign up a customer of this probe. Raises NotFoundOut if the sign-up is refused."""
        return self.expect("customers/new", self.fields(plan, suffix, pays=pays) | dict(more or {})).customer

    def attempt(self, action: str, fields: Mapping[str, str]) -> Answer:
        return self.account.call(action, fields)

    def expect(self, action: str, fields: Mapping[str, str]) -> Answer:
        """Make a call that must succeed. Raises NotFoundOut if the call fails."""
        answer = self.attempt(action, fields)
        if not answer.is_success:
            raise NotFoundOut(f"{action} was refused: {answer.error}")
        return answer

    def on(self, action: str, suffix: str = "", more: Mapping[str, str] | None = None) -> Answer:
        """Make a call for a customer of this probe. Raises NotFoundOut if the call fails."""
        return self.expect(action, {"code": self.code(suffix), **(more or {})})

    def get(self, suffix: str = "") -> Customer:
        return self.on("customers/get", suffix).customer

    def edit(self, suffix: str = "", *, pays: bool = False, more: Mapping[str, str] | None = None) -> Answer:
        """Edit the subscription of a customer of this probe.

        If `pays` is true, the card is edited. `more` contains further fields, with names that are not
        enclosed in `subscription[...]`.
        """
        card = self.card() if pays else {}
        flat = {name.removeprefix("subscription[").removesuffix("]"): value for name, value in card.items()}
        return self.on("customers/edit-subscription", suffix, flat | dict(more or {}))

    def server_time(self) -> datetime:
        """Return the server's time.

        To find it out, a customer is created and then deleted. Its creation date is the server's time.
        """
        code = self.code("now")
        made = self.expect("customers/new", self.fields(plans.FREE, "now", pays=False)).customer
        self.expect("customers/delete", {"code": code})
        return made.created

    def bill_soon(self, customer: Customer) -> datetime:
        """Set a new customer's bill date to five minutes after the sign-up. Returns the bill date."""
        when = customer.created + timedelta(minutes=5)
        self.memory["late"] = (when + _LATE).isoformat()
        self.edit(more={"changeBillDate": when.isoformat()})
        return when

    def owe_soon(self, quantity: int = 0) -> datetime:
        """Sign up a customer without a card, to be billed in five minutes. Returns the bill date.

        `quantity` is the customer's usage.
        """
        later = {"subscription[initialBillDate]": f"{self.server_time() + timedelta(days=9):%Y-%m-%d}"}
        customer = self.new(plans.LATER, pays=False, more=later)
        if quantity:
            units = {"itemCode": plans.ITEM, "quantity": str(quantity)}
            self.on("customers/set-item-quantity", more=units)
        return self.bill_soon(customer)

    def again(self, what: str) -> Wait:
        """Return a wait of ten minutes, after which the step is repeated.

        Raises NotFoundOut if the bill date is more than three days ago. `what` names
        the event that the step waits for.
        """
        now = self.server_time()
        if now.isoformat() > self.memory["late"]:
            raise NotFoundOut(f"no {what} within {_LATE.days} days of the bill date")
        return Wait(now + _AGAIN, again=True)

    # -- plans and promotions

    def plan(self, name: str, terms: Mapping[str, str] | None = None) -> str:
        """Return the code of the plan with this name, and create the plan if it doesn't exist.

        If `terms` is None, the terms are taken from `PLANS`. Raises NotFoundOut if the plan can't be
        created, or exists with other terms.
        """
        wanted = plans.PLANS[name] if terms is None else terms
        code = f"{self.prefix}{name}"
        if code in self.known_plans:
            return code
        known = self.account.call("plans/get", {"code": code})
        if not known.is_success:
            if code not in self.made_plans:
                self.made_plans.append(code)
                self.save()
            known = self.account.call("plans/new", {"code": code, "name": f"Conform {name}", **wanted})
        plan = known.root if known.root.tag == "plan" else known.root.find("plan")
        if not known.is_success or plan is None:
            self.made_plans.remove(code)
            terms_told = ", ".join(f"{key} {value}" for key, value in wanted.items())
            raise NotFoundOut(
                f"the service did not make the plan {code} ({known.error or 'no plan in its answer'}): create"
                f" it on its pages, with {terms_told}"
            )
        if wrong := plans.differences(wanted, plan):
            raise NotFoundOut(f"the plan {code} has {', '.join(wrong)}")
        self.known_plans.add(code)
        return code

    def coupon(self) -> Coupon:
        """Return a coupon that is valid for all plans and takes off less than the full price.

        Raises NotFoundOut if the product has no such coupon.
        """
        if self._coupon is None:
            self._coupon = self._find_coupon()
        return self._coupon

    def _find_coupon(self) -> Coupon:
        answer = self.account.call("promotions/get")
        for promotion in answer.root.iterfind("promotion") if answer.is_success else ():
            percentage = Decimal(promotion.findtext("incentives/incentive/percentage") or 0)
            months = promotion.findtext("incentives/incentive/months")
            coupon = promotion.findtext("coupons/coupon/code")
            if coupon and 0 < percentage < 100 and promotion.find("plans/plan") is None:
                return Coupon(coupon, percentage, int(months) if months else None)
        raise NotFoundOut(
            "the product has no promotion for every plan and every type of charge, with a coupon and for less"
            " than 100 percent: make one on its pages, for one month"
        )

    # -- hooks

    def hook(self, kind: str, fits: Callable[[Hook], bool], seconds: float | None = None) -> Hook | None:
        assert self.listener is not None  # the run provides one to a probe that needs it
        return self.listener.wait(kind, fits, self.hook_timeout if seconds is None else seconds)

    def hook_about(self, kind: str, suffix: str = "", seconds: float | None = None) -> Hook | None:
        """Wait for a hook of type `kind` about a customer of this probe. Returns None on a timeout."""
        return self.hook(kind, lambda hook: hook.customer == self.code(suffix), seconds)


Step: TypeAlias = Callable[[Visit], Finding | Wait | None]


class Probe(msgspec.Struct, frozen=True):
    """The steps that find out how a server applies a rule.

    Each step returns a finding, a wait, or None if the next step can be taken at once.
    """

    rule: str
    steps: tuple[Step, ...]
    needs: frozenset[Need] = frozenset()
    refuses: bool = False  # whether the listener refuses billable hooks about this probe's customers


def is_billed(invoices: Iterable[Invoice], code: str, amount: int) -> bool:
    """Return whether one of the invoices has a charge with this code and amount.

    Raises NotFoundOut if there are other amounts for the code. A charge of 0 is ignored.
    """
    charges = (charge for invoice in invoices for charge in invoice.charges if charge.code == code)
    amounts = [charge.amount for charge in charges if charge.amount]
    if amounts not in ([], [amount]):
        raise NotFoundOut(f"instead of {amount}.00 for {code}, {_listed(amounts)} was billed")
    return bool(amounts)


def _listed(amounts: Iterable[Decimal]) -> str:
    return " and ".join(f"{amount:.2f}" for amount in amounts)


def told(value: Value) -> str:
    return value if isinstance(value, str) else " ".join(value) or "none"


def shown(what: Customer | Invoice | Answer) -> str:
    """Return the XML text of a document, or of a part of it, for a report."""
    element = what.root if isinstance(what, Answer) else what.element
    etree.indent(element)
    return etree.tostring(element, encoding="unicode").strip()
