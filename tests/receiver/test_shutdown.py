"""A server is terminated during a review: nothing is done twice."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from tests.cheddar import KEY
from tests.end_to_end.stage import CARD

from tallyhook import Client
from tallyhook_mock import Server, serve

USER, PASSWORD, START = "ops@example.com", "paraffin", "2026-01-01T09:00:00Z"
CATALOG = {
    "users": [{"email": USER, "password": PASSWORD}],
    "products": [
        {"code": "ACME", "secret": KEY, "plans": [{"code": "PRO", "recurringChargeAmount": "20.00"}]}
    ],
}
APPLICATION = """
import asyncio
from pathlib import Path
from tallyhook_receiver import Receiver

receiver = Receiver.from_environment()
begun = Path("begun")

@receiver.review
async def audit(review):
    review.charge("EXTRA", "5.00")
    if not begun.exists():
        begun.touch()
        await asyncio.sleep(1.5)

app = receiver.asgi
"""


class Listener:
    """The application, served by uvicorn in one process after another."""

    def __init__(self, folder: Path, api: str, close_within: str) -> None:
        self.folder = folder
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hooks"
        (folder / "application.py").write_text(APPLICATION)
        variables = {
            "PRODUCT_CODE": "ACME",
            "KEYS": KEY,
            "USER": USER,
            "PASSWORD": PASSWORD,
            "BASE_URL": api,
            "INBOX": "inbox.sqlite",
            "ANSWER_WITHIN": "0.2",
            "CLOSE_WITHIN": close_within,
        }
        named = {f"TALLYHOOK_{name}": value for name, value in variables.items()}
        self.environment = {**os.environ, **named, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the server, and end it with the signal that orchestrators and systemd send."""
        command = [sys.executable, "-m", "uvicorn", "application:app", "--port", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while not self._is_healthy():
                assert time.monotonic() < deadline, self.log
                time.sleep(0.05)
            yield
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        finally:
            process.kill()
            process.wait()

    def _is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").is_success
        except httpx.TransportError:
            return False

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(CATALOG, start=START) as server:
        yield server


@pytest.mark.parametrize(
    ("close_within", "after_the_end"),
    [("10", [Decimal("5.00")]), ("0.1", [])],
    ids=["finishes", "is cut"],
)
def test_a_review_that_is_under_way(
    server: Server, tmp_path: Path, close_within: str, after_the_end: list[Decimal]
) -> None:
    listener = Listener(tmp_path, server.xml, close_within)
    with Client("ACME", USER, PASSWORD, base_url=server.xml) as client:
        client.new_customer("C1", "Ida", "Lamp", "ida@example.com", "PRO", payment=CARD)

        def charged() -> list[Decimal]:
            invoices = client.get_customer("C1").subscription.invoices
            return [c.each_amount for i in invoices for c in i.charges if c.code == "EXTRA"]

        with listener.running():
            server.listen(listener.url, ["subscriptionBillable"])
            server.advance("1mo")
            assert (tmp_path / "begun").exists()
            assert charged() == []
        # On the signal, it has finished the review or released the hook.
        assert charged() == after_the_end
        assert "Traceback" not in listener.log
        is_cut = not after_the_end
        assert ("subscriptionBillable: interrupted because the receiver closed" in listener.log) == is_cut
        with listener.running():
            server.advance("2d")
        assert charged() == [Decimal("5.00")]
        taken = [
            transaction.amount
            for invoice in client.get_customer("C1").subscription.invoices
            for transaction in invoice.transactions
        ]
    assert sorted(taken)[-1] == Decimal("25.00")
