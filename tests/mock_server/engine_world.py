"""A small world for tests that play the engine without any server."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from tallyhook_mock.core.frequencies import FREQUENCIES
from tallyhook_mock.core.hooks import Attempt
from tallyhook_mock.systems.cheddar import review, signup
from tallyhook_mock.systems.cheddar.model import Customer, PaymentMethod
from tallyhook_mock.systems.cheddar.products import Item, Plan, PlanItem, Product
from tallyhook_mock.systems.cheddar.state import Event, State

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class World:
    """An engine with one product, its clock, and listeners that answer as they are told."""

    def __init__(self) -> None:
        self.state = State()
        self.now = START
        self.product = Product(self.state.ids.next(), "ACME", "Acme", "acme", "secret")
        self.state.products["ACME"] = self.product
        self.events: list[Event] = []
        self.answers: dict[str, int] = {}

    def plan(
        self,
        code: str,
        amount: str,
        frequency: str = "monthly",
        items: Mapping[str, tuple[str, str]] | None = None,
        *,
        periodic: bool = True,
        **more: object,
    ) -> Plan:
        """A plan; `items` are code -> (quantity included, overage amount)."""
        planned = []
        for item_code, (included, overage) in (items or {}).items():
            item = self.product.items.setdefault(
                item_code, Item(self.state.ids.next(), item_code, item_code.title(), self.now)
            )
            planned.append(PlanItem(item, Decimal(included), Decimal(overage), periodic, self.now))
        plan = Plan(
            id=self.state.ids.next(),
            code=code,
            name=code.title(),
            description="",
            frequency=FREQUENCIES[frequency],
            recurring_charge_code=f"{code}_RECURRING",
            recurring_charge_amount=Decimal(amount),
            created=self.now,
            items=tuple(planned),
            **more,  # type: ignore[arg-type]  # any other field of a plan
        )
        self.product.plans[code] = plan
        return plan

    def card(self, expires: date | None = None, zip_code: str = "") -> PaymentMethod:
        return PaymentMethod(
            self.state.ids.next(),
            "cc",
            self.now,
            {"ccZip": zip_code},
            "visa",
            "411111",
            "1111",
            expires or date(2040, 12, 31),
        )

    def customer(self, code: str, plan: Plan, **more: object) -> Customer:
        more.setdefault("payment", self.card())
        return signup.new_customer(
            self.state,
            self.product,
            code=code,
            details={},
            meta_data={},
            plan=plan,
            at=self.now,
            **more,  # type: ignore[arg-type]  # any other argument of new_customer
        )

    def listen(self, url: str, *events: str, status: int = 200) -> None:
        self.state.hooks.listen("ACME", url, frozenset(events or ("subscriptionBillable",)))
        self.answers[url] = status

    def advance(self, to: datetime | timedelta) -> None:
        """Walk through everything that is due, in order of time, delivering hooks at their moments."""
        end = to if isinstance(to, datetime) else self.now + to
        while True:
            self._deliver()
            coming = [due for due in (self.state.next_due(), self.state.hooks.next_due()) if due is not None]
            if not coming or min(coming) > end:
                break
            self.now = max(self.now, min(coming))
            self.state.step(self.now)
        self.now = end

    def _deliver(self) -> None:
        for event in self.state.take_events():
            self.events.append(event)
            review.announce(self.state, event, b"{}")
        for delivery in self.state.hooks.due(self.now):
            answer = Attempt(self.now, self.answers[delivery.listener.url], 0.0)
            settled = self.state.hooks.record(delivery, answer)
            if settled is not None:
                review.settled(self.state, settled, self.now)
