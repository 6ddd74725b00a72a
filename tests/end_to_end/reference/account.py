"""A customer, and the effects of calls and time on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.end_to_end.reference.calendar import after, months_after
from tests.end_to_end.reference.invoices import FORWARD, ZERO, Invoice, Item, Line, Plan, Promotion, cents

ONE = Decimal(1)
HOLD = timedelta(hours=1)
PAUSES = [timedelta(days=2 * times) for times in (1, 2, 3, 4)]
SETTLED = timedelta(days=1)
SHORTEST = {"daily", "weekly", "biweekly"}  # a period may end before dunning does


class Unclear(Exception):
    """The facts don't say what happens."""


class Refused(Exception):
    """The call is refused and has no effect."""


class Declined(Exception):
    """The gateway declined a payment that the call needs at once, so the call has no effect (K88)."""


@dataclass(frozen=True)
class Event:
    """A call at a time. `what` names the method of `Account` that works it out."""

    at: datetime
    what: str
    given: Mapping[str, Any] = field(default_factory=dict)


class Account:
    """One customer of one product."""

    def __init__(
        self,
        plans: Mapping[str, Plan],
        promotions: Mapping[str, Promotion] = {},
        *,
        tax_rate: Decimal = ZERO,
        tax_exempt: bool = False,
        reviewed: bool = False,
    ) -> None:
        self.plans = dict(plans)
        self.promotions = promotions
        self.product_tax = tax_rate
        self.product_exempt = tax_exempt
        self.reviewed = reviewed
        self.now = datetime.min.replace(tzinfo=UTC)
        self.numbers = 0
        self.code = ""
        self.active = False
        self.card: date | None = None
        self.own_tax: Decimal | None = None
        self.own_exempt: bool | None = None
        self.redeemed: tuple[Promotion, datetime] | None = None
        self.declines = 0
        self.in_trial = False
        self.quantities: dict[str, Decimal] = {}
        self.pending: Invoice | None = None
        self.opener: Invoice | None = None  # whose recurring charge is for the period that runs
        self.closed: list[Invoice] = []

    @property
    def plan(self) -> Plan:
        return self.plans[self.code]

    @property
    def current(self) -> Invoice:
        assert self.pending is not None
        return self.pending

    def invoices(self) -> list[Invoice]:
        return sorted([*self.closed, *([self.pending] if self.pending else [])], key=lambda each: each.number)

    # -- time

    def due(self) -> datetime | None:
        """The time of the next event without a call. A canceled subscription bills nothing (K45, K46)."""
        if not self.active:
            return None
        moments = [self.current.at, *(each.run_at for each in self.closed if each.run_at)]
        moments += [each.retries[0] for each in self.closed if each.retries]
        return min(moments)

    def advance(self, to: datetime) -> None:
        while (at := self.due()) is not None and at <= to:
            self.now = at
            for invoice in self.closed:
                if at in (invoice.run_at, *invoice.retries[:1]):
                    self._run(invoice)
                    break
            else:
                self._bill()
        self.now = to

    def _bill(self) -> None:
        """The bill date: fix the current invoice's terms (K6, K10, K13), and begin the next period."""
        invoice = self.current
        self._fix(invoice, self.plan, self.plan, used=True)
        self._begin(after(invoice.at, self.plan.frequency))
        if self.reviewed and (self._can_pay() or not invoice.total):
            invoice.state, invoice.run_at = "held", self.now + HOLD
        else:
            self._run(invoice)

    def _fix(self, invoice: Invoice, used_under: Plan, plan: Plan, *, used: bool) -> None:
        """Fix an invoice: usage is billed by `used_under`, the recurring charge by `plan` (K24)."""
        invoice.at, invoice.state = self.now, "unpaid"
        invoice.recurring = Line("recurring", plan.recurring_code, ONE, plan.amount)
        if used:
            invoice.items = used_under.items
            invoice.quantities = {
                item.code: self.quantities.get(item.code, ZERO) for item in used_under.items
            }
        invoice.promotion, invoice.tax_rate = self._promotion(plan), self._tax()
        self.closed.append(invoice)
        self.opener = invoice
        self.in_trial = False

    def _begin(self, until: datetime) -> None:
        """Begin a new period. Counters that reset start at 0 (K16)."""
        self.numbers += 1
        self.pending = Invoice(self.numbers, self.now, until)
        self._reset()

    def _reset(self) -> None:
        resets = {item.code for item in self.plan.items if item.resets}
        self.quantities = {code: count for code, count in self.quantities.items() if code not in resets}

    def _promotion(self, plan: Plan) -> Promotion | None:
        if self.redeemed is None:
            return None
        promotion, since = self.redeemed
        over = promotion.months is not None and self.now >= months_after(since, promotion.months)
        return promotion if promotion.covers(plan) and not over else None

    def _tax(self) -> Decimal:
        exempt = self.product_exempt if self.own_exempt is None else self.own_exempt
        return ZERO if exempt else self.product_tax if self.own_tax is None else self.own_tax

    # -- payments

    def _can_pay(self) -> bool:
        return self.card is not None and self.now.date() <= self.card

    def _approved(self, invoice: Invoice) -> bool:
        """Ask the gateway. 0.00 isn't sent to it (K58)."""
        amount = invoice.total
        refused = bool(amount and self.declines)
        self.declines -= refused
        invoice.tries.append((self.now, amount, "declined" if refused else "approved"))
        if refused:
            invoice.state = "unpaid"
            return False
        invoice.state, invoice.retries = "paid", []
        if invoice.carried:
            self.current.custom.append(Line("custom", FORWARD, ONE, invoice.carried))
        return True

    def _run(self, invoice: Invoice) -> None:
        """Without a valid card, cancel without retries (K65). If declined, retry four times (K62)."""
        again = bool(invoice.retries)
        invoice.run_at, invoice.retries = None, invoice.retries[1:]
        if invoice.total and not self._can_pay():
            invoice.state, invoice.retries = "unpaid", []
            self.active = False
        elif not self._approved(invoice):
            if not again:
                self._dun(invoice)
            elif not invoice.retries:
                self.active = False

    def _dun(self, invoice: Invoice) -> None:
        if self.plan.frequency in SHORTEST:
            raise Unclear("two bills in dunning at a time")
        invoice.retries = [self.now + pause for pause in PAUSES]

    def _at_once(self, invoice: Invoice) -> None:
        if invoice.total and not self._can_pay():
            raise Unclear("nothing to pay with")
        if not self._approved(invoice):
            raise Declined

    def _owed(self) -> Invoice | None:
        """The outstanding invoice (K72)."""
        owed = [each for each in self.closed if each.state in ("held", "unpaid")]
        if len(owed) > 1:
            raise Unclear("several outstanding")
        return owed[0] if owed else None

    def _nothing_owed(self) -> None:
        if self._owed():
            raise Unclear("a change while something is outstanding")

    def _pay(self, invoice: Invoice) -> bool:
        """Pay an invoice by a call. If declined, the invoice has the decline and stays outstanding."""
        if invoice.total and not self._can_pay():
            raise Unclear("nothing to pay with")
        first = invoice.state == "held"
        invoice.run_at = None
        if self._approved(invoice):
            return True
        if first and self.active:
            self._dun(invoice)
        return False

    # -- calls: each returns its status

    def play(self, event: Event) -> int:
        """Work out an event at its time. Unclear leaves everything as it was at that time."""
        self.advance(event.at)
        if not self.code and event.what != "join":
            raise Unclear("nobody has signed up")
        saved = self._saved()
        paypal = event.given.get("paypal", False)
        try:
            status = int(getattr(self, event.what)(**event.given) or 200)
            if status != 200 and paypal:
                raise Unclear("a declined agreement")
            return status
        except Declined:
            if not paypal:
                saved |= {"declines": self.declines, "card": self.card}  # a new card stays
            self.__dict__ = saved
            if paypal:
                raise Unclear("a declined agreement") from None
            return 422
        except Refused:
            self.__dict__ = saved
            return 412
        except Unclear:
            self.__dict__ = saved
            raise

    def _saved(self) -> dict[str, Any]:
        """A copy of everything that calls may change."""
        copies = {id(each): each.copied() for each in self.invoices()}
        saved = self.__dict__ | {"plans": dict(self.plans), "quantities": dict(self.quantities)}
        saved["closed"] = [copies[id(each)] for each in self.closed]
        saved["pending"] = copies[id(self.pending)] if self.pending else None
        saved["opener"] = copies[id(self.opener)] if self.opener else None
        return saved

    def join(
        self,
        plan: str,
        card: date | None = None,
        first_bill: datetime | None = None,
        coupon: str | None = None,
        items: Mapping[str, Decimal] = {},
        tax_rate: Decimal | None = None,
        tax_exempt: bool | None = None,
        paypal: bool = False,
    ) -> None:
        if self.code or (items and self.plans[plan].free):
            raise Unclear("signed up already, or with items that the plan lacks")
        joined = self.plans[plan]
        begins = first_bill or self._end_of_trial(joined)
        owed = joined.setup if joined.setup_at_sign_up else ZERO
        if begins <= self.now:
            owed = joined.amount + joined.setup
        if paypal and begins > self.now and owed:
            raise Unclear("a setup charge before the customer agrees")
        if card is None and owed:
            raise Refused  # a card may be left out only if the first invoice lies in the future (K4)
        self.code, self.card, self.active = plan, card, True
        self.own_tax, self.own_exempt = tax_rate, tax_exempt
        if coupon:
            self.coupon(coupon)
        self.numbers = 1
        self.pending = Invoice(1, self.now, self.now)
        self._sign_up(first_bill)
        self.quantities |= items

    def _sign_up(self, first_bill: datetime | None) -> None:
        """The first bill and the setup charge, by the plan's current terms (K8, K9, K26, K53)."""
        plan, invoice = self.plan, self.current
        setup = Line("setup", plan.setup_code, ONE, plan.setup) if plan.setup else None
        first_bill = first_bill or self._end_of_trial(plan)
        if first_bill <= self.now:
            invoice.setup = setup
            self._fix(invoice, plan, plan, used=False)
            self._begin(after(self.now, plan.frequency))
            self._at_once(invoice)
            return
        self.in_trial = True
        self._reset()
        invoice.start, invoice.at = self.now, first_bill
        if setup and plan.setup_at_sign_up:
            if self.closed or self.numbers > 1:
                raise Unclear("the number of a setup's own invoice")
            alone = Invoice(1, self.now, self.now, "one-time", setup=setup)
            alone.promotion, alone.tax_rate = self._promotion(plan), self._tax()
            self.closed.append(alone)
            self.numbers = invoice.number = 2
            self._at_once(alone)
        else:
            invoice.setup = setup

    def _end_of_trial(self, plan: Plan) -> datetime:
        if plan.trial_unit == "months":
            return months_after(self.now, plan.trial)
        return self.now + timedelta(days=plan.trial)

    def change(
        self, plan: str, card: date | None = None, bill: datetime | None = None, paypal: bool = False
    ) -> None:
        """Change to another plan (K21 to K29). A canceled customer is reactivated first (K29)."""
        old, new = self.plan, self.plans[plan]
        self._nothing_owed()
        if old.code == new.code or new.free or (not self.active and (card is None or bill)):
            raise Unclear("plans")
        self.card = card or self.card
        late = self.current.at <= self.now
        if not self.active and late:
            if self.current.setup:
                raise Unclear("setup of a trial")
            self.active, self.code = True, plan
            self._sign_up(None)
            return
        if paypal and (old.free or (new.prorates and not self.in_trial)):
            raise Unclear("what a change bills before the customer agrees")
        self.active = True
        if old.free:
            self.code = plan
            self._sign_up(bill)
        elif bill or (self.in_trial and (self.current.setup or new.setup)):
            raise Unclear("setup of a trial")
        elif self.in_trial or not new.prorates:
            if new.setup_at_change:
                raise Unclear("setup at a simple change")
            self.code = plan
        else:
            self._prorate(old, new)

    def _prorate(self, old: Plan, new: Plan) -> None:
        invoice = self.current
        if self.redeemed and self.redeemed[0].covers(old) != self.redeemed[0].covers(new):
            raise Unclear("a promotion of one of two plans")
        worth = self.opener.worth if self.opener else ZERO
        left = Decimal((invoice.at - self.now).total_seconds())
        whole = Decimal((invoice.at - invoice.start).total_seconds())
        unused = cents(worth * left / whole)
        if unused:
            invoice.custom.append(Line("custom", old.recurring_code, ONE, -unused))
            invoice.adjusted = unused
        if new.setup_at_change and new.setup:
            invoice.setup = Line("setup", new.setup_code, ONE, new.setup)
        self._fix(invoice, old, new, used=True)
        self.code = new.code
        self._begin(after(self.now, new.frequency))
        self._at_once(invoice)

    def bill_date(self, to: datetime | None = None) -> None:
        """`changeBillDate`; None is `now` (K35, K36, K57)."""
        self._nothing_owed()
        if self.active and to:
            self.current.at = to
        elif self.active:
            self._bill_now()
        elif to:
            raise Unclear("a date for a canceled subscription")
        else:
            self._reactivate(None, now=True)

    def _bill_now(self) -> None:
        invoice = self.current
        self._fix(invoice, self.plan, self.plan, used=True)
        self._begin(after(self.now, self.plan.frequency))
        self._at_once(invoice)

    def new_card(self, good_until: date, bill: datetime | None = None, paypal: bool = False) -> int:
        """Reactivate a canceled subscription (K44, K52), and pay the outstanding invoice (K64).

        The same holds for PayPal as soon as the customer agrees.
        """
        owed = self._owed()
        if paypal and (self.active or bill):
            raise Unclear("PayPal for an active customer, or with a date")
        if owed and (owed.state == "held" or (self.active and bill)):
            raise Unclear("a new card while an invoice is held")
        self.card = good_until
        if not self.active:
            return self._reactivate(bill)
        if owed:
            return 200 if self._pay(owed) else 422
        if bill:
            self.current.at = bill
        return 200

    def _reactivate(self, bill: datetime | None, *, now: bool = False) -> int:
        """Reactivate after a short or long cancel (K52 to K57)."""
        owed, late = self._owed(), self.current.at <= self.now
        if owed and now:
            raise Unclear("changeBillDate with something outstanding")
        if owed and not self._pay(owed):
            return 422
        self.active = True
        if owed and late:
            self._reset()
            self.opener = owed
            self.current.start, self.current.at = self.now, bill or after(self.now, self.plan.frequency)
        elif late:
            self._sign_up(self.now if now else bill)
        elif now:
            self._bill_now()
        elif bill:
            self.current.at = bill
        return 200

    def cancel(self) -> None:
        if not self.active:
            raise Unclear("canceled twice")
        self.active = False

    def run(self, number: int, by_number: bool = False) -> int:
        """`run-outstanding`, or `invoices/run` (K58, K60)."""
        owed = self._owed()
        if owed is None or owed.number != number:
            raise Unclear("nothing to run")
        if not self.active:
            return self._reactivate(None)
        return 200 if self._pay(owed) else 422

    def waive(self, number: int) -> None:
        """Add credits that offset all debits (K58)."""
        owed = self._owed()
        if owed is None or owed.number != number or any(line.amount < 0 for line in owed.lines()):
            raise Unclear("nothing to waive, or credits beside it")
        owed.custom += [Line("custom", line.code, ONE, -line.amount) for line in owed.lines() if line.amount]

    def decline(self, count: int) -> None:
        if self.declines:
            raise Unclear("told twice")
        self.declines = count

    # -- what is billed

    def set(self, item: str, quantity: Decimal, outstanding: bool = False) -> None:
        self._counters(outstanding)[item] = quantity

    def add(self, item: str, quantity: Decimal) -> None:
        counters = self._counters(False)
        counters[item] = counters.get(item, ZERO) + quantity
        if counters[item] < 0:
            raise Unclear("less than nothing")

    def _counters(self, outstanding: bool) -> dict[str, Decimal]:
        """The counters of a period. A canceled subscription has them only with an invoice pending (K20)."""
        if outstanding:
            owed = self._owed()
            if owed is None or not owed.items:
                raise Unclear("no period of usage outstanding")
            return owed.quantities
        if self.plan.free or (not self.active and self.current.at <= self.now):
            raise Unclear("no period of usage")
        return self.quantities

    def charge(self, code: str, quantity: int, each: Decimal, outstanding: bool = False) -> None:
        invoice = self._owed() if outstanding else self.current
        if invoice is None or not self.active:
            raise Unclear("no invoice for it")
        invoice.custom.append(Line("custom", code, Decimal(quantity), each))

    def one_time(self, code: str, quantity: int, each: Decimal) -> None:
        """A one-time invoice, parallel to the subscription (K77)."""
        promoted = self._promotion(self.plan)
        if not self.active or self.declines or promoted or not self._can_pay():
            raise Unclear("one-time")
        self.numbers += 1
        line = Line("custom", code, Decimal(quantity), each)
        invoice = Invoice(
            self.numbers, self.now, self.now, type="one-time", custom=[line], tax_rate=self._tax()
        )
        self.closed.append(invoice)
        self._at_once(invoice)

    def refund(self, number: int, amount: Decimal) -> None:
        paid = self._paid(number)
        if amount > paid.total - paid.refunded:
            raise Unclear("more than was paid")
        paid.refunded += amount
        paid.tries.append((self.now, -amount, "approved"))

    def void(self, number: int) -> None:
        paid = self._paid(number)
        if paid.refunded or self.now - paid.tries[-1][0] >= SETTLED:
            raise Unclear("settled")
        paid.state = "void"
        paid.tries.append((self.now, -paid.total, "approved"))

    def _paid(self, number: int) -> Invoice:
        found = [
            each for each in self.closed if each.number == number and each.state == "paid" and each.total
        ]
        if not found:
            raise Unclear("not paid")
        return found[0]

    # -- terms

    def coupon(self, code: str) -> None:
        promotion = self.promotions[code]
        if self.redeemed or not promotion.covers(self.plan):
            raise Unclear("two coupons, or one of another plan")
        self.redeemed = (promotion, self.now)

    def tax(self, rate: Decimal | None = None, exempt: bool | None = None) -> None:
        """Set the tax for all later invoices (K85)."""
        self.own_tax = self.own_tax if rate is None else rate
        self.own_exempt = self.own_exempt if exempt is None else exempt

    def edit_plan(
        self, plan: str, amount: Decimal, items: tuple[Item, ...], setup: Decimal, trial: int
    ) -> None:
        """Items change at once, the amount at the next invoice, setup and trial for sign-ups (K6 to K9)."""
        self.plans[plan] = replace(self.plans[plan], amount=amount, items=items, setup=setup, trial=trial)
