"""Random histories of two years: a product, a customer, and the events."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from tests.end_to_end.reference.account import SHORTEST, Account, Event, Unclear
from tests.end_to_end.reference.calendar import FREQUENCIES, end_of_month
from tests.end_to_end.reference.invoices import ZERO, Item, Plan, Promotion

TOGETHER = 40  # stories that share a mock and a year
EPOCH = datetime(2022, 1, 1, tzinfo=UTC)
HOURS = (0, 9, 16)
LONGEST = timedelta(days=730)
AMOUNTS = ("0.00", "5.00", "9.99", "20.00", "29.90", "33.33", "45.00", "80.00", "120.05", "999.99")


@dataclass(frozen=True)
class Story:
    seed: int
    plans: tuple[Plan, ...]
    promotions: tuple[Promotion, ...]
    tax_rate: Decimal
    tax_exempt: bool
    reviewed: bool
    events: tuple[Event, ...]
    end: datetime

    @property
    def begins(self) -> datetime:
        return EPOCH.replace(year=EPOCH.year + self.seed // TOGETHER % 6)

    @property
    def product(self) -> str:
        return f"S{self.seed}"

    def account(self) -> Account:
        return Account(
            {plan.code: plan for plan in self.plans},
            {promotion.coupon: promotion for promotion in self.promotions},
            tax_rate=self.tax_rate,
            tax_exempt=self.tax_exempt,
            reviewed=self.reviewed,
        )

    def worked_out(self) -> tuple["Story", Account, list[int]]:
        """The story without unclear events, the account at its end, and the status of each call."""
        account, kept, statuses = self.account(), [], []
        for event in self.events:
            try:
                statuses.append(account.play(event))
            except Unclear:
                continue
            kept.append(event)
        account.advance(self.end)
        return replace(self, events=tuple(kept)), account, statuses

    def without(self, dropped: Sequence[Event]) -> "Story":
        return replace(self, events=tuple(event for event in self.events if event not in dropped))


def story(seed: int) -> Story:
    return _Teller(seed).tell()


class _Teller:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        random = self.random
        base = random.choice(["monthly"] * 6 + list(FREQUENCIES))
        plans = [self.plan(code, base) for code in ("ASH", "ELM", "OAK")]
        free = Plan("FREE", ZERO, free=True)
        self.short = any(plan.frequency in SHORTEST for plan in plans)
        promotions = (
            Promotion(
                "LESS",
                Decimal(random.choice(["10", "25", "33.3", "50", "100"])),
                random.choice([None, None, 1, 3, 12]),
                random.choice([None, None, frozenset({"ASH", "ELM"})]),
                random.choice(
                    [
                        frozenset({"setup", "recurring", "overage", "custom"}),
                        frozenset({"setup", "recurring", "overage", "custom"}),
                        frozenset({"recurring"}),
                        frozenset({"overage", "custom"}),
                        frozenset({"setup"}),
                    ]
                ),
            ),
        )
        self.story = Story(
            seed,
            (*plans, free),
            promotions,
            Decimal(random.choice(["0", "0", "0.196", "0.0825"])),
            random.random() < 0.1,
            random.random() < 0.3,
            (),
            EPOCH,
        )

    def plan(self, code: str, base: str) -> Plan:
        random = self.random
        frequency = (
            base if random.random() < 0.8 else random.choice(["monthly", "quarterly", "annually", base])
        )
        trial, unit = random.choice([(0, "days")] * 3 + [(7, "days"), (14, "days"), (1, "months")])
        prorates = random.random() < 0.5
        return Plan(
            code,
            Decimal(random.choice(AMOUNTS)),
            frequency,
            trial=trial,
            trial_unit=unit,
            setup=Decimal(random.choice(["0.00", "0.00", "15.00", "19.99"])),
            setup_at_sign_up=random.random() < 0.5,
            setup_at_change=prorates and random.random() < 0.2,
            prorates=prorates,
            items=self.items(),
        )

    def items(self) -> tuple[Item, ...]:
        random = self.random
        return tuple(
            Item(
                code,
                Decimal(random.choice(["0", "0", "2", "5", "2.5"])),
                Decimal(random.choice(["0.50", "2.00", "3.33", "10.00"])),
                resets,
            )
            for code, resets in (("GB", True), ("SEAT", False))
        )

    def tell(self) -> Story:
        random = self.random
        account, events = self.story.account(), []
        at = self.story.begins + timedelta(days=random.randrange(62), hours=random.choice(HOURS))
        # stories with daily or weekly bills are shorter
        end = at + (timedelta(days=70) if self.short else LONGEST)
        happening = Event(at, "join", self.joining(at))
        while at < end:
            try:
                account.play(happening)
                events.append(happening)
            except Unclear:
                account.advance(at)
            if not account.code:
                happening = Event(at, "join", self.joining(at))
                continue
            at = self.moment(account, at, end)
            happening = self.happening(account, at)
        if self.short and account.active:
            events.append(Event(end, "cancel"))
        whole = replace(
            self.story, events=tuple(events), end=self.story.begins + LONGEST + timedelta(days=62)
        )
        return whole.worked_out()[0]

    def moment(self, account: Account, at: datetime, end: datetime) -> datetime:
        random = self.random
        due = account.due()
        if due and due < end and random.random() < 0.35:
            later = timedelta(minutes=random.choice([-1, 0, 30, 30, 30, 90]))
            return max(at, due + later)
        if random.random() < 0.15:
            return at
        longest = 6 if self.short else random.choice([5, 40, 40, 120])
        day = at.date() + timedelta(days=random.randint(1, longest))
        return datetime(day.year, day.month, day.day, random.choice(HOURS), tzinfo=UTC)

    def joining(self, at: datetime) -> dict[str, Any]:
        random = self.random
        later = at + timedelta(days=random.randint(1, 40))
        paypal = random.random() < 0.1
        return {
            "paypal": paypal,
            "plan": random.choice(["ASH", "ASH", "ELM", "OAK", "FREE"]),
            "card": date.max if paypal else self.card(at) if random.random() < 0.9 else None,
            "first_bill": later if random.random() < 0.2 else None,
            "coupon": "LESS" if random.random() < 0.2 else None,
            "items": {"SEAT": Decimal(random.randint(1, 9))} if random.random() < 0.2 else {},
            "tax_rate": Decimal("0.05") if random.random() < 0.1 else None,
            "tax_exempt": random.choice([True, False]) if random.random() < 0.1 else None,
        }

    def card(self, at: datetime) -> date:
        months = self.random.choice([2, 9]) if self.random.random() < 0.15 else 60
        years, month = divmod(at.month - 1 + months, 12)
        return end_of_month(month + 1, at.year + years)

    def method(self, at: datetime, name: str) -> dict[str, Any]:
        """A card, or PayPal, which never expires."""
        paypal = self.random.random() < 0.5
        return {"paypal": paypal, name: date.max if paypal else self.card(at)}

    def happening(self, account: Account, at: datetime) -> Event:
        account.advance(at)
        random = self.random
        owed = [each.number for each in account.closed if each.state in ("held", "unpaid")]
        paid = [each for each in account.closed if each.state == "paid" and each.total]
        likely = {"set": 6, "add": 4, "charge": 4, "change": 5, "bill_date": 2, "new_card": 2, "cancel": 2}
        likely |= {"one_time": 1, "coupon": 1, "tax": 1, "edit_plan": 2, "decline": 0 if self.short else 2}
        if owed:
            likely |= {"run": 4, "waive": 1, "set": 8, "charge": 6, "new_card": 6}
        if paid:
            likely |= {"refund": 1, "void": 1}
        if not account.active:
            likely |= {"new_card": 12, "bill_date": 3, "change": 8}
        what = random.choices(list(likely), list(likely.values()))[0]
        number = random.choice(owed) if owed else 0
        return Event(at, what, getattr(self, f"of_{what}")(account, at, number))

    # -- the arguments of each event

    def of_set(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        quantity = Decimal(self.random.choice(["0", "1", "3", "12", "7.25", "2.0001", "30"]))
        given = {"item": self.random.choice(["GB", "SEAT"]), "quantity": quantity}
        return given | ({"outstanding": True} if owed and self.random.random() < 0.7 else {})

    def of_add(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        quantity = Decimal(self.random.choice(["1", "2.5", "10", "0.0003", "-1"]))
        return {"item": self.random.choice(["GB", "SEAT"]), "quantity": quantity}

    def of_charge(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        each = Decimal(self.random.choice(["10.00", "3.33", "0.05", "-5.00", "-40.00", "-0.01"]))
        given = {
            "code": self.random.choice(["EXTRA", "SORRY"]),
            "quantity": self.random.randint(1, 3),
            "each": each,
        }
        return given | ({"outstanding": True} if owed and self.random.random() < 0.7 else {})

    def of_one_time(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        return {"code": "ONCE", "quantity": self.random.randint(1, 3), "each": Decimal("7.77")}

    def of_change(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        given: dict[str, Any] = {"plan": self.random.choice(["ASH", "ELM", "OAK"])}
        if not account.active:
            return given | self.method(at, "card")
        if account.plan.free:
            given["card"] = self.card(at)
            if self.random.random() < 0.3:
                given["bill"] = at + timedelta(days=self.random.randint(1, 40))
        return given

    def of_bill_date(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        if not account.active or self.random.random() < 0.5:
            return {}
        return {"to": at + timedelta(days=self.random.randint(1, 60))}

    def of_new_card(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        if not account.active and self.random.random() < 0.3:
            return self.method(at, "good_until")
        given: dict[str, Any] = {"good_until": self.card(at)}
        if self.random.random() < 0.2:
            given["bill"] = at + timedelta(days=self.random.randint(1, 40))
        return given

    def of_cancel(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        return {}

    def of_run(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        return {"number": owed, "by_number": self.random.random() < 0.3}

    def of_waive(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        return {"number": owed}

    def of_decline(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        return {"count": self.random.choice([1, 1, 2, 3, 5, 6])}

    def of_refund(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        paid = [each for each in account.closed if each.state == "paid" and each.total][-1]
        share = Decimal(self.random.choice(["0.25", "0.5", "1"]))
        return {"number": paid.number, "amount": max(Decimal("0.01"), round(paid.total * share, 2))}

    def of_void(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        return {"number": [each for each in account.closed if each.state == "paid" and each.total][-1].number}

    def of_coupon(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        return {"code": "LESS"}

    def of_tax(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        if self.random.random() < 0.5:
            return {"rate": Decimal(self.random.choice(["0", "0.07", "0.2"]))}
        return {"exempt": self.random.random() < 0.5}

    def of_edit_plan(self, account: Account, at: datetime, owed: int) -> dict[str, Any]:
        random = self.random
        return {
            "plan": random.choice(["ASH", "ELM", "OAK"]),
            "amount": Decimal(random.choice(AMOUNTS)),
            "items": self.items(),
            "setup": Decimal(random.choice(["0.00", "12.00"])),
            "trial": random.choice([0, 0, 14]),
        }
