"""The listener of this deployment. All settings that differ between machines come from the environment.

    uvicorn listener:app --port 8000 --http h11 --no-access-log --timeout-graceful-shutdown 30

docs/operations.md lists the variables and explains the options. `tallyhook doctor` finds wrong settings.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prometheus_client import make_asgi_app
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from tallyhook.review import Review
from tallyhook_receiver import Receiver
from tallyhook_receiver.logs import JSONFormatter
from tallyhook_receiver.prometheus import Metrics

handler = logging.StreamHandler()
handler.setFormatter(JSONFormatter())
logging.basicConfig(level=logging.INFO, handlers=[handler])
logging.getLogger("httpx").setLevel(logging.WARNING)

receiver = Receiver.from_environment(observers=[Metrics()])


@receiver.review
async def audit(review: Review) -> None:
    gigabytes = 15  # ask your own database here, for review.customer.code and review.period
    review.set_quantity("GB", gigabytes)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
    async with receiver:
        yield


# The proxy in front of this listener forwards only /hooks and /healthz, so /metrics can't be reached from
# outside.
app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/hooks", receiver.asgi),
        Route("/healthz", receiver.asgi),
        Mount("/metrics", make_asgi_app()),
    ],
)
