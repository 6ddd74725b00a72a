"""No bill below a minimum: a reminder comes two days before each bill, and its handler postpones small ones.

The period of a postponed bill continues, so the next bill covers the usage of both months. A period gets no
longer than three months. Try it against the mock, in two terminals of a clone:

    tallyhook mock --catalog examples/metered.toml --frozen
    set -a; . examples/mock.env; set +a
    uvicorn --app-dir examples minimum_amount:app --port 8000

Cem has used 30 GB, which is 3.00: a month later (`tallyhook clock advance 1mo`) nothing is billed.

Adapt MINIMUM and LONGEST. Each bill has one recurring charge of the plan, so each time a bill is postponed
you lose a recurring charge. CHEDDAR_USER, CHEDDAR_PASSWORD and CHEDDAR_SECRET come from the environment. A
KeyError names a missing variable.
"""

from calendar import monthrange
from datetime import datetime, timedelta
from decimal import Decimal
from os import environ as env

from tallyhook import AsyncClient, Id
from tallyhook.cheddar.client import BASE_URL
from tallyhook.cheddar.hooks import BillReminder
from tallyhook_receiver import Cheddar, Receiver

MINIMUM = Decimal("5.00")
LONGEST = timedelta(days=93)  # from the start of the period to its bill

client = AsyncClient(
    "ACME", env["CHEDDAR_USER"], env["CHEDDAR_PASSWORD"], base_url=env.get("CHEDDAR_URL", BASE_URL)
)
product = Cheddar("ACME", env["CHEDDAR_SECRET"], client)
receiver = Receiver(product, inbox=env.get("TALLYHOOK_INBOX", "inbox.sqlite"))


def month_later(moment: datetime) -> datetime:
    """Return the same day of the next month, or the month's last day if that month is too short."""
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


@receiver.on(BillReminder)
async def put_off(hook: BillReminder) -> None:
    announced = hook.subscription.invoice
    if announced is None or not announced.transactions or announced.transactions[0].amount >= MINIMUM:
        return
    bill, began = announced.billing_datetime, announced.previous_billing_datetime
    if bill is None or began is None or month_later(bill) - began > LONGEST:
        return
    customer = Id(hook.customer.id)
    current = (await client.get_customer(customer)).subscription.current_invoice
    # A hook may come late or twice. A date in the past would bill at once.
    if current is not None and current.billing_datetime == bill:
        await client.edit_subscription(customer, change_bill_date=month_later(bill))


app = receiver.asgi
