"""Everything that is known of Fusebill, and the agenda of what is to come."""

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.engine.fusebill.customer import BillingPeriodDefinition, Customer, Subscription
from tallyhook_mock.engine.fusebill.refusal import invalid, not_found
from tallyhook_mock.engine.happening import Happening
from tallyhook_mock.engine.ids import Ids
from tallyhook_mock.engine.system import System

__all__ = ["State"]


class State(System):
    """Customers with their definitions, subscriptions and bills.

    Commands are the functions of the modules beside this one: each takes the state and the moment, changes
    the state or raises a `Refusal`, and leaves the happenings for `take_events`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.api_keys: Collection[str] = ("fusebill-key",)
        self.ids = Ids(100)
        self.last_bill = 0
        self._customers: dict[int, Customer] = {}
        self._definitions: dict[int, BillingPeriodDefinition] = {}
        self._subscriptions: dict[int, Subscription] = {}

    # -- what is there

    def accounts(self) -> Iterable[Customer]:
        """The customers, in the order of creation."""
        return self._customers.values()

    def customer(self, id: int) -> Customer:
        try:
            return self._customers[id]
        except KeyError:
            raise not_found("customerId", id) from None

    def definition(self, id: int) -> BillingPeriodDefinition:
        try:
            return self._definitions[id]
        except KeyError:
            raise not_found("billingPeriodDefinitionId", id) from None

    def subscription(self, id: int) -> Subscription:
        try:
            return self._subscriptions[id]
        except KeyError:
            raise not_found("subscriptionId", id) from None

    def has_customer(self, id: int) -> bool:
        return id in self._customers

    def has_subscription(self, id: int) -> bool:
        return id in self._subscriptions

    # -- what changes (for the commands)

    def customer_id(self, given: int | None) -> int:
        """The id of a new customer; Refusal if the given one is taken."""
        return self._new_id(given, self._customers)

    def subscription_id(self, given: int | None) -> int:
        """The id of a new subscription; Refusal if the given one is taken."""
        return self._new_id(given, self._subscriptions)

    def _new_id(self, given: int | None, taken: Collection[int]) -> int:
        if given is None:
            return self.ids.next()
        if given in taken:
            raise invalid("id", f"{given} is taken")
        self.ids.last = max(self.ids.last, given)
        return given

    def add_customer(self, customer: Customer) -> None:
        """With all that it has."""
        self._customers[customer.id] = customer
        self._definitions.update((definition.id, definition) for definition in customer.definitions)
        self._subscriptions.update((subscription.id, subscription) for subscription in customer.subscriptions)

    def add_definition(self, definition: BillingPeriodDefinition) -> None:
        self._definitions[definition.id] = definition
        definition.customer.definitions.append(definition)

    def remove_definition(self, definition: BillingPeriodDefinition) -> None:
        del self._definitions[definition.id]
        definition.customer.definitions.remove(definition)
        definition.is_deleted = True

    def add_subscription(self, subscription: Subscription) -> None:
        self._subscriptions[subscription.id] = subscription
        subscription.customer.subscriptions.append(subscription)
        subscription.definition.subscriptions.append(subscription)

    # -- what happened

    def emit(
        self,
        kind: str,
        at: datetime,
        customer: Customer,
        *,
        note: str = "",
        invoice: int | None = None,
        amount: Decimal | None = None,
        item: str = "",
    ) -> None:
        self.note(Happening(kind, at, self.actor, str(customer.id), note, invoice, amount, item))
