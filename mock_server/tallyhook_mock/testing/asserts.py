"""Assert methods for bills, hooks and calls."""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches

from tallyhook_mock.calls import CallMade
from tallyhook_mock.core.money import amount_text, quantity_text, total
from tallyhook_mock.systems import actions
from tallyhook_mock.systems.cheddar.model import Customer, Invoice, InvoiceState
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES
from tallyhook_mock.testing.bill import Bill, aligned
from tallyhook_mock.testing.evidence import evidence
from tallyhook_mock.testing.signed_hook import HookType
from tallyhook_mock.testing.terms import Amount
from tallyhook_mock.testing.world import World

__all__ = ["Asserts", "by_date", "last_billed", "require_type"]

__tracebackhide__ = True  # pytest shows the line of the test

_LAST_CALLS = 20


def last_billed(customer: Customer) -> Invoice | None:
    """Return the newest invoice that is no longer open, whether or not it is paid. None if there is none."""
    closed = [invoice for invoice in customer.invoices if invoice.state is not InvoiceState.OPEN]
    return max(closed, key=by_date, default=None)


def by_date(invoice: Invoice) -> tuple[datetime, int]:
    """Return the key by which invoices are sorted from the oldest to the newest."""
    return invoice.billing_at, invoice.number


def require_type(type: str) -> None:
    """Raise ValueError for an unknown type of hook, because a misspelt one would pass as never sent."""
    _require("hook", type, HOOK_TYPES)


