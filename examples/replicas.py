"""Two replicas that share an inbox in PostgreSQL. Either can get a hook, and the hook's work is done once.

While one replica works on a hook, the other replica refuses this hook, so the invoice stays held and Cheddar
sends the hook again. If a replica dies, the other takes over when the lease has expired, and continues from
the journal.

    pip install 'tallyhook[receiver,postgres]'
    tallyhook mock --catalog examples/catalog.toml --frozen
    set -a; . examples/mock.env; set +a
    export TALLYHOOK_INBOX=postgresql://hooks:secret@127.0.0.1/hooks
    python examples/replicas.py --port 8000
    python examples/replicas.py --port 8001

Adapt `gigabytes_used` and the product's code. Put a proxy in front of the replicas, and register the proxy's
address. TALLYHOOK_INBOX, CHEDDAR_USER, CHEDDAR_PASSWORD and CHEDDAR_SECRET come from the environment. A
KeyError names a missing variable.
"""

import argparse
from os import environ as env

import uvicorn

from tallyhook import AsyncClient
from tallyhook.cheddar.client import BASE_URL
from tallyhook.review import Period, Review
from tallyhook_receiver import Cheddar, Receiver

client = AsyncClient(
    "ACME", env["CHEDDAR_USER"], env["CHEDDAR_PASSWORD"], base_url=env.get("CHEDDAR_URL", BASE_URL)
)
product = Cheddar("ACME", env["CHEDDAR_SECRET"], client)
receiver = Receiver(product, inbox=env["TALLYHOOK_INBOX"])


async def gigabytes_used(customer: str, period: Period) -> int:
    return 15  # ask your own database here


@receiver.review
async def audit(review: Review) -> None:
    review.set_quantity("GB", await gigabytes_used(review.customer.code, review.period))
    review.charge("SUPPORT", "7.00", "one call")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run one replica.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    uvicorn.run(receiver.asgi, host=options.host, port=options.port)
