"""Bill usage from your own table, read with SQLAlchemy: the bytes of the period that the invoice bills.

The database adds up whole numbers, from the period's start up to, but not including, the period's end. So no
byte is billed twice or left out. Try it against the mock, in two terminals of a clone:

    tallyhook mock --catalog examples/catalog.toml --frozen
    set -a; . examples/mock.env; set +a
    export DATABASE_URL=sqlite:///transfers.sqlite
    uvicorn --app-dir examples sql_usage:app --port 8000

Without any transfers, Ada's month costs 50.00: her plan and three seats.

Adapt the table and the unit. DATABASE_URL, CHEDDAR_USER, CHEDDAR_PASSWORD and CHEDDAR_SECRET come from the
environment. A KeyError names a missing variable.
"""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from os import environ as env

from sqlalchemy import BigInteger, DateTime, String, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tallyhook import AsyncClient
from tallyhook.cheddar.client import BASE_URL
from tallyhook.review import Period, Review
from tallyhook_receiver import Cheddar, Receiver

client = AsyncClient(
    "ACME", env["CHEDDAR_USER"], env["CHEDDAR_PASSWORD"], base_url=env.get("CHEDDAR_URL", BASE_URL)
)
product = Cheddar("ACME", env["CHEDDAR_SECRET"], client)
receiver = Receiver(product, inbox=env.get("TALLYHOOK_INBOX", "inbox.sqlite"))
engine = create_engine(env["DATABASE_URL"], pool_pre_ping=True)


class Base(DeclarativeBase):
    pass


class Transfer(Base):
    """A row of your existing table. All times are in UTC, because SQLite stores no time zone."""

    __tablename__ = "transfers"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(String(255), index=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    bytes: Mapped[int] = mapped_column(BigInteger)


Base.metadata.create_all(engine)  # does nothing if the table exists


def gigabytes_used(customer: str, period: Period) -> Decimal:
    """Return the gigabytes used, rounded to four decimals, because Cheddar accepts no more than four."""
    query = select(func.coalesce(func.sum(Transfer.bytes), 0)).where(
        Transfer.customer == customer, Transfer.at >= period.start, Transfer.at < period.end
    )
    with Session(engine) as session:
        used = session.scalars(query).one()
    return (Decimal(used) / 10**9).quantize(Decimal("0.0001"), ROUND_HALF_UP)


@receiver.review
def audit(review: Review) -> None:  # a plain function runs in a thread, so it may wait for the database
    review.set_quantity("GB", gigabytes_used(review.customer.code, review.period))


app = receiver.asgi