class Asserts:
    """Assert methods. Most of them check a customer's bill: the newest invoice whose period is over.

    A method that checks a bill raises LookupError for an unknown customer. If the check fails, it raises an
    AssertionError that shows the invoice, the origin of its lines, its hooks, and the end of the customer's
    timeline.
    """

    _world: World

    def assert_billed(self, customer: str, amount: Amount) -> None:
        """Assert that the customer's bill is paid, and that its total is `amount`."""
        bill, shown = self._bill(customer)
        expected = _decimal(amount)
        if bill is None:
            raise AssertionError(f"{customer} was billed nothing yet, not {amount_text(expected)}\n\n{shown}")
        if bill.state != "paid":
            raise AssertionError(
                f"{customer} was not billed {amount_text(expected)}: "
                f"the invoice of {amount_text(bill.total)} is {bill.state}\n\n{shown}"
            )
        if bill.total != expected:
            raise AssertionError(
                f"{customer} was billed {amount_text(bill.total)}, not {amount_text(expected)}: "
                f"{_difference(total((bill.total, expected.copy_negate())))}\n\n{shown}"
            )

    def assert_quantity(self, customer: str, item: str, quantity: Amount, *, current: bool = False) -> None:
        """Assert the quantity of an item in the billed period.

        If `current` is true, the quantity in the current period is checked instead.
        """
        bill, shown = self._bill(customer, current=current)
        expected, where = _decimal(quantity), _where(customer, bill, current=current)
        if bill is None:
            raise AssertionError(f"{where}\n\n{shown}")
        if item not in bill.quantities:
            known = ", ".join(bill.quantities) or "nothing"
            raise AssertionError(f"{where} counts no {item}: plan {bill.plan} tracks {known}\n\n{shown}")
        if bill.quantities[item] != expected:
            counted = quantity_text(bill.quantities[item])
            raise AssertionError(f"{where} counts {counted} {item}, not {quantity_text(expected)}\n\n{shown}")

    def assert_charged(
        self, customer: str, code: str, amount: Amount, *, times: int = 1, current: bool = False
    ) -> None:
        """Assert that the bill has exactly `times` custom charges with this code and amount.

        If `times` is 0, there must be no such charge. If `current` is true, the open invoice is checked
        instead.
        """
        self._assert_line(customer, code, _decimal(amount), "charge", times, current=current)

    def assert_credited(
        self, customer: str, code: str, amount: Amount, *, times: int = 1, current: bool = False
    ) -> None:
        """Assert that the bill has exactly `times` credits with this code and amount.

        `amount` is positive. If `times` is 0, there must be no such credit. If `current` is true, the open
        invoice is checked instead.
        """
        credit = _decimal(amount)
        if credit <= 0:
            raise ValueError(f"a credit is an amount above 0, not {amount_text(credit)}")
        self._assert_line(customer, code, -credit, "credit", times, current=current)

    def assert_held(self, customer: str) -> None:
        """Assert that the bill is held, because its hooks are not all acknowledged."""
        bill, shown = self._bill(customer)
        if bill is None:
            raise AssertionError(f"{_where(customer, bill)}: nothing is held\n\n{shown}")
        if bill.state != "held":
            raise AssertionError(f"{_where(customer, bill)} is {bill.state}, not held\n\n{shown}")

    def assert_released(self, customer: str) -> None:
        """Assert that every hook about the bill was acknowledged.

        The bill has then been executed, or will be within the hour.
        """
        self.assert_acknowledged(customer)
        bill, shown = self._bill(customer)
        if bill is None or bill.state == "held":
            raise AssertionError(f"{_where(customer, bill)} is not released\n\n{shown}")

    def assert_acknowledged(self, customer: str, type: HookType = "subscriptionBillable") -> None:
        """Assert that hooks of this type were sent about the customer, and all were acknowledged.

        Raises ValueError for an unknown type.
        """
        require_type(type)
        _, shown = self._bill(customer)

        def found() -> tuple[int, int]:
            about = self._world.mock.state.hooks.about(self._world.product.code, customer)
            sent = [hook for hook in about if hook.type == type]
            return len(sent), sum(hook.is_acknowledged for hook in sent)

        sent, acknowledged = self._world.call(found)
        if not sent:
            raise AssertionError(f"no {type} hook was sent about {customer}\n\n{shown}")
        if acknowledged < sent:
            raise AssertionError(
                f"{sent - acknowledged} of {sent} {type} hooks about {customer}"
                f" are not acknowledged\n\n{shown}"
            )

    # -- calls

    @property
    def calls(self) -> list[CallMade]:
        """The latest 10,000 calls to the billing APIs, oldest first."""
        return self._world.call(lambda: list(self._world.mock.calls))

    def assert_called(self, action: str, customer: str | None = None, *, times: int | None = None) -> None:
        """Assert that a call such as `customers/add-charge` succeeded.

        If `times` is given, exactly that many calls must have succeeded. Calls that were refused or not
        answered don't count.
        """
        self._require_call(action)
        found = self._made(action, customer)
        if (times is None and not found) or (times is not None and len(found) != times):
            what = "never called" if times is None else f"called {_times(len(found))}, not {_times(times)}"
            raise AssertionError(f"{_named(action, customer)} was {what}\n\n{self._calls()}")

    def assert_not_called(self, action: str, customer: str | None = None) -> None:
        """Assert that no call of this action was made, not even one that was refused."""
        self._require_call(action)
        found = [call for call in self.calls if call.action == action and self._is_about(call, customer)]
        if found:
            raise AssertionError(
                f"{_named(action, customer)} was called {_times(len(found))}\n\n{self._calls()}"
            )

    def assert_call_order(self, *actions: str, customer: str | None = None) -> None:
        """Assert that calls of these actions succeeded in this order. Other calls may come in between."""
        made = [call.action for call in self.calls if not call.failed and self._is_about(call, customer)]
        left = iter(made)
        for place, action in enumerate(actions):
            if action not in left:
                before = f" after {actions[place - 1]}" if place else ""
                raise AssertionError(f"{_named(action, customer)} was not called{before}\n\n{self._calls()}")

    def _require_call(self, action: str) -> None:
        """Raise ValueError for an unknown action, because a misspelt one would pass as never called."""
        _require("call", action, {*actions(), *(call.action for call in self.calls)})

    def _made(self, action: str, customer: str | None) -> list[CallMade]:
        made = (call for call in self.calls if not call.failed and call.action == action)
        return [call for call in made if self._is_about(call, customer)]

    def _is_about(self, call: CallMade, customer: str | None) -> bool:
        """Return whether the call is about this customer of the first product, or about any customer."""
        return customer is None or (
            call.customer == customer and call.product in ("", self._world.product.code)
        )

    def _calls(self) -> str:
        calls = self.calls
        if not calls:
            return "no call was made"
        rows = [
            (
                f"{call.at:%Y-%m-%d %H:%M:%S}",
                call.action,
                call.customer,
                "dropped" if call.status is None else str(call.status),
                call.reason,
            )
            for call in calls[-_LAST_CALLS:]
        ]
        heading = "the calls" if len(calls) <= _LAST_CALLS else f"the last {_LAST_CALLS} calls"
        return "\n".join((heading, *aligned(rows)))

    # -- helpers

    def _assert_line(
        self, customer: str, code: str, amount: Decimal, noun: str, times: int, *, current: bool
    ) -> None:
        bill, shown = self._bill(customer, current=current)
        where = _where(customer, bill, current=current)
        if bill is None:
            raise AssertionError(f"{where}\n\n{shown}")
        lines = bill.custom(code)
        found = sum(line.amount == amount for line in lines)
        if found != times:
            all_of_it = ", ".join(amount_text(line.amount) for line in lines) or "none"
            raise AssertionError(
                f"{where} has {code} as a {noun} of {amount_text(abs(amount))} {_times(found)}, "
                f"not {_times(times)}; with this code: {all_of_it}\n\n{shown}"
            )

    def _bill(self, code: str, *, current: bool = False) -> tuple[Bill | None, str]:
        """Return the bill to check, and the text to show if the check fails."""

        def found() -> tuple[Bill | None, str]:
            mock, customer = self._world.mock, self._world.customer(code)
            invoice = customer.subscription.current if current else last_billed(customer)
            bill = None if invoice is None else Bill.of(invoice)
            return bill, evidence(mock, customer, invoice)

        return self._world.call(found)


def _decimal(value: Amount) -> Decimal:
    if isinstance(value, float):
        raise TypeError(f"{value} is a binary fraction: write it as a string or a Decimal")
    with suppress(InvalidOperation):
        if (amount := Decimal(value)).is_finite():
            return amount
    raise ValueError(f"{value!r} is not an amount such as 52.50")


def _difference(by: Decimal) -> str:
    return f"{amount_text(abs(by))} too {'much' if by > 0 else 'little'}"


def _where(customer: str, bill: Bill | None, *, current: bool = False) -> str:
    if bill is None:
        return f"{customer} has no {'open invoice' if current else 'bill yet'}"
    return f"invoice #{bill.number} of {customer}"


def _require(noun: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        near = get_close_matches(name, known, 1)
        raise ValueError(f"there is no {noun} {name!r}" + (f": did you mean {near[0]!r}?" if near else ""))


def _named(action: str, customer: str | None) -> str:
    return action if customer is None else f"{action} of {customer}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
